import json

import openai as sdk
import pytest

from batchwright.emulator import Scenario

CHAT = "/v1/chat/completions"


def line(number, *, url=CHAT, model="gpt-x", text="hello", **extra):
    content = {"messages": [{"role": "user", "content": text}]} if url == CHAT else {"input": text}
    return {"custom_id": f"t-{number}", "method": "POST", "url": url, "body": {"model": model, **content, **extra}}


def jsonl(*lines):
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in lines)


@pytest.fixture
def submit(openai):
    def submit(*lines, endpoint=CHAT, **extra):
        file = openai.files.create(file=("in.jsonl", jsonl(*lines)), purpose="batch")
        return openai.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **extra)

    return submit


@pytest.fixture
def finished(openai, submit, clock):
    def finished(*lines, **extra):
        batch = submit(*lines, **extra)
        clock.advance(60)
        return openai.batches.retrieve(batch.id)

    return finished


@pytest.fixture
def read(openai):
    def read(file_id):
        return [json.loads(text) for text in openai.files.content(file_id).content.split(b"\n") if text]

    return read


def test_a_batch_goes_from_upload_to_its_output(openai, submit, clock, read):
    batch = submit(line(0, text="ä\u2028b"), line(1), metadata={"tag": "job-1"})
    assert (batch.status, batch.request_counts.total, batch.output_file_id) == ("validating", 0, None)
    clock.advance(0.7)
    running = openai.batches.retrieve(batch.id)
    assert (running.status, running.request_counts.total, running.request_counts.completed) == ("in_progress", 2, 1)
    clock.advance(0.6)
    assert openai.batches.retrieve(batch.id).status == "finalizing"
    clock.advance(0.2)
    done = openai.batches.retrieve(batch.id)
    assert (done.status, done.request_counts.completed, done.error_file_id) == ("completed", 2, None)
    assert (done.metadata, done.model) == ({"tag": "job-1"}, "gpt-x")
    lines = read(done.output_file_id)
    assert [item["custom_id"] for item in lines] == ["t-0", "t-1"]
    assert [item["response"]["body"]["choices"][0]["message"]["content"] for item in lines] == ["ä\u2028b", "hello"]
    assert done.usage.total_tokens == sum(item["response"]["body"]["usage"]["total_tokens"] for item in lines)


def test_the_output_file_is_a_file_like_any_other(openai, finished):
    batch = finished(line(0))
    content = openai.files.content(batch.output_file_id)
    file = openai.files.retrieve(batch.output_file_id)
    assert (file.filename, file.purpose) == (f"{batch.id}_output.jsonl", "batch_output")
    assert file.bytes == len(content.content)
    assert content.content.endswith(b"}\n")
    assert content.response.headers["content-disposition"] == f'attachment; filename="{file.filename}"'
    assert [item.id for item in openai.files.list(purpose="batch_output")] == [file.id]


def test_the_responses_endpoint_works_in_batches(finished, read):
    batch = finished(line(0, url="/v1/responses", text="hi"), endpoint="/v1/responses")
    body = read(batch.output_file_id)[0]["response"]["body"]
    assert sdk.types.responses.Response.model_validate(body).output_text == "hi"


def test_wrong_and_failed_requests_are_in_the_error_file(finished, read, patch_scenario):
    patch_scenario(fail_positions=[2])
    batch = finished(line(0), line(1, stream=True), line(2), line(3, foo=1), line(4))
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 3)
    assert [item["custom_id"] for item in read(batch.output_file_id)] == ["t-0", "t-4"]
    errors = read(batch.error_file_id)
    assert [(item["custom_id"], item["response"]["status_code"], item["error"]) for item in errors] == [
        ("t-1", 400, None),
        ("t-2", 500, None),
        ("t-3", 400, None),
    ]
    assert errors[2]["response"]["body"]["error"]["message"] == "Unknown parameter: 'foo'."


