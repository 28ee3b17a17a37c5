"""The emulator's answers have the shape of the real ones, which others recorded and which are not kept here."""

import io
import json

KINDS = {int: float, float: float}


def shape(value):
    """Keys and kinds of a JSON value; a list is as the union of its items, and null fits anything."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return KINDS.get(type(value), type(value))


def misfits(real, ours, path="$"):
    """Where `ours` lacks something that `real` has, or has it as another kind of value."""
    if real is type(None) or ours is type(None):
        return []
    if isinstance(real, dict) and isinstance(ours, dict):
        missing = [f"{path}.{key} is missing" for key in real if key not in ours]
        return missing + [
            text for key in real if key in ours for text in misfits(real[key], ours[key], f"{path}.{key}")
        ]
    if isinstance(real, list) and isinstance(ours, list):
        return misfits(real[0], ours[0], f"{path}[]") if real and ours else []
    return [] if real == ours else [f"{path} is {ours}, should be {real}"]


def assert_shape(real, ours):
    assert misfits(shape(real), shape(ours)) == []


def exchanges(path):
    return json.loads(path.read_text())


def body(exchange):
    return json.loads(exchange["response_body"])


def lines(path):
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]


def test_openai_speaks_as_recorded(recordings, openai, clock):
    real = exchanges(recordings / "openai" / "curator_basic_batch_completion.http.json")
    input_lines = real[0]["request_body"].split("\r\n\r\n")[-1].split("\r\n--")[0]
    uploaded = openai.files.with_raw_response.create(
        file=("in.jsonl", io.BytesIO(input_lines.encode())), purpose="batch"
    )
    assert_shape(body(real[0]), json.loads(uploaded.text))
    assert set(real[0]["response_headers"]) - {"date"} <= set(uploaded.headers)
    request = json.loads(real[2]["request_body"])
    created = json.loads(
        openai.batches.with_raw_response.create(**{**request, "input_file_id": uploaded.parse().id}).text
    )
    assert_shape(body(real[2]), created)
    assert (created["status"], created["errors"]) == (body(real[2])["status"], None)
    clock.advance(60)
    done = json.loads(openai.batches.with_raw_response.retrieve(created["id"]).text)
    recorded = next(body(item) for item in real if '"status": "completed"' in item["response_body"])
    assert_shape(recorded, done)
    empty = {key for key, value in recorded.items() if value is None}
    assert {key for key in empty if done[key] is not None} == set()
    ours = [json.loads(line) for line in openai.files.content(done["output_file_id"]).content.splitlines()]
    theirs = lines(recordings / "openai" / "curator_basic_batch_completion.output1.jsonl")
    for real_line, our_line in zip(theirs, ours, strict=True):
        assert_shape(real_line, our_line)


def test_openai_lists_and_fails_as_recorded(recordings, openai, clock, patch_scenario):
    patch_scenario(fail_every=1)
    line = {"custom_id": "0", "method": "POST", "url": "/v1/chat/completions"}
    line["body"] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    file = openai.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    openai.batches.create(input_file_id=file.id, endpoint=line["url"], completion_window="24h")
    clock.advance(60)
    listed = json.loads(openai.batches.with_raw_response.list().text)
    real = json.loads((recordings / "openai" / "tidyllm_list_batches.json").read_text())
    assert_shape(real, listed)
    for batch in real["data"]:
        assert_shape(batch, listed["data"][0])
    error_line = json.loads(openai.files.content(listed["data"][0]["error_file_id"]).content)
    (recorded,) = lines(recordings / "openai" / "real_error_file_line_429.jsonl")
    assert_shape(recorded, error_line)
    assert error_line["error"] is None


def test_anthropic_speaks_as_recorded(recordings, http, clock, patch_scenario):
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    real = exchanges(recordings / "anthropic" / "curator_batch_cancel.http.json")
    created = http.post("/anthropic/v1/messages/batches", content=real[0]["request_body"], headers=headers)
    assert_shape(body(real[0]), created.json())
    assert body(real[0]).keys() == created.json().keys()
    batch_url = f"/anthropic/v1/messages/batches/{created.json()['id']}"
    polled = http.get(batch_url, headers=headers)
    assert polled.headers["retry-after"] == real[1]["response_headers"]["retry-after"]
    assert len(polled.headers["request-id"]) == len(real[1]["response_headers"]["request-id"])
    cancelled = http.post(f"{batch_url}/cancel", headers=headers)
    assert_shape(body(real[2]), cancelled.json())
    assert cancelled.json()["request_counts"] == body(real[2])["request_counts"]
    patch_scenario(fail_positions=[1])
    created = http.post("/anthropic/v1/messages/batches", content=real[0]["request_body"], headers=headers)
    clock.advance(60)
    url = f"/anthropic/v1/messages/batches/{created.json()['id']}/results"
    succeeded, errored, _ = [json.loads(line) for line in http.get(url, headers=headers).iter_lines()]
    assert_shape(lines(recordings / "anthropic" / "curator_basic_batch_completion.results1.jsonl")[0], succeeded)
    assert_shape(lines(recordings / "anthropic" / "real_errored_line_credit_balance.jsonl")[0], errored)


def test_gemini_speaks_as_recorded(recordings, http, clock):
    headers = {"x-goog-api-key": "k"}
    (real,) = exchanges(recordings / "gemini" / "chatlas_can_submit.http.json")
    path = "/gemini/v1beta/models/gemini-3.5-flash:batchGenerateContent"
    created = http.post(path, content=real["request_body"], headers=headers).json()
    assert_shape(body(real), created)
    assert created.keys() == body(real).keys()
    assert created["metadata"].keys() == body(real)["metadata"].keys()
    assert created["metadata"]["batchStats"] == body(real)["metadata"]["batchStats"]
    assert len(created["name"]) == len(body(real)["name"])

    start = headers | {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    url = http.post("/gemini/upload/v1/files", headers=start, json={}).headers["x-goog-upload-url"]
    line = {"key": "request_1", "request": {"contents": [{"parts": [{"text": "hi"}]}]}}
    finish = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    file = http.post(url, headers=finish, content=json.dumps(line)).json()["file"]
    wanted = {"batch": {"inputConfig": {"fileName": file["name"]}, "displayName": "tag"}}
    name = http.post(path, json=wanted, headers=headers).json()["name"]
    clock.advance(60)
    done = http.get(f"/gemini/v1/{name}", headers=headers).json()
    recorded = json.loads((recordings / "gemini" / "ellmer_state-capitals-gemini.json").read_text())
    assert_shape(recorded["batch"], done)
    assert len(file["name"]) == len(recorded["batch"]["metadata"]["inputConfig"]["fileName"])
    download = f"/gemini/v1/{done['response']['responsesFile']}:download?alt=media"
    ours = http.get(download, headers=headers).json()
    for real_line in lines(recordings / "gemini" / "cookbook_file_results.jsonl"):
        assert_shape(real_line, ours)
    answer = recorded["results"][0]["body"]
    del answer["candidates"][0]["content"]["parts"][0]["thoughtSignature"]  # proof of thinking; ours does not think
    assert_shape(answer, ours["response"])
