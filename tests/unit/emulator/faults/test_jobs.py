"""What strikes a whole job: when it is seen, how it goes, how it ends, and what it says of itself."""

import httpx2
import pytest

from batchwright.emulator import Vendor

SUCCEEDED = {Vendor.OPENAI: "completed", Vendor.ANTHROPIC: "ended", Vendor.GEMINI: "succeeded"}
FIRST = {Vendor.OPENAI: "validating", Vendor.ANTHROPIC: "in_progress", Vendor.GEMINI: "pending"}


@pytest.fixture
def scenario(scenario):
    return scenario.patched({"validating_s": 10, "in_progress_s": 10, "finalizing_s": 10})


def counts(api, job):
    document = api.get(job).json()
    return document["metadata"]["batchStats"] if api.vendor is Vendor.GEMINI else document["request_counts"]


@pytest.mark.parametrize("answer", ["drop", "error"])
def test_a_late_create_is_paid_and_seen_only_later(api, faults, stats, clock, answer):
    faults("late_create", api.vendor, seconds=30, answer=answer, times=1)
    if answer == "drop":
        with pytest.raises(httpx2.RemoteProtocolError):
            api.create("hello")
    else:
        assert api.create("hello").status_code == 500
    assert stats(api.vendor)["creates"] == 1
    assert api.listed() == []
    clock.advance(29)
    assert api.listed() == []
    clock.advance(2)
    (job,) = api.listed()
    assert api.status(job) == FIRST[api.vendor]
    clock.advance(60)
    assert len(api.results(job)) == 1


@pytest.mark.parametrize("vendor", [Vendor.OPENAI, Vendor.GEMINI])
def test_a_late_create_whose_input_is_deleted_meanwhile_never_takes_effect(api_of, faults, stats, clock, vendor):
    api = api_of(vendor)
    kept, deleted = api.uploaded("hello"), api.uploaded("hello")
    faults("late_create", vendor, answer="error", seconds=30, times=2)
    for file in (kept, deleted):
        assert api.create_from(file).status_code == 500
    api.delete_file(deleted)
    assert stats(vendor)["creates"] == stats(vendor)["requests"] == 1
    clock.advance(31)
    assert len(api.listed()) == 1


@pytest.mark.parametrize("vendor", [Vendor.OPENAI, Vendor.GEMINI])
def test_a_job_that_is_there_when_its_input_is_deleted_goes_on(api_of, stats, clock, vendor):
    api = api_of(vendor)
    file = api.uploaded("hello")
    api.create_from(file)
    api.delete_file(file)
    clock.advance(60)
    (job,) = api.listed()
    assert len(api.results(job)) == 1
    assert stats(vendor)["creates"] == 1


def test_a_late_job_takes_its_place_among_the_active_ones(api_of, faults, http):
    http.patch("/_emulator/scenario", json={"providers": {"gemini": {"limits": {"max_active_jobs": 1}}}})
    api = api_of(Vendor.GEMINI)
    faults("late_create", Vendor.GEMINI, answer="error", times=1)
    assert api.create("a").status_code == 500
    assert api.create("b").status_code == 429


def test_a_late_job_keeps_the_place_of_its_creation_through_a_restart(api, faults, app, clock):
    faults("late_create", api.vendor, answer="error", times=1)
    api.create("hello")
    created_at = clock.now + 30
    clock.advance(31)
    (job,) = api.listed()
    assert app.state.world.store.any_job(job).history.created_at == created_at


def test_a_lagging_list_hides_new_jobs_for_a_while(api, faults, clock):
    old = api.made("old")
    faults("list_lag", api.vendor, seconds=30, times=1)
    new = api.made("new")
    assert api.listed() == [old]
    assert api.get(new).status_code == 200
    clock.advance(30)
    assert api.listed() == [new, old]


def test_a_stuck_job_expires_in_the_end(api, faults, clock):
    faults("stuck", api.vendor)
    job = api.made("a", "b")
    clock.advance(3600)
    running = {Vendor.OPENAI: "in_progress", Vendor.ANTHROPIC: "in_progress", Vendor.GEMINI: "running"}
    assert api.status(job) == running[api.vendor]
    clock.advance(3 * 86_400)
    assert api.status(job) == ("ended" if api.vendor is Vendor.ANTHROPIC else "expired")


