"""What strikes single calls, in process: which answer comes, and what was done all the same."""

from email.utils import parsedate_to_datetime

import httpx2
import openai as openai_sdk
import pytest

from batchwright.emulator import FAULTS, Operation, Scope, Vendor

ERRORS = [
    ("rate_limit", Vendor.OPENAI, 429, "rate_limit_exceeded"),
    ("rate_limit", Vendor.ANTHROPIC, 429, "rate_limit_error"),
    ("rate_limit", Vendor.GEMINI, 429, "RESOURCE_EXHAUSTED"),
    ("server_error", Vendor.OPENAI, 500, "server_error"),
    ("server_error", Vendor.ANTHROPIC, 500, "api_error"),
    ("server_error", Vendor.GEMINI, 500, "INTERNAL"),
    ("unavailable", Vendor.OPENAI, 503, "server_error"),
    ("unavailable", Vendor.ANTHROPIC, 503, "api_error"),
    ("unavailable", Vendor.GEMINI, 503, "UNAVAILABLE"),
    ("overloaded", Vendor.ANTHROPIC, 529, "overloaded_error"),
    ("too_large", Vendor.OPENAI, 413, "file_too_large"),
    ("too_large", Vendor.ANTHROPIC, 413, "request_too_large"),
    ("too_large", Vendor.GEMINI, 400, "payload size exceeds"),
    ("credit_exhausted", Vendor.OPENAI, 429, "insufficient_quota"),
    ("credit_exhausted", Vendor.ANTHROPIC, 400, "Your credit balance is too low"),
    ("credit_exhausted", Vendor.GEMINI, 429, "prepayment credits are depleted"),
]


@pytest.fixture
def done(clock):
    """The name of a job that has ended."""

    def make(api):
        job = api.made("hello")
        clock.advance(60)
        api.get(job)
        return job

    return make


def attempt(api, operation, job=None):
    """The answer, or the exception in its place."""
    try:
        return api.call(operation, job)
    except httpx2.TransportError as exc:
        return exc


@pytest.mark.parametrize(("name", "vendor", "status", "word"), ERRORS)
def test_an_error_of_the_vendor_is_in_its_form_and_nothing_is_done(
    name, vendor, status, word, api_of, faults, stats, http
):
    api = api_of(vendor)
    faults(name, vendor, on="create")
    response = api.create("hello")
    assert response.status_code == status
    assert word in response.text
    assert stats(vendor)["creates"] == 0
    error = response.json()["error"]
    assert error["message"]
    if vendor is Vendor.GEMINI:
        assert error["code"] == status
    elif vendor is Vendor.ANTHROPIC:
        assert response.json()["request_id"] == response.headers["request-id"]
    else:
        assert response.headers["x-request-id"]
    http.delete("/_emulator/faults")
    assert api.create("hello").status_code == 200


@pytest.mark.parametrize("operation", list(Operation))
def test_a_fault_strikes_only_where_it_is_set(api, operation, done, faults, strikes):
    if api.vendor is Vendor.ANTHROPIC and operation is Operation.UPLOAD:
        pytest.skip("there is no upload")
    job = done(api)
    faults("server_error", api.vendor, on=[operation])
    for other in Operation:
        if other is operation or (api.vendor is Vendor.ANTHROPIC and other is Operation.UPLOAD):
            continue
        if {operation, other} == {Operation.GET, Operation.DOWNLOAD} and api.vendor is Vendor.OPENAI:
            continue  # to download, this test asks for the job first
        if operation is Operation.UPLOAD and other is Operation.CREATE:
            continue  # as to create, it uploads
        assert api.call(other, job).status_code != 500
    assert strikes() == [0]
    assert api.call(operation, job).status_code == 500
    assert strikes() == [1]


def test_each_vendor_has_its_own_count(api_of, faults, strikes):
    faults("server_error", on="list", times=1)
    for vendor in Vendor:
        assert [api_of(vendor).list().status_code for _ in range(2)] == [500, 200]
    assert strikes() == [1, 1, 1]


def test_the_first_fault_that_strikes_keeps_the_others_for_later(api_of, faults, strikes):
    api = api_of(Vendor.OPENAI)
    faults("unavailable", Vendor.OPENAI, on="list", times=1)
    faults("server_error", Vendor.OPENAI, on="list", times=1)
    assert [api.list().status_code for _ in range(3)] == [503, 500, 200]


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("rate_limit", "retry-after", None),
        ("rate_limit_seconds", "retry-after", "130"),
        ("rate_limit_ms", "retry-after-ms", "130000"),
    ],
)
def test_a_rate_limit_says_when_to_come_again(name, header, value, api_of, faults):
    for vendor in FAULTS[name].vendors:
        seconds = {"seconds": 130} if value else {}
        faults(name, vendor, on="get", times=1, **seconds)
        assert api_of(vendor).get("x").headers.get(header) == value


def test_a_rate_limit_with_a_date_is_told_by_the_clock_of_the_client(api, faults, http, clock):
    http.post("/_emulator/clock", json={"advance": 86_400})
    faults("rate_limit_date", api.vendor, on="list", seconds=7)
    until = parsedate_to_datetime(api.list().headers["retry-after"])
    assert until.timestamp() == clock.now + 7


