import json

import pytest

from batchwright.emulator import Scenario, verdict

ISSUE = {"issue_id": 1, "issue": "teh", "highlighted_context": "teh cat"}


def ask(openai, text="hello"):
    return openai.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])


def submit(anthropic, *texts):
    def item(number, text):
        params = {"model": "c", "max_tokens": 5, "messages": [{"role": "user", "content": text}]}
        return {"custom_id": f"n-{number}", "params": params}

    return anthropic.messages.batches.create(requests=[item(*pair) for pair in enumerate(texts)])


def test_the_clock_is_the_real_one_and_an_offset(http, clock):
    assert http.get("/_emulator/clock").json() == {"now": clock.now, "offset": 0}
    assert http.post("/_emulator/clock", json={"advance": 90.5}).json() == {"now": clock.now + 90.5, "offset": 90.5}
    clock.advance(10)
    assert http.post("/_emulator/clock", json={"advance": 1}).json() == {"now": clock.now + 91.5, "offset": 91.5}


def test_advancing_the_clock_finishes_jobs(http, anthropic):
    batch = submit(anthropic, "a")
    http.post("/_emulator/clock", json={"advance": 60})
    assert anthropic.messages.batches.retrieve(batch.id).processing_status == "ended"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/clock", b'{"advance": "1"}', 400),
        ("POST", "/clock", b'{"advance": true}', 400),
        ("POST", "/clock", b'{"advance": -1}', 400),
        ("POST", "/clock", b'{"advance": Infinity}', 400),
        ("POST", "/clock", b"{}", 400),
        ("POST", "/clock", b"{", 400),
        ("PUT", "/scenario", b"[]", 400),
        ("PATCH", "/scenario", b'{"speed": 3}', 400),
        ("GET", "/log?kind=thought", b"", 400),
        ("GET", "/log?provider=mistral", b"", 400),
        ("GET", "/nothing", b"", 404),
    ],
)
def test_wrong_calls_get_a_clear_error(http, method, path, body, status):
    response = http.request(method, f"/_emulator{path}", content=body)
    assert response.status_code == status
    assert isinstance(response.json()["error"], str)


def test_put_replaces_the_scenario_and_patch_changes_it(http):
    http.put("/_emulator/scenario", json={"shuffle": True, "log_bodies": False})
    http.patch("/_emulator/scenario", json={"providers": {"gemini": {"fail_every": 2}}})
    patched = Scenario.parse(http.get("/_emulator/scenario").json())
    assert (patched.openai.shuffle, patched.gemini.fail_every, patched.log_bodies) == (True, 2, False)
    http.put("/_emulator/scenario", json={})
    assert Scenario.parse(http.get("/_emulator/scenario").json()) == Scenario()


def test_a_job_keeps_the_scenario_of_its_creation(http, anthropic, clock):
    batch = submit(anthropic, "a")
    http.patch("/_emulator/scenario", json={"fail_every": 1})
    clock.advance(60)
    assert anthropic.messages.batches.retrieve(batch.id).request_counts.succeeded == 1


def test_stats_count_what_was_committed(http, openai, anthropic, clock):
    batch = submit(anthropic, "a", "b", "c")
    clock.advance(60)
    anthropic.messages.batches.retrieve(batch.id)
    http.get(f"/anthropic/v1/messages/batches/{batch.id}/results", headers={"x-api-key": "k"})
    list(anthropic.messages.batches.list())
    ask(openai)
    stats = http.get("/_emulator/stats").json()
    assert stats["anthropic"] == {
        "creates": 1,
        "requests": 3,
        "polls": 1,
        "lists": 1,
        "cancels": 0,
        "uploads": 0,
        "downloads": 1,
        "live": 0,
    }
    assert stats["openai"]["live"] == 1
    assert set(stats["gemini"].values()) == {0}


def test_the_log_tells_what_arrived_and_what_was_answered(log, openai, anthropic, clock):
    prompt = f"Judge: {json.dumps([ISSUE])}"
    batch = submit(anthropic, prompt, "b")
    assert log(kind="answer") == []
    clock.advance(60)
    anthropic.messages.batches.retrieve(batch.id)
    ask(openai, "live")
    requests, answers = log(kind="request", provider="anthropic"), log(kind="answer", provider="anthropic")
    assert [(entry["custom_id"], entry["job"], entry["model"]) for entry in requests] == [
        ("n-0", batch.id, "c"),
        ("n-1", batch.id, "c"),
    ]
    assert requests[0]["prompt"] == prompt
    sent = {r.custom_id: r.result.message.content[0].text for r in anthropic.messages.batches.results(batch.id)}
    assert {entry["custom_id"]: entry["text"] for entry in answers} == sent
    assert json.loads(answers[0]["text"])[0]["error_category"] == verdict(ISSUE).error_category
    assert [entry["prompt"] for entry in log(kind="request", provider="openai")] == ["live"]
    paths = [(entry["method"], entry["path"], entry["status"]) for entry in log(kind="http")]
    assert paths[0] == ("POST", "/anthropic/v1/messages/batches", 200)


def test_answers_are_logged_once_however_often_one_looks(log, anthropic, clock):
    batch = submit(anthropic, "a")
    clock.advance(60)
    for _ in range(3):
        anthropic.messages.batches.retrieve(batch.id)
    assert len(log(kind="answer")) == 1


def test_bodies_can_be_kept_out_of_the_log(http, log, openai, anthropic, clock):
    http.patch("/_emulator/scenario", json={"log_bodies": False})
    batch = submit(anthropic, "a")
    clock.advance(60)
    anthropic.messages.batches.retrieve(batch.id)
    ask(openai)
    assert {entry["kind"] for entry in log()} == {"http"}


def test_keys_never_enter_the_data_directory(http, app, openai):
    ask(openai.with_options(api_key="sk-very-secret"))
    http.get("/gemini/v1/models?key=sk-very-secret")
    http.get("/anthropic/v1/models", headers={"x-api-key": "sk-very-secret"})
    files = [path for path in app.state.world.data_dir.rglob("*") if path.is_file()]
    assert files
    assert not any(b"sk-very-secret" in path.read_bytes() for path in files)


def test_reset_forgets_everything_but_the_scenario(http, log, anthropic, app):
    http.patch("/_emulator/scenario", json={"shuffle": True})
    http.post("/_emulator/clock", json={"advance": 5})
    submit(anthropic, "a")
    http.delete("/_emulator/state")
    assert list(anthropic.messages.batches.list()) == []
    assert [entry["method"] for entry in log()] == ["GET"]
    assert http.get("/_emulator/clock").json()["offset"] == 0
    assert http.get("/_emulator/scenario").json()["providers"]["openai"]["shuffle"]
    assert list((app.state.world.data_dir / "jobs").iterdir()) == []