@pytest.mark.parametrize(("name", "openai_code"), [("expired", "batch_expired"), ("cancelled", "batch_cancelled")])
def test_a_job_can_end_early_with_what_was_answered(api, faults, clock, name, openai_code):
    faults(name, api.vendor, fraction=0.75)
    job = api.made(*"abcd")
    clock.advance(60)
    assert api.status(job) == ("ended" if api.vendor is Vendor.ANTHROPIC else name)
    if api.vendor is Vendor.GEMINI:
        assert api.download(job).status_code == 404
        assert "output" not in api.get(job).json()["metadata"]
        assert api.get(job).json()["error"]["code"] == (4 if name == "expired" else 1)
    elif api.vendor is Vendor.OPENAI:
        assert [key for key, _ in api.results(job)] == ["n-0", "n-1", "n-2"]
        assert [doc["error"]["code"] for _, doc in api.results(job, "error")] == [openai_code]
        assert api.get(job).json()[f"{name}_at"] is not None
    else:
        types = [document["result"]["type"] for _, document in api.results(job)]
        assert types == ["succeeded"] * 3 + ["canceled" if name == "cancelled" else name]


def test_a_job_that_ends_early_does_so_by_polls_too(api, faults, http):
    http.patch("/_emulator/scenario", json={"polls_until_done": 2})
    faults("expired", api.vendor)
    job = api.made("a", "b")
    ended = "ended" if api.vendor is Vendor.ANTHROPIC else "expired"
    assert [api.status(job) == ended for _ in range(2)] == [False, True]


def test_every_request_can_fail(api, faults, clock):
    faults("all_failed", api.vendor)
    job = api.made("a", "b")
    clock.advance(60)
    assert api.status(job) == SUCCEEDED[api.vendor]
    if api.vendor is Vendor.OPENAI:
        document = api.get(job).json()
        assert (document["output_file_id"], document["request_counts"]["failed"]) == (None, 2)
        assert [doc["response"]["status_code"] for _, doc in api.results(job, "error")] == [500, 500]
    elif api.vendor is Vendor.ANTHROPIC:
        assert [doc["result"]["type"] for _, doc in api.results(job)] == ["errored"] * 2
    else:
        assert [doc["error"]["code"] for _, doc in api.results(job)] == [13, 13]


def test_openai_fails_a_job_for_too_many_enqueued_tokens(api_of, faults, clock, openai):
    api = api_of(Vendor.OPENAI)
    faults("token_limit_exceeded", times=1)
    job = api.made("a")
    assert api.status(job) == "validating"
    clock.advance(11)
    batch = openai.batches.retrieve(job)
    assert (batch.status, batch.errors.data[0].code) == ("failed", "token_limit_exceeded")
    assert (batch.output_file_id, batch.error_file_id, batch.request_counts.total) == (None, None, 0)
    again = api.made("a")
    clock.advance(60)
    assert api.status(again) == "completed"


@pytest.mark.parametrize("vendor", [Vendor.OPENAI, Vendor.GEMINI])
def test_states_can_be_skipped(api_of, faults, clock, vendor):
    api = api_of(vendor)
    faults("status_jump", vendor)
    job = api.made("a")
    seen = []
    for _ in range(4):
        seen.append(api.status(job))
        clock.advance(11)
    assert seen == [FIRST[vendor]] * 3 + [SUCCEEDED[vendor]]


def test_openai_shows_no_counts_before_a_job_runs(api_of, faults, clock):
    api = api_of(Vendor.OPENAI)
    faults("status_jump")
    job = api.made("a")
    clock.advance(15)
    document = api.get(job).json()
    assert (document["status"], document["request_counts"]["total"], document["in_progress_at"]) == (
        "validating",
        0,
        None,
    )


@pytest.mark.parametrize("forever", [False, True])
def test_a_state_can_be_unheard_of(api, faults, clock, forever):
    faults("unknown_status", api.vendor, word="dreaming", forever=forever)
    job = api.made("a")
    clock.advance(15)
    assert api.status(job) == "dreaming"
    clock.advance(60)
    assert api.status(job) == ("dreaming" if forever else SUCCEEDED[api.vendor])