def test_gemini_says_it_in_the_body(api_of, faults):
    faults("rate_limit_info", on="create", seconds=34.5)
    response = api_of(Vendor.GEMINI).create("hello")
    assert response.json()["error"]["details"] == [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    ]
    assert "retry-after" not in response.headers


@pytest.mark.parametrize("status", ["502", "503", "504"])
def test_a_gateway_speaks_html(api, faults, stats, status):
    faults("gateway_error", api.vendor, on="create", status=status)
    response = api.create("hello")
    assert response.status_code == int(status)
    assert response.headers["content-type"].startswith("text/html")
    assert stats(api.vendor)["creates"] == 0


@pytest.mark.parametrize("name", ["server_error", "gateway_error"])
def test_an_error_can_come_after_the_work_was_done(api, faults, stats, name):
    faults(name, api.vendor, on="create", committed=True)
    assert api.create("hello").status_code >= 500
    assert stats(api.vendor)["creates"] == 1
    assert len(api.listed()) == 1


@pytest.mark.parametrize(
    ("name", "more", "creates"),
    [
        ("drop_before", {}, 0),
        ("drop_after", {}, 1),
        ("drop_during", {}, 1),
        ("body_cut", {}, 1),
        ("hang", {}, 0),
        ("hang", {"committed": True}, 1),
    ],
)
def test_a_lost_answer_is_the_clients_own_exception_and_stats_tell_what_was_committed(
    api, faults, stats, log, name, more, creates
):
    faults(name, api.vendor, on="create", times=1, **more)
    with pytest.raises(httpx2.ReadTimeout if name == "hang" else httpx2.RemoteProtocolError):
        api.create("hello")
    assert stats(api.vendor)["creates"] == creates
    assert len(api.listed()) == creates
    assert api.create("hello").status_code == 200
    assert stats(api.vendor)["creates"] == creates + 1
    posts = [
        entry["status"] for entry in log(kind="http") if entry["method"] == "POST" and "files" not in entry["path"]
    ]
    started = name in {"drop_during", "body_cut"}
    assert posts == [200 if started else None, 200]


def test_a_call_that_hangs_for_a_while_is_answered_in_the_end(api, faults, stats):
    faults("hang", api.vendor, on="create", seconds=0.01, times=1)
    faults("hang", api.vendor, on="list", seconds=0.01, committed=True, times=1)
    assert api.create("hello").status_code == 200
    assert len(api.listed()) == 1
    assert stats(api.vendor)["creates"] == 1


@pytest.mark.parametrize("operation", [Operation.GET, Operation.DOWNLOAD])
def test_404_now_and_then(api, operation, done, faults):
    job = done(api)
    faults("not_found", api.vendor, on=[operation], every=2)
    assert [api.call(operation, job).status_code for _ in range(4)] == [200, 404, 200, 404]


def test_the_same_seed_strikes_the_same_calls(api, http, faults):
    def run(seed):
        http.delete("/_emulator/faults")
        faults("server_error", api.vendor, on="list", probability=0.5, seed=seed)
        return [api.list().status_code for _ in range(30)]

    assert run(1) == run(1) != run(2)
    assert set(run(1)) == {200, 500}


def test_the_scenarios_seed_is_that_of_faults_without_one(api, http, faults):
    def run(seed):
        http.delete("/_emulator/faults")
        http.patch("/_emulator/scenario", json={"seed": seed})
        faults("server_error", api.vendor, on="list", probability=0.5)
        return [api.list().status_code for _ in range(30)]

    assert run(1) == run(1) != run(2)


def test_an_sdk_retry_counts_as_another_call(openai, faults, strikes):
    faults("rate_limit_ms", Vendor.OPENAI, on="list", times=2, seconds=0.001)
    assert list(openai.with_options(max_retries=2).batches.list()) == []
    assert strikes() == [2]
    faults("rate_limit_seconds", Vendor.OPENAI, on="list", times=1, seconds=130)
    with pytest.raises(openai_sdk.RateLimitError):
        openai.with_options(max_retries=2).batches.list()


def test_an_upload_that_is_refused_is_refused_at_once(gemini, faults, log, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"key": "a"}\n')
    faults("server_error", Vendor.GEMINI, on="upload", after=1)
    with pytest.raises(Exception, match="500"):
        gemini.files.upload(file=path, config={"mime_type": "application/jsonl"})
    assert [entry["status"] for entry in log(kind="http")] == [200, 500]


def test_calls_that_are_no_operation_are_never_struck(api_of, faults):
    for name, kind in FAULTS.items():
        if kind.scope is Scope.CALL:
            faults(name)
    assert api_of(Vendor.OPENAI).send("GET", "/openai/v1/models").status_code == 200
    assert api_of(Vendor.OPENAI).send("GET", "/openai/v1/files").status_code == 200
    assert api_of(Vendor.ANTHROPIC).send("GET", "/anthropic/v1/models").status_code == 200
    assert api_of(Vendor.GEMINI).send("GET", "/gemini/v1beta/models").status_code == 200


def test_a_wrong_key_is_refused_before_any_fault(api_of, faults, strikes):
    faults("drop_before", Vendor.OPENAI)
    api = api_of(Vendor.OPENAI)
    assert api.send("GET", "/openai/v1/batches", headers={"authorization": "Bearer invalid"}).status_code == 401
    assert strikes() == [0]
    assert isinstance(attempt(api, Operation.LIST), httpx2.RemoteProtocolError)