def test_a_completed_batch_may_have_no_output_file(finished, patch_scenario):
    patch_scenario(fail_every=1)
    batch = finished(line(0), line(1))
    assert (batch.status, batch.output_file_id, batch.request_counts.failed) == ("completed", None, 2)
    assert batch.error_file_id


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        ([line(0), b'{"custom_id": '], "invalid_json_line", 2),
        ([b"[1]"], "invalid_json_line", 1),
        ([line(0), line(1), line(0)], "duplicate_custom_id", 3),
        ([line(0, url="/v1/responses")], "url_mismatch", 1),
        ([line(0), line(1, model="gpt-y")], "mismatched_model", 2),
        ([{"custom_id": "a", "method": "POST", "url": CHAT}], "missing_required_parameter", 1),
        ([line(0, model="")], "missing_required_parameter", 1),
        ([], "empty_file", None),
        ([line(n) for n in range(5)], "too_many_tasks", None),
    ],
)
def test_a_bad_input_fails_the_batch_when_it_is_validated(openai, submit, clock, patch_scenario, lines, code, number):
    patch_scenario(providers={"openai": {"limits": {"max_requests": 4}}})
    batch = submit(*lines)
    assert (batch.status, batch.errors) == ("validating", None)
    clock.advance(1)
    failed = openai.batches.retrieve(batch.id)
    assert (failed.status, failed.output_file_id, failed.request_counts.total) == ("failed", None, 0)
    assert [(error.code, error.line) for error in failed.errors.data] == [(code, number)]


def test_exactly_the_most_requests_are_accepted(finished, patch_scenario):
    patch_scenario(providers={"openai": {"limits": {"max_requests": 4}}})
    assert finished(*[line(n) for n in range(4)]).status == "completed"


def test_uploads_have_a_size_limit_and_a_name_rule(openai, patch_scenario, app):
    patch_scenario(providers={"openai": {"limits": {"max_input_bytes": 1000}}})
    assert openai.files.create(file=("in.jsonl", b"x" * 1000), purpose="batch").bytes == 1000
    with pytest.raises(sdk.APIStatusError) as too_large:
        openai.files.create(file=("in.jsonl", b"x" * 1001), purpose="batch")
    assert too_large.value.status_code == 413
    with pytest.raises(sdk.BadRequestError, match=r"Must be \.jsonl"):
        openai.files.create(file=("in.txt", b"x"), purpose="batch")
    assert list((app.state.world.data_dir / "incoming").iterdir()) == []


def test_cancelling_keeps_what_was_done(openai, submit, clock, read):
    batch = submit(*[line(n) for n in range(4)])
    clock.advance(0.7)
    assert openai.batches.cancel(batch.id).status == "cancelling"
    clock.advance(1)
    cancelled = openai.batches.retrieve(batch.id)
    assert (cancelled.status, cancelled.request_counts.completed) == ("cancelled", 2)
    assert [item["custom_id"] for item in read(cancelled.output_file_id)] == ["t-0", "t-1"]
    assert [(item["response"], item["error"]["code"]) for item in read(cancelled.error_file_id)] == [
        (None, "batch_cancelled")
    ] * 2
    with pytest.raises(sdk.ConflictError):
        openai.batches.cancel(batch.id)


def test_a_batch_cancelled_while_validating_counts_nothing(openai, submit, clock):
    batch = submit(line(0))
    openai.batches.cancel(batch.id)
    clock.advance(1)
    cancelled = openai.batches.retrieve(batch.id)
    assert (cancelled.status, cancelled.request_counts.total) == ("cancelled", 0)
    assert (cancelled.output_file_id, cancelled.error_file_id) == (None, None)


def test_a_stuck_batch_expires_with_partial_output(openai, submit, clock, read, patch_scenario):
    patch_scenario(stuck=True)
    batch = submit(line(0), line(1))
    clock.advance(86_399)
    assert openai.batches.retrieve(batch.id).status == "in_progress"
    clock.advance(1)
    expired = openai.batches.retrieve(batch.id)
    assert (expired.status, len(read(expired.output_file_id))) == ("expired", 1)
    assert read(expired.error_file_id)[0]["error"]["code"] == "batch_expired"


def test_lists_are_paged_newest_first(openai, submit):
    ids = [submit(line(0)).id for _ in range(5)]
    page = openai.batches.list(limit=2)
    assert ([item.id for item in page.data], page.has_more) == (ids[:2:-1], True)
    assert [item.id for item in openai.batches.list(limit=2)] == ids[::-1]
    assert len(list(openai.files.list(limit=2))) == 5
    with pytest.raises(sdk.BadRequestError):
        openai.batches.list(limit=101)


