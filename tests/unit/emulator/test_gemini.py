import json

import pytest
from google.genai import errors, types

from batchwright.emulator import Scenario

HEADERS = {"x-goog-api-key": "k"}
CREATE = "/gemini/v1/models/gemini-x:batchGenerateContent"


def request(text="hello", **extra):
    return {"contents": [{"parts": [{"text": text}], "role": "user"}], **extra}


def line(name, **extra):
    return {"key": name, "request": request(**extra)}


def jsonl(*lines):
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in lines)


@pytest.fixture
def upload(gemini, tmp_path):
    def upload(*lines, **config):
        path = tmp_path / "in.jsonl"
        path.write_bytes(jsonl(*lines))
        return gemini.files.upload(file=path, config={"mime_type": "application/jsonl", **config})

    return upload


@pytest.fixture
def finished(gemini, upload, clock):
    def finished(*lines, **config):
        job = gemini.batches.create(model="gemini-x", src=upload(*lines).name, config=config or None)
        clock.advance(60)
        return gemini.batches.get(name=job.name)

    return finished


@pytest.fixture
def read(gemini):
    def read(job):
        text = gemini.files.download(file=job.dest.file_name)
        return [json.loads(item) for item in text.split(b"\n") if item]

    return read


def raw(http, job):
    return http.get(f"/gemini/v1/{job.name}", headers=HEADERS).json()


def test_a_file_batch_goes_from_upload_to_its_responses(gemini, upload, clock, read, http):
    file = upload(line("a", text="ä\u2028b"), line("b"), display_name="tag-1.jsonl")
    assert (file.state, file.display_name, file.mime_type) == ("ACTIVE", "tag-1.jsonl", "application/jsonl")
    job = gemini.batches.create(model="gemini-x", src=file.name, config={"display_name": "tag-1"})
    assert job.state == types.JobState.JOB_STATE_PENDING
    clock.advance(0.5)
    assert gemini.batches.get(name=job.name).state == types.JobState.JOB_STATE_RUNNING
    clock.advance(5)
    done = gemini.batches.get(name=job.name)
    assert (done.state, done.display_name, done.model) == ("JOB_STATE_SUCCEEDED", "tag-1", "models/gemini-x")
    assert done.dest.file_name == job.name.replace("batches/", "files/batch-")
    assert raw(http, job)["metadata"]["batchStats"] == {"requestCount": "2", "successfulRequestCount": "2"}
    lines = read(done)
    assert [item["key"] for item in lines] == ["a", "b"]
    assert [item["response"]["candidates"][0]["content"]["parts"][0]["text"] for item in lines] == ["ä\u2028b", "hello"]


def test_an_inline_batch_has_its_responses_in_itself(gemini, clock):
    requests = [types.InlinedRequest(contents="hi", metadata={"key": str(n)}) for n in range(2)]
    job = gemini.batches.create(model="gemini-x", src=requests)
    clock.advance(5)
    responses = gemini.batches.get(name=job.name).dest.inlined_responses
    assert [(item.metadata, item.response.text) for item in responses] == [({"key": "0"}, "hi"), ({"key": "1"}, "hi")]
    assert all(item.dest is None or not item.dest.inlined_responses for item in gemini.batches.list())


def test_large_uploads_come_in_chunks(http):
    headers = HEADERS | {
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-command": "start",
        "x-goog-upload-header-content-length": "6",
        "x-goog-upload-header-content-type": "jsonl",
    }
    body = {"file": {"name": "files/chosen-name"}}
    started = http.post("/gemini/upload/v1/files", headers=headers, json=body)
    url = started.headers["x-goog-upload-url"]
    assert url.startswith("http://testserver/gemini/upload/v1/files?upload_id=")

    def send(command, offset, content):
        sent = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
        return http.post(url, headers=sent, content=content)

    middle = send("upload", 0, b"abc")
    assert (middle.status_code, middle.headers["x-goog-upload-status"]) == (200, "active")
    wrong = send("upload", 2, b"c")
    assert (wrong.status_code, wrong.headers["x-goog-upload-status"]) == (400, "final")
    last = send("upload, finalize", 3, b"def")
    assert last.headers["x-goog-upload-status"] == "final"
    assert (last.json()["file"]["name"], last.json()["file"]["sizeBytes"]) == ("files/chosen-name", "6")
    assert http.post("/gemini/upload/v1/files", headers=headers, json=body).status_code == 409
    assert send("upload, finalize", 6, b"").status_code == 404


