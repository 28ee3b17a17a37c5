"""What strikes the lines of a results file."""

import json

import pytest

from batchwright.emulator import FAULTS, Vendor

PARTS = {Vendor.OPENAI: ("output", "error")}


@pytest.fixture
def finished(faults, clock):
    """A job of three requests that is struck by one fault, and has ended."""

    def make(api, name, *texts, **more):
        faults(name, api.vendor, **more)
        job = api.made(*(texts or ("a", "b", "c")))
        clock.advance(60)
        return job

    return make


def keys(api, job):
    return [key for key, _document in api.results(job)]


def test_a_blank_line_stands_before_a_result(api, finished):
    lines = api.lines(finished(api, "blank_line", positions=[1]))
    assert [bool(line) for line in lines[:4]] == [True, False, True, True]
    assert [json.loads(line) for line in lines if line]


@pytest.mark.parametrize("vendor", FAULTS["no_final_newline"].vendors)
def test_the_last_line_can_have_no_end(api_of, finished, vendor):
    api = api_of(vendor)
    job = finished(api, "no_final_newline")
    content = api.download(job).content
    assert not content.endswith(b"\n")
    assert content.count(b"\n") == 2
    assert keys(api, job) == ["n-0", "n-1", "n-2"]


def test_one_line_can_be_no_json_among_good_ones(api, finished):
    lines = [line for line in api.lines(finished(api, "invalid_json_line", positions=[1])) if line]
    assert len(lines) == 3
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        json.loads(lines[1])
    assert [json.loads(line) for line in (lines[0], lines[2])]


def test_lines_can_be_shuffled_by_the_seed(api, finished, http):
    texts = [f"text {n}" for n in range(30)]
    orders = []
    for seed in (1, 1, 2):
        http.delete("/_emulator/faults")
        orders.append(keys(api, finished(api, "shuffled", *texts, seed=seed)))
    assert sorted(orders[0]) == sorted(f"n-{n}" for n in range(30))
    assert orders[0] == orders[1] != orders[2]


def test_a_line_can_be_missing_from_every_file(api, finished):
    job = finished(api, "missing_line", positions=[1])
    assert keys(api, job) == ["n-0", "n-2"]
    if api.vendor is Vendor.OPENAI:
        document = api.get(job).json()
        assert document["error_file_id"] is None
        assert document["request_counts"] == {"total": 3, "completed": 3, "failed": 0}


def test_the_file_is_there_when_its_only_line_is_missing(api, finished):
    job = finished(api, "missing_line", "only")
    response = api.download(job)
    assert (response.status_code, response.content) == (200, b"")


def test_a_failed_request_can_be_missing_from_the_error_file(api_of, finished, http):
    api = api_of(Vendor.OPENAI)
    http.patch("/_emulator/scenario", json={"fail_positions": [0, 1]})
    job = finished(api, "missing_line", positions=[0])
    assert [key for key, _ in api.results(job, "error")] == ["n-1"]


def test_a_line_can_come_twice(api, finished):
    assert keys(api, finished(api, "duplicate_line", positions=[2])) == ["n-0", "n-1", "n-2", "n-2"]


def test_a_line_can_be_about_an_id_that_was_never_sent(api, finished):
    assert keys(api, finished(api, "unknown_line")) == ["n-0", "never-sent-0", "n-1", "n-2"]


def test_requests_can_fail_for_want_of_credit(api, finished):
    job = finished(api, "credit_lines", share=1)
    if api.vendor is Vendor.OPENAI:
        responses = [document["response"] for _, document in api.results(job, "error")]
        assert [response["status_code"] for response in responses] == [429] * 3
        assert {response["body"]["error"]["code"] for response in responses} == {"insufficient_quota"}
        assert api.get(job).json()["output_file_id"] is None
    elif api.vendor is Vendor.ANTHROPIC:
        errors = [document["result"]["error"]["error"] for _, document in api.results(job)]
        assert {error["type"] for error in errors} == {"invalid_request_error"}
        assert all("credit balance is too low" in error["message"] for error in errors)
        assert api.get(job).json()["request_counts"]["errored"] == 3
    else:
        assert [document["error"]["code"] for _, document in api.results(job)] == [8, 8, 8]


def test_some_requests_can_fail_for_want_of_credit(api_of, finished):
    api = api_of(Vendor.ANTHROPIC)
    job = finished(api, "credit_lines", positions=[1, 2])
    assert [document["result"]["type"] for _, document in api.results(job)] == ["succeeded", "errored", "errored"]


def test_credit_errors_are_those_that_were_recorded(api_of, finished, recordings):
    line = json.loads((recordings / "anthropic/real_errored_line_credit_balance.jsonl").read_text().split("\n")[0])
    api = api_of(Vendor.ANTHROPIC)
    ((_, ours), *_others) = api.results(finished(api, "credit_lines"))
    assert ours["result"]["error"]["error"] == line["result"]["error"]["error"]
    line = json.loads((recordings / "openai/real_error_file_line_429.jsonl").read_text().split("\n")[0])
    api = api_of(Vendor.OPENAI)
    ((_, ours),) = api.results(finished(api, "credit_lines"), "error")
    assert ours["response"]["body"] == line["response"]["body"]


def test_a_result_can_have_an_unheard_of_type(api_of, finished, anthropic):
    api = api_of(Vendor.ANTHROPIC)
    job = finished(api, "unknown_result_type")
    assert [r.result.type for r in anthropic.messages.batches.results(job)] == ["brandnew", "succeeded", "succeeded"]


def test_an_output_line_can_have_the_status_code_0(api_of, finished):
    api = api_of(Vendor.OPENAI)
    job = finished(api, "zero_status_line", positions=[1])
    assert [document["response"]["status_code"] for _, document in api.results(job)] == [200, 0, 200]


@pytest.mark.parametrize("name", [name for name, kind in FAULTS.items() if kind.needs_file])
def test_inline_jobs_have_no_file_that_could_be_broken(api_of, finished, strikes, name):
    api = api_of(Vendor.GEMINI, inline=True)
    job = finished(api, name)
    responses = api.get(job).json()["metadata"]["output"]["inlinedResponses"]["inlinedResponses"]
    assert len(responses) == 3
    assert strikes() == [0]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing_line", ["n-1", "n-2"]),
        ("duplicate_line", ["n-0", "n-0", "n-1", "n-2"]),
        ("unknown_line", ["n-0", "never-sent-0", "n-1", "n-2"]),
    ],
)
def test_inline_results_can_be_missing_twice_or_unknown(api_of, finished, name, found):
    job = finished(api := api_of(Vendor.GEMINI, inline=True), name)
    responses = api.get(job).json()["metadata"]["output"]["inlinedResponses"]["inlinedResponses"]
    assert [response["metadata"]["key"] for response in responses] == found


def test_the_same_seed_strikes_the_same_lines(api, finished, http):
    texts = [f"text {n}" for n in range(60)]
    found = []
    for seed in (1, 1, 2):
        http.delete("/_emulator/faults")
        found.append(keys(api, finished(api, "missing_line", *texts, share=0.3, seed=seed)))
    assert found[0] == found[1] != found[2]
    assert 20 < len(found[0]) < 60


def test_two_jobs_lose_different_lines(api, finished, clock):
    texts = [f"text {n}" for n in range(60)]
    first = keys(api, finished(api, "missing_line", *texts, share=0.3))
    second = api.made(*texts)
    clock.advance(60)
    assert keys(api, second) != first