def test_a_deleted_input_file_does_not_hurt_its_batch(openai, submit, clock):
    batch = submit(line(0))
    assert openai.files.delete(batch.input_file_id).deleted
    with pytest.raises(sdk.NotFoundError):
        openai.files.retrieve(batch.input_file_id)
    clock.advance(5)
    assert openai.batches.retrieve(batch.id).request_counts.completed == 1


def test_files_disappear_after_thirty_days(openai, finished, clock):
    batch = finished(line(0))
    clock.advance(30 * 86_400)
    for file_id in (batch.input_file_id, batch.output_file_id):
        with pytest.raises(sdk.NotFoundError):
            openai.files.content(file_id)


def test_the_output_expires_when_it_was_asked_to(openai, finished, clock):
    batch = finished(line(0), output_expires_after={"anchor": "created_at", "seconds": 3600})
    file = openai.files.retrieve(batch.output_file_id)
    assert file.expires_at - file.created_at == 3600
    clock.advance(3600)
    with pytest.raises(sdk.NotFoundError):
        openai.files.retrieve(batch.output_file_id)


def test_shuffled_results_are_all_there(finished, read, patch_scenario):
    patch_scenario(shuffle=True, seed=1)
    batch = finished(*[line(n) for n in range(20)])
    ids = [item["custom_id"] for item in read(batch.output_file_id)]
    assert ids != sorted(ids, key=lambda name: int(name[2:]))
    assert sorted(ids) == sorted(f"t-{n}" for n in range(20))


@pytest.mark.parametrize("scenario", [Scenario.everywhere(polls_until_done=3)])
def test_the_nth_poll_sees_the_end_and_listing_is_no_poll(openai, submit, scenario):
    batch = submit(line(0))
    statuses = []
    for _ in range(4):
        openai.batches.list()
        statuses.append(openai.batches.retrieve(batch.id).status)
    assert statuses == ["in_progress", "in_progress", "completed", "completed"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": "/v1/nothing"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": "file-nothing"}, "input_file_id"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata.k"),
        ({"tag": "x"}, "tag"),
        ({"input_file_id": 7}, "input_file_id"),
        ({"metadata": ["x"]}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, "output_expires_after.seconds"),
    ],
)
def test_create_refuses_wrong_parameters_at_once(openai, http, change, param):
    file = openai.files.create(file=("in.jsonl", jsonl(line(0))), purpose="batch")
    body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", **change}
    response = http.post("/openai/v1/batches", json=body, headers={"authorization": "Bearer k"})
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize(("key", "code"), [("invalid", "invalid_api_key"), (None, None)])
def test_a_missing_or_wrong_key_is_refused(http, key, code):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    response = http.get("/openai/v1/models", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, code)
    assert response.headers["x-request-id"].startswith("req_")


def test_unknown_things_are_404(openai):
    for call in (openai.batches.retrieve, openai.batches.cancel, openai.files.retrieve, openai.files.delete):
        with pytest.raises(sdk.NotFoundError):
            call("batch_nothing")
    with pytest.raises(sdk.NotFoundError):
        openai.get("/nothing", cast_to=object)


def test_live_calls_answer_at_once(openai):
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    chat = openai.chat.completions.create(
        model="m", messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}], response_format=wanted
    )
    assert set(json.loads(chat.choices[0].message.content)) == {"n"}
    answer = openai.responses.create(
        model="m",
        instructions="Be brief.",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        text={"format": {"type": "json_schema", "name": "x", "strict": True, "schema": schema}},
    )
    assert set(json.loads(answer.output_text)) == {"n"}
    assert [model.object for model in openai.models.list()] == ["model"] * 3


@pytest.mark.parametrize(
    ("schema", "strict", "message"),
    [
        ({"type": "array", "items": {}}, False, "must be a JSON Schema of"),
        ({"type": "object", "properties": {}}, True, "'additionalProperties' is required"),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, True, "Missing 'a'"),
    ],
)
def test_schemas_that_the_service_does_not_take_are_refused(openai, schema, strict, message):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": strict, "schema": schema}}
    with pytest.raises(sdk.BadRequestError, match=message):
        openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], response_format=wanted)


def test_streaming_is_refused(openai):
    with pytest.raises(sdk.BadRequestError, match="Streaming"):
        openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