def test_an_upload_over_the_limit_is_refused_by_its_announced_and_its_real_size(upload, patch_scenario, http):
    size = len(jsonl(line("a")))
    patch_scenario(providers={"gemini": {"limits": {"max_input_bytes": size}}})
    assert upload(line("a")).size_bytes == size
    with pytest.raises((errors.ClientError, KeyError)):
        upload(line("ab"))
    start = HEADERS | {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    url = http.post("/gemini/upload/v1/files", headers=start, json={}).headers["x-goog-upload-url"]
    response = http.post(url, headers={"x-goog-upload-command": "upload, finalize"}, content=b"x" * (size + 1))
    assert response.status_code == 400


def test_wrong_and_failed_requests_fail_alone(finished, read, patch_scenario, http):
    patch_scenario(fail_positions=[1])
    job = finished(
        line("a"), line("b"), {"key": "c"}, line("d", generationConfig={"foo": 1}), {"key": "e", "request": {}}
    )
    lines = {item["key"]: item for item in read(job)}
    assert "response" in lines["a"]
    assert [lines[key]["error"]["code"] for key in "bcde"] == [13, 3, 3, 3]
    assert 'Unknown name "foo"' in lines["d"]["error"]["message"]
    stats = raw(http, job)["metadata"]["batchStats"]
    assert stats == {"requestCount": "5", "successfulRequestCount": "1", "failedRequestCount": "4"}


@pytest.mark.parametrize("lines", [[b"{"], [line("a"), b"[]"], []])
def test_a_file_that_is_not_jsonl_fails_the_job(finished, http, lines):
    job = finished(*lines)
    assert job.state == types.JobState.JOB_STATE_FAILED
    assert raw(http, job)["error"]["code"] == 3


def test_fields_that_are_not_known_are_echoed(finished, read):
    job = finished({**line("a"), "row": 7, "tags": [1]}, {"request": request()})
    first, second = read(job)
    assert (first["row"], first["tags"]) == (7, [])
    assert set(second) == {"response"}


def test_cancelling_is_over_at_once_and_leaves_nothing(gemini, upload, clock, http):
    job = gemini.batches.create(model="gemini-x", src=upload(line("a")).name)
    clock.advance(0.5)
    gemini.batches.cancel(name=job.name)
    cancelled = gemini.batches.get(name=job.name)
    assert (cancelled.state, cancelled.dest) == (types.JobState.JOB_STATE_CANCELLED, None)
    assert raw(http, job)["error"]["code"] == 1
    gemini.batches.cancel(name=job.name)


def test_a_stuck_job_expires_after_two_days_with_nothing(gemini, upload, clock, patch_scenario):
    patch_scenario(stuck=True)
    job = gemini.batches.create(model="gemini-x", src=upload(line("a")).name)
    clock.advance(48 * 3600 - 1)
    assert gemini.batches.get(name=job.name).state == types.JobState.JOB_STATE_RUNNING
    clock.advance(1)
    expired = gemini.batches.get(name=job.name)
    assert (expired.state, expired.dest) == (types.JobState.JOB_STATE_EXPIRED, None)


def test_input_files_are_gone_after_two_days_and_results_after_six_weeks(gemini, finished, clock, upload):
    file = upload(line("x"))
    job = finished(line("a"))
    clock.advance(48 * 3600)
    with pytest.raises(errors.ClientError) as gone:
        gemini.files.get(name=file.name)
    assert gone.value.code == 403
    assert gemini.files.download(file=job.dest.file_name)
    clock.advance(40 * 86_400)
    with pytest.raises(errors.ClientError) as expired:
        gemini.files.download(file=job.dest.file_name)
    assert expired.value.code == 404


def test_results_are_not_there_before_the_job_has_succeeded(gemini, upload):
    job = gemini.batches.create(model="gemini-x", src=upload(line("a")).name)
    with pytest.raises(errors.ClientError) as early:
        gemini.files.download(file=job.name.replace("batches/", "files/batch-"))
    assert early.value.code == 404


def test_the_file_api_refuses_the_long_names_of_results(gemini, finished):
    job = finished(line("a"))
    for call in (gemini.files.get, gemini.files.delete):
        with pytest.raises(errors.ClientError) as refused:
            call(name=job.dest.file_name)
        assert refused.value.code == 400


def test_lists_are_paged_newest_first(gemini, upload):
    file = upload(line("a"))
    names = [gemini.batches.create(model="gemini-x", src=file.name).name for _ in range(5)]
    assert [job.name for job in gemini.batches.list(config={"page_size": 2})] == names[::-1]
    assert [item.name for item in gemini.files.list(config={"page_size": 1})] == [file.name]


def test_jobs_and_files_can_be_deleted(gemini, upload, clock):
    file = upload(line("a"))
    job = gemini.batches.create(model="gemini-x", src=file.name)
    gemini.files.delete(name=file.name)
    clock.advance(5)
    assert gemini.batches.get(name=job.name).state == types.JobState.JOB_STATE_SUCCEEDED
    gemini.batches.delete(name=job.name)
    with pytest.raises(errors.ClientError):
        gemini.batches.get(name=job.name)
    assert list(gemini.batches.list()) == []


def test_only_so_many_jobs_may_be_active(gemini, upload, clock, patch_scenario):
    patch_scenario(providers={"gemini": {"limits": {"max_active_jobs": 2}}})
    file = upload(line("a"))
    for _ in range(2):
        gemini.batches.create(model="gemini-x", src=file.name)
    with pytest.raises(errors.ClientError) as refused:
        gemini.batches.create(model="gemini-x", src=file.name)
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")
    clock.advance(5)
    gemini.batches.create(model="gemini-x", src=file.name)


def test_an_inline_body_over_the_limit_is_refused(http, patch_scenario):
    body = json.dumps({"batch": {"inputConfig": {"requests": {"requests": [{"request": request()}]}}}}).encode()
    patch_scenario(providers={"gemini": {"limits": {"max_inline_bytes": len(body)}}})
    assert http.post(CREATE, content=body, headers=HEADERS).status_code == 200
    response = http.post(CREATE, content=body + b" ", headers=HEADERS)
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"batch": {}}, 400),
        ({"batch": {"inputConfig": {"fileName": "files/nothing"}}}, 404),
        ({"batch": {"inputConfig": {"requests": {"requests": []}}}}, 400),
        ({"batch": {"inputConfig": {"requests": {"requests": [{"request": request(foo=1)}]}}}}, 400),
        ({"batch": {"inputConfig": {"file_name": "files/nothing"}, "foo": 1}}, 400),
        ({"foo": 1}, 400),
        ({"batch": {"inputConfig": {"fileName": 7}}}, 400),
        ({"batch": {"inputConfig": {"requests": [1]}}}, 400),
        ({"batch": {"inputConfig": {"requests": {"requests": [1]}}}}, 400),
    ],
)
def test_create_refuses_wrong_bodies_at_once(http, body, status):
    assert http.post(CREATE, json=body, headers=HEADERS).status_code == status


