"""What a bad network and a bad answer become, the same on every provider, over the real SDKs."""

import asyncio
import re
import warnings
from collections.abc import Callable

import httpx2
import pytest
from pydantic_core import from_json, to_json

from batchwright.config import EMULATOR_VARIABLE, Environment
from batchwright.errors import (
    JobNotReadyError,
    LLMConnectionError,
    LLMNotFoundError,
    LLMOutcomeUnknownError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMRequestTooLargeError,
    LLMResponseError,
    LLMServerError,
    TrackingError,
)
from batchwright.job import JobState
from batchwright.providers.payload import write_payload
from batchwright.providers.registry import open_provider
from batchwright.request import Message, Params, Request

KEY = "sk-proj-0123456789abcdefABCDEF"
CREATE = re.compile(r"/v1/batches\Z|/v1/messages/batches\Z|:batchGenerateContent\Z")
UPLOAD = re.compile(r"/files\Z|/upload/")
JOB = re.compile(r"/batches/[^/:]+\Z")
RESULTS = re.compile(r"/content\Z|/results\Z|:download\Z")
Fault = Callable[[httpx2.Request, Callable[[], httpx2.Response]], httpx2.Response]


class Line(httpx2.BaseTransport):
    """The way to the emulator, with a fault on the calls whose path matches; keeps what was sent."""

    def __init__(self, to: httpx2.Client, where: re.Pattern[str], fault: Fault | None = None) -> None:
        self.to, self.where, self.fault = to, where, fault
        self.sent: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)

        def go_on() -> httpx2.Response:
            return self.to.send(request, stream=True)

        if self.fault is not None and self.where.search(request.url.path):
            return self.fault(request, go_on)
        return go_on()

    def count(self, where: re.Pattern[str]) -> int:
        return sum(1 for request in self.sent if request.method == "POST" and where.search(request.url.path))


@pytest.fixture
def connect(emulate, name):
    """Return (provider, line) with a fault on some calls."""

    def make(where: re.Pattern[str], fault: Fault | None = None, **options):
        emulated = emulate(responder="echo")
        line = Line(emulated.http, where, fault)
        if name == "gemini":
            options.setdefault("clock", emulated.time)
        options.setdefault("environment", Environment({EMULATOR_VARIABLE: "http://testserver"}))
        return open_provider(name, http_client=httpx2.Client(transport=line), **options), line, emulated

    return make


def raising(error: Exception, *, after: bool = False, unread: bool = False) -> Fault:
    """Fail when the whole request has left, or before a byte of its body has (`unread`), or `after` the answer."""

    def fault(request, go_on):
        if after:
            go_on().read()
        elif not unread:
            request.read()
        raise error

    return fault


def answering(status: int, body: object = b"", **headers: str) -> Fault:
    content = body if isinstance(body, bytes) else to_json(body)

    def fault(request, _go_on):
        request.read()
        return httpx2.Response(status, content=content, headers=headers)

    return fault


def vendor_error(message: str, kind: str = "server_error", status: str = "UNAVAILABLE") -> dict[str, object]:
    return {"type": "error", "error": {"message": message, "type": kind, "status": status}}


def submit(emulated, provider):
    return emulated.submit(provider, [Request(custom_id="job-01-a1-0", messages=(Message.text("hello"),))])


