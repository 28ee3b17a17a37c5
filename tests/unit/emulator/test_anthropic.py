import json

import anthropic as sdk
import pytest

from batchwright.emulator import Scenario

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
URL = "/anthropic/v1/messages/batches"


def item(name, text="hello", **params):
    given = {"model": "claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": text}], **params}
    return {"custom_id": str(name), "params": {key: value for key, value in given.items() if value is not None}}


@pytest.fixture
def batches(anthropic):
    return anthropic.messages.batches


@pytest.fixture
def finished(batches, clock):
    def finished(*items, **extra):
        batch = batches.create(requests=items, **extra)
        clock.advance(60)
        return batches.retrieve(batch.id)

    return finished


def counts(batch):
    return {name: number for name, number in batch.request_counts.model_dump().items() if number}


def test_a_batch_goes_from_create_to_its_results(batches, clock):
    batch = batches.create(requests=[item("a", "ä\u2028b"), item("b")])
    assert (batch.processing_status, counts(batch), batch.results_url) == ("in_progress", {"processing": 2}, None)
    clock.advance(1)
    assert counts(batches.retrieve(batch.id)) == {"processing": 2}
    clock.advance(1)
    done = batches.retrieve(batch.id)
    assert (done.processing_status, counts(done)) == ("ended", {"succeeded": 2})
    assert done.ended_at is not None
    results = list(batches.results(batch.id))
    assert [(r.custom_id, r.result.message.content[0].text) for r in results] == [("a", "ä\u2028b"), ("b", "hello")]
    assert results[0].result.message.usage.service_tier == "batch"


def test_only_polls_of_unfinished_batches_say_when_to_come_again(batches, clock, http):
    batch = batches.create(requests=[item("a")])
    assert http.get(f"{URL}/{batch.id}", headers=HEADERS).headers["retry-after"] == "10"
    clock.advance(5)
    assert "retry-after" not in http.get(f"{URL}/{batch.id}", headers=HEADERS).headers


def test_results_are_chunked_and_end_without_a_line_end(finished, http):
    batch = finished(item("a"), item("b"))
    assert batch.results_url == f"http://testserver{URL}/{batch.id}/results"
    response = http.get(batch.results_url, headers=HEADERS)
    assert response.content.count(b"\n") == 1
    assert not response.content.endswith(b"\n")
    assert "content-length" not in response.headers
    assert "content-type" not in response.headers
    assert response.headers["content-disposition"] == f'attachment; filename="{batch.id}_results.jsonl"'


def test_results_of_an_unfinished_batch_are_not_found(batches, http):
    batch = batches.create(requests=[item("a")])
    response = http.get(f"{URL}/{batch.id}/results", headers=HEADERS)
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["request_id"] == response.headers["request-id"]
    with pytest.raises(sdk.AnthropicError):
        batches.results(batch.id)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"model": None}, "model: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"stream": True}, "stream"),
        ({"speed": "fast"}, "speed"),
        ({"foo": 1}, "foo: Extra inputs are not permitted"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
    ],
)
def test_wrong_parameters_fail_their_own_request_when_it_runs(batches, finished, params, message):
    batch = finished(item("good"), item("bad", **params))
    assert counts(batch) == {"succeeded": 1, "errored": 1}
    result = next(r.result for r in batches.results(batch.id) if r.custom_id == "bad")
    assert (result.type, result.error.error.type) == ("errored", "invalid_request_error")
    assert message in result.error.error.message


@pytest.mark.parametrize(("version", "fate"), [("2023-06-01", "succeeded"), ("2026-10-21", "errored")])
def test_sampling_parameters_depend_on_the_api_version(finished, version, fate):
    batch = finished(item("a", temperature=0.2), extra_headers={"anthropic-version": version})
    assert counts(batch) == {fate: 1}


def test_failures_of_the_service_are_api_errors(batches, finished, patch_scenario):
    patch_scenario(fail_every=2)
    batch = finished(*[item(n) for n in range(4)])
    errors = {r.custom_id: r.result.error.error.type for r in batches.results(batch.id) if r.result.type == "errored"}
    assert errors == {"1": "api_error", "3": "api_error"}


def test_canceling_ends_with_canceled_lines_for_the_rest(batches, clock):
    batch = batches.create(requests=[item(n) for n in range(4)])
    clock.advance(0.7)
    cancelling = batches.cancel(batch.id)
    assert (cancelling.processing_status, counts(cancelling)) == ("canceling", {"processing": 4})
    assert cancelling.cancel_initiated_at is not None
    clock.advance(1)
    assert counts(batches.retrieve(batch.id)) == {"succeeded": 2, "canceled": 2}
    assert [r.result.type for r in batches.results(batch.id)] == ["succeeded"] * 2 + ["canceled"] * 2
    with pytest.raises(sdk.BadRequestError):
        batches.cancel(batch.id)


def test_a_batch_canceled_at_once_has_only_canceled_lines(batches, clock):
    batch = batches.create(requests=[item("a")])
    batches.cancel(batch.id)
    clock.advance(1)
    assert counts(batches.retrieve(batch.id)) == {"canceled": 1}