@pytest.mark.parametrize(("headers", "status"), [({}, 403), ({"x-goog-api-key": "invalid"}, 400)])
def test_a_missing_or_wrong_key_is_refused(http, headers, status):
    response = http.get("/gemini/v1/models", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, status)


@pytest.mark.parametrize("scenario", [Scenario.everywhere(polls_until_done=2)])
def test_the_nth_poll_sees_the_end(gemini, upload, scenario):
    job = gemini.batches.create(model="gemini-x", src=upload(line("a")).name)
    assert [gemini.batches.get(name=job.name).done for _ in range(2)] == [False, True]


SCHEMA = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}


def test_live_calls_answer_at_once(gemini):
    config = {"system_instruction": "Be brief.", "response_mime_type": "application/json", "response_schema": SCHEMA}
    answer = gemini.models.generate_content(model="gemini-x", contents="hi", config=config)
    assert set(json.loads(answer.text)) == {"n"}
    assert len(list(gemini.models.list())) == 3


def test_a_json_schema_is_heeded_live_and_ignored_in_batch(gemini, finished, read):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    live = gemini.models.generate_content(model="x", contents="hi", config={"response_json_schema": schema})
    assert set(json.loads(live.text)) == {"n"}
    job = finished(
        line("a", generationConfig={"responseJsonSchema": schema}),
        line("b", generationConfig={"responseSchema": SCHEMA}),
    )
    first, second = [item["response"]["candidates"][0]["content"]["parts"][0]["text"] for item in read(job)]
    assert first == "hello"
    assert set(json.loads(second)) == {"n"}


def test_schema_words_outside_the_openapi_subset_are_refused(http):
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "additionalProperties": False}}}
    body = request(generationConfig={"responseSchema": schema})
    response = http.post("/gemini/v1/models/x:generateContent", json=body, headers=HEADERS)
    assert response.status_code == 400
    assert "generation_config.response_schema.properties[a]" in response.json()["error"]["message"]