@pytest.mark.parametrize(
    "error",
    [
        httpx2.RemoteProtocolError("Server disconnected without sending a response."),
        httpx2.ReadTimeout("timed out"),
        httpx2.ReadError("reset"),
        httpx2.WriteError("broken pipe"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_create_whose_answer_is_lost_is_unknown_and_is_sent_once(connect, name, error):
    provider, line, emulated = connect(CREATE, raising(error, after=True))
    with pytest.raises(LLMOutcomeUnknownError, match="may exist and be paid for") as caught:
        submit(emulated, provider)
    assert not caught.value.retryable
    assert line.count(CREATE) == 1
    assert emulated.stats(name)["creates"] == 1


@pytest.mark.parametrize("error", [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow")])
def test_a_create_that_never_left_is_a_connection_error(connect, name, error):
    provider, _line, emulated = connect(CREATE, raising(error, unread=True))
    with pytest.raises(LLMConnectionError) as caught:
        submit(emulated, provider)
    assert caught.value.retryable
    assert emulated.stats(name)["creates"] == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (answering(500, vendor_error("internal")), LLMOutcomeUnknownError),
        (answering(502, b"<html>bad gateway</html>"), LLMOutcomeUnknownError),
        (answering(503, b"<html>unavailable</html>"), LLMOutcomeUnknownError),
        (answering(504, b""), LLMOutcomeUnknownError),
        (answering(503, vendor_error("The model is overloaded.")), LLMServerError),
        (answering(529, vendor_error("Overloaded", "overloaded_error")), LLMServerError),
        (answering(429, vendor_error("slow down", "rate_limit_error"), **{"retry-after": "130"}), LLMRateLimitError),
        (answering(413, vendor_error("too big", "request_too_large")), LLMRequestTooLargeError),
        (answering(402, vendor_error("pay", "billing_error")), LLMQuotaError),
        (answering(401, vendor_error("who are you", "authentication_error")), LLMProviderConfigurationError),
        (answering(404, vendor_error("no such model", "not_found_error")), LLMProviderConfigurationError),
        (answering(200, b'{"id": "batch_1", "na'), LLMOutcomeUnknownError),
        (answering(200, {}), LLMOutcomeUnknownError),
        (answering(200, b"<html>proxy</html>"), LLMOutcomeUnknownError),
    ],
)
def test_every_bad_answer_to_a_create_has_its_error_and_is_not_sent_again(connect, fault, expected):
    provider, line, emulated = connect(CREATE, fault)
    with pytest.raises(LLMProviderError) as caught:
        submit(emulated, provider)
    assert type(caught.value) is expected
    assert line.count(CREATE) == 1


def test_the_time_to_wait_is_kept_and_nobody_waits(connect):
    provider, _line, emulated = connect(CREATE, answering(429, vendor_error("slow"), **{"retry-after": "130"}))
    with pytest.raises(LLMRateLimitError) as caught:
        submit(emulated, provider)
    assert caught.value.retry_after == 130
    assert caught.value.status_code == 429


@pytest.mark.parametrize("error", [httpx2.RemoteProtocolError("gone"), httpx2.ReadTimeout("slow")])
def test_a_failed_upload_is_never_an_unknown_outcome(connect, name, error):
    if name == "anthropic":
        pytest.skip("there is no upload")
    provider, _line, emulated = connect(UPLOAD, raising(error))
    with pytest.raises(LLMConnectionError):
        submit(emulated, provider)
    assert emulated.uploads == []
    assert emulated.stats(name)["creates"] == 0


def test_it_is_told_before_a_create_can_take_effect(connect, name):
    provider, _line, emulated = connect(CREATE, raising(httpx2.ReadError("gone")))
    with pytest.raises(LLMOutcomeUnknownError):
        submit(emulated, provider)
    (uploaded,) = emulated.uploads
    assert (uploaded is None) == (name == "anthropic")


def test_a_create_that_may_not_be_noted_down_never_takes_effect(connect, name):
    provider, _line, emulated = connect(CREATE)
    payload = emulated.folder / f"unnoted{provider.wire.suffix}"
    write_payload(payload, provider.wire, [Request(custom_id="job-01-a1-0", messages=(Message.text("hello"),))])

    def full(_file_id):
        raise TrackingError("the disk is full")

    with pytest.raises(TrackingError, match="the disk is full"):
        provider.submit(payload, tag="job-01-a1", before_create=full)
    assert emulated.stats(name)["creates"] == 0


@pytest.mark.parametrize("error", [httpx2.WriteError("broken pipe"), httpx2.WriteTimeout("slow")])
def test_a_create_that_carries_its_requests_and_breaks_off_halfway_created_nothing(connect, name, error):
    if name != "anthropic":
        pytest.skip("its create is one small body")

    def halfway(request, _go_on):
        next(iter(request.stream))
        raise error

    provider, _line, emulated = connect(CREATE, halfway)
    long = [Request(custom_id="job-01-a1-0", messages=(Message.text("hello " * 50_000),))]
    with pytest.raises(LLMConnectionError, match="nothing was created"):
        emulated.submit(provider, long)
    assert emulated.uploads == []


def test_a_download_cut_short_raises_after_the_whole_lines(connect):
    class Cut(httpx2.SyncByteStream):
        def __init__(self, inner):
            self.inner = inner

        def __iter__(self):
            yield b"".join(self.inner)[:-10]
            raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body")

    def fault(_request, go_on):
        answer = go_on()
        return httpx2.Response(200, headers={"content-type": "application/octet-stream"}, stream=Cut(answer.stream))

    provider, _line, emulated = connect(RESULTS, fault)
    job = emulated.submit(
        provider, [Request(custom_id=f"job-01-a1-{n}", messages=(Message.text("hello"),)) for n in range(3)]
    )
    emulated.finish()
    with pytest.raises(LLMConnectionError):
        list(provider.results(provider.get_batch_job(job.job_name)))


@pytest.mark.parametrize("status", ["brandnew", "", None, 7])
def test_a_status_nobody_knows_is_a_job_in_progress(connect, name, status):
    def fault(_request, go_on):
        document = from_json(go_on().read())
        if name == "gemini":
            document["metadata"]["state"] = f"BATCH_STATE_{status}" if status == "brandnew" else status
            document.pop("done", None)
        else:
            document["processing_status" if name == "anthropic" else "status"] = status
        return httpx2.Response(200, content=to_json(document), headers={"content-type": "application/json"})

    provider, _line, emulated = connect(JOB, fault)
    job = submit(emulated, provider)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # google-genai says that it does not know the state
        found = provider.get_batch_job(job.job_name)
    assert found.state is JobState.IN_PROGRESS
    assert not found.done
    if status == "brandnew":
        assert "brandnew" in found.provider_state


def test_an_unknown_state_is_no_error_where_warnings_are(connect, name):
    if name != "gemini":
        pytest.skip("only google-genai warns")

    def fault(_request, go_on):
        content = go_on().read().replace(b"BATCH_STATE_PENDING", b"BATCH_STATE_NEW")
        return httpx2.Response(200, content=content, headers={"content-type": "application/json"})

    provider, _line, emulated = connect(JOB, fault)
    job = submit(emulated, provider)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert provider.get_batch_job(job.job_name).provider_state == "BATCH_STATE_NEW"


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b"[1, 2]", b'{"id": "x", '])
def test_an_unreadable_answer_about_a_job_is_a_response_error(connect, body):
    provider, _line, emulated = connect(JOB, answering(200, body, **{"content-type": "application/json"}))
    job = submit(emulated, provider)
    with pytest.raises(LLMResponseError):
        provider.get_batch_job(job.job_name)


def test_gemini_waits_for_a_results_file_that_is_late_but_not_for_one_that_is_gone(emulate, make_request):
    emulated = emulate()
    line = Line(emulated.http, RESULTS, answering(404, vendor_error("not there", status="NOT_FOUND")))
    provider = open_provider(
        "gemini",
        environment=Environment({EMULATOR_VARIABLE: "http://testserver"}),
        http_client=httpx2.Client(transport=line),
        clock=emulated.time,
    )
    job = emulated.submit(provider, [make_request(0, "hello")])
    emulated.finish()
    done = provider.get_batch_job(job.job_name)
    with pytest.raises(JobNotReadyError):
        list(provider.results(done))
    emulated.time.seconds += 2 * 86_400
    with pytest.raises(LLMNotFoundError):
        list(provider.results(done))


def test_variables_of_the_sdks_change_neither_address_nor_key_nor_headers(connect, name, monkeypatch, make_request):
    foreign = "foreign-secret-value"
    monkeypatch.setenv("OPENAI_API_KEY", foreign)
    for variable in ("ORG_ID", "PROJECT_ID", "ADMIN_KEY", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{variable}", foreign)
    monkeypatch.setenv("ANTHROPIC_API_KEY", foreign)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", foreign)
    headers = f"Authorization: Bearer {foreign}\nX-Api-Key: {foreign}\nX-Goog-Api-Key: {foreign}\nX-Mine: {foreign}"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", headers)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", headers)
    for variable in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.setenv(variable, f"http://{foreign}.invalid")
    monkeypatch.setenv("GOOGLE_API_KEY", foreign)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", foreign)
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    provider, line, emulated = connect(CREATE)
    job = emulated.submit(provider, [make_request(0, "hello")])
    emulated.finish()
    assert [result.text for result in provider.results(provider.get_batch_job(job.job_name))] == ["hello"]
    assert provider.generate(["hi"]).text == "hi"
    assert {request.url.host for request in line.sent} == {"testserver"}
    versions = {part for request in line.sent for part in request.url.path.split("/") if re.fullmatch(r"v\d\w*", part)}
    assert versions == {"v1beta" if name == "gemini" else "v1"}
    for request in line.sent:
        assert foreign not in str(request.headers.raw)
        assert foreign not in str(request.url)


def test_no_message_and_no_representation_holds_a_key(connect, name):
    def fault(_request, _go_on):
        text = f"Incorrect API key provided: {KEY}. You can find your key at the console."
        return httpx2.Response(401, content=to_json(vendor_error(text, "invalid_request_error")))

    prefix = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini"}[name]
    provider, _line, _emulated = connect(JOB, fault, api_key=KEY, base_url=f"http://testserver{prefix}")
    job_name = {"openai": "batch_1", "anthropic": "msgbatch_1", "gemini": "batches/1"}[name]
    with pytest.raises(LLMProviderConfigurationError) as caught:
        provider.get_batch_job(job_name)
    assert KEY not in str(caught.value)
    assert "Incorrect API key provided: [key]" in str(caught.value)
    assert caught.value.__cause__ is None or KEY not in str(caught.value.__cause__)
    assert KEY not in repr(provider.__dict__.get("_calls"))
    assert KEY not in repr(vars(provider.wire) if hasattr(provider.wire, "__dict__") else provider.wire)
    assert len(provider.account) == 12
    assert KEY not in provider.account


def test_a_live_request_that_is_refused_is_a_failed_result(connect, name):
    fault = answering(400, vendor_error("max_tokens: too many", "invalid_request_error", "INVALID_ARGUMENT"))
    provider, _line, _emulated = connect(re.compile("completions|/messages|:generateContent"), fault)
    request = Request(custom_id="x", messages=(Message.text("hello"),), params=Params(max_output_tokens=10**9))
    result = asyncio.run(provider.complete(request))
    assert not result.succeeded
    assert result.failure is not None
    assert result.failure.status_code == 400
    assert "too many" in result.failure.message


def test_trouble_with_the_account_is_raised_from_a_live_request(connect):
    fault = answering(401, vendor_error("no", "authentication_error", "UNAUTHENTICATED"))
    provider, line, _emulated = connect(re.compile("completions|/messages|:generateContent"), fault)
    with pytest.raises(LLMProviderConfigurationError):
        provider.generate(["hello"])
    assert len(line.sent) == 1