def test_a_stuck_batch_expires_with_both_kinds_of_lines(batches, clock, patch_scenario):
    patch_scenario(stuck=True)
    batch = batches.create(requests=[item("a"), item("b")])
    clock.advance(86_400)
    assert counts(batches.retrieve(batch.id)) == {"succeeded": 1, "expired": 1}
    assert [r.result.type for r in batches.results(batch.id)] == ["succeeded", "expired"]


def test_results_are_archived_after_twenty_nine_days(batches, finished, clock):
    batch = finished(item("a"))
    clock.advance(29 * 86_400)
    archived = batches.retrieve(batch.id)
    assert archived.archived_at is not None
    assert archived.results_url is None
    with pytest.raises(sdk.AnthropicError):
        batches.results(batch.id)


def test_lists_are_paged_both_ways(batches):
    ids = [batches.create(requests=[item("a")]).id for _ in range(5)][::-1]
    assert [batch.id for batch in batches.list(limit=2)] == ids
    newer = batches.list(limit=2, before_id=ids[3])
    assert ([batch.id for batch in newer.data], newer.has_more) == (ids[1:3], True)
    with pytest.raises(sdk.BadRequestError):
        batches.list(limit=1001)


def test_only_ended_batches_can_be_deleted(batches, clock):
    batch = batches.create(requests=[item("a")])
    with pytest.raises(sdk.BadRequestError):
        batches.delete(batch.id)
    clock.advance(5)
    assert batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(sdk.NotFoundError):
        batches.retrieve(batch.id)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not valid JSON"),
        (b"{}", "requests: Field required"),
        (b'{"requests":{}}', "requests: Input should be a valid list"),
        (b'{"requests":[]}', "at least 1 item"),
        (b'{"requests":[],"x":1}', "x: Extra inputs are not permitted"),
        (b'{"requests":[{"custom_id":"a"}]}', "requests.0.params: Field required"),
        (b'{"requests":[{"custom_id":"a b","params":{}}]}', "requests.0.custom_id: String should match pattern"),
        (b'{"requests":[{"custom_id":"a\\n","params":{}}]}', "requests.0.custom_id: String should match pattern"),
        (json.dumps({"requests": [item("x" * 65)]}).encode(), "String should match pattern"),
        (json.dumps({"requests": [item("a"), item("a")]}).encode(), "requests.1.custom_id"),
        (json.dumps({"requests": [item(n) for n in range(4)]}).encode(), "at most 3 items"),
    ],
)
def test_a_wrong_list_is_refused_at_once(http, patch_scenario, body, message):
    patch_scenario(providers={"anthropic": {"limits": {"max_requests": 3}}})
    response = http.post(URL, content=body, headers=HEADERS)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert message in response.json()["error"]["message"]
    assert http.get("/_emulator/stats").json()["anthropic"]["creates"] == 0


def test_exactly_the_limits_are_accepted_and_one_more_byte_is_not(http, patch_scenario):
    body = json.dumps({"requests": [item(n) for n in range(3)]}).encode()
    patch_scenario(providers={"anthropic": {"limits": {"max_requests": 3, "max_input_bytes": len(body)}}})
    assert http.post(URL, content=body, headers=HEADERS).status_code == 200
    response = http.post(URL, content=body + b" ", headers=HEADERS)
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"x-api-key": "invalid", "anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"authorization": "Bearer invalid", "anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"x-api-key": "k"}, 400, "invalid_request_error"),
        ({"x-api-key": "k", "anthropic-version": "1999-01-01"}, 400, "invalid_request_error"),
    ],
)
def test_the_key_and_the_version_are_checked(http, headers, status, kind):
    response = http.get("/anthropic/v1/models", headers=headers)
    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)


@pytest.mark.parametrize("headers", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
def test_both_ways_to_send_the_key_are_accepted(http, headers):
    response = http.get("/anthropic/v1/models", headers={**headers, "anthropic-version": "2026-10-21"})
    assert response.status_code == 200


@pytest.mark.parametrize("scenario", [Scenario.everywhere(polls_until_done=2)])
def test_the_nth_poll_sees_the_end(batches, scenario):
    batch = batches.create(requests=[item("a")])
    assert [batches.retrieve(batch.id).processing_status for _ in range(3)] == ["in_progress", "ended", "ended"]


def test_live_calls_answer_at_once(anthropic):
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    message = anthropic.messages.create(
        model="claude-x",
        max_tokens=5,
        system=[{"type": "text", "text": "Be brief."}],
        messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}},
    )
    assert set(json.loads(message.content[0].text)) == {"n"}
    assert message.usage.service_tier == "standard"
    assert len(list(anthropic.models.list())) == 3
    with pytest.raises(sdk.BadRequestError, match="streaming"):
        anthropic.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "hi"}], stream=True)
    with pytest.raises(sdk.BadRequestError, match="max_tokens"):
        anthropic.messages.create(model="m", max_tokens=0, messages=[{"role": "user", "content": "hi"}])