def test_counts_can_be_all_zero(api, faults, clock):
    faults("counts_lie", api.vendor)
    job = api.made("a", "b")
    clock.advance(60)
    assert not any(int(number) for number in counts(api, job).values())
    assert len(api.results(job)) == 2


def test_counts_can_hide_failures(api, faults, clock, http):
    http.patch("/_emulator/scenario", json={"fail_positions": [1]})
    faults("counts_lie", api.vendor, says="all_succeeded")
    job = api.made("a", "b")
    clock.advance(60)
    shown = {
        Vendor.OPENAI: {"total": 2, "completed": 2, "failed": 0},
        Vendor.ANTHROPIC: {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0},
        Vendor.GEMINI: {"requestCount": "2", "successfulRequestCount": "2"},
    }
    assert counts(api, job) == shown[api.vendor]


@pytest.mark.parametrize(("says", "value"), [("empty", ""), ("null", None)])
def test_openai_can_deny_its_error_file(api_of, faults, clock, http, says, value):
    api = api_of(Vendor.OPENAI)
    faults("error_file_id", says=says)
    clean = api.made("a")
    http.patch("/_emulator/scenario", json={"fail_positions": [1]})
    with_failures = api.made("a", "b")
    clock.advance(60)
    for job in (clean, with_failures):
        document = api.get(job).json()
        assert document["error_file_id"] == value
        assert len(api.results(job)) == 1
    assert document["request_counts"]["failed"] == 1


def test_a_completed_job_can_name_no_results(api, faults, clock):
    faults("no_output_file", api.vendor)
    job = api.made("a")
    clock.advance(60)
    assert api.status(job) == SUCCEEDED[api.vendor]
    document = api.get(job).json()
    if api.vendor is Vendor.GEMINI:
        assert "output" not in document["metadata"]
        assert set(document["response"]) == {"@type"}
        assert api.download(job).status_code == 404
    else:
        assert document["output_file_id" if api.vendor is Vendor.OPENAI else "results_url"] is None


def test_geminis_inline_results_can_be_missing_too(api_of, faults, clock):
    api = api_of(Vendor.GEMINI, inline=True)
    faults("no_output_file")
    job = api.made("a")
    clock.advance(60)
    assert "inlinedResponses" not in api.get(job).text


def test_geminis_results_can_come_after_the_success(api_of, faults, clock):
    api = api_of(Vendor.GEMINI)
    faults("results_late", seconds=100)
    job = api.made("a")
    clock.advance(60)
    assert api.status(job) == "succeeded"
    assert api.download(job).status_code == 404
    clock.advance(71)
    assert api.download(job).status_code == 200


def test_results_can_be_gone(api, faults, clock):
    faults("results_gone", api.vendor)
    job = api.made("a")
    assert api.get(job).json().get("archived_at") is None
    clock.advance(60)
    assert api.status(job) == SUCCEEDED[api.vendor]
    assert api.download(job).status_code == 404
    if api.vendor is Vendor.ANTHROPIC:
        document = api.get(job).json()
        assert document["results_url"] is None
        assert document["archived_at"] is not None


def test_openais_results_are_gone_whatever_the_job_asked_for(api_of, faults, clock):
    api = api_of(Vendor.OPENAI)
    faults("results_gone")
    body = {
        "input_file_id": api.upload("a").json()["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "output_expires_after": {"anchor": "created_at", "seconds": 3600},
    }
    job = api.send("POST", "/openai/v1/batches", json=body).json()["id"]
    clock.advance(60)
    assert api.download(job).status_code == 404


def test_only_the_struck_jobs_are_bent_and_they_stay_so(api, faults, clock, http):
    faults("all_failed", api.vendor, times=1)
    bent, good = api.made("a"), api.made("a")
    http.delete("/_emulator/faults")
    clock.advance(60)
    name = {Vendor.OPENAI: "failed", Vendor.ANTHROPIC: "errored", Vendor.GEMINI: "failedRequestCount"}[api.vendor]
    assert [int(counts(api, job).get(name, 0)) for job in (bent, good)] == [1, 0]
