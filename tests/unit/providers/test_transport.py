"""Every exception the three SDKs and their HTTP client can raise becomes one of ours."""

import inspect
from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai_errors

from batchwright.errors import (
    LLMConnectionError,
    LLMOutcomeUnknownError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMResponseError,
)
from batchwright.providers.failures import Phase
from batchwright.providers.transport import Calls, check_key, open_client

REQUEST = httpx2.Request("POST", "https://vendor.invalid/v1")
CALLS = Calls(provider_name="openai", secrets=("hunter2",))


def exported() -> Iterator[type[Exception]]:
    for module in (openai, anthropic, genai_errors, httpx2):
        for _name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and not issubclass(kind, Warning):
                yield kind


def make(kind: type[Exception], status: int = 418) -> Exception:
    """Return an instance as the SDK would make it, or a bare one where its constructor wants more."""
    status = kind.__dict__.get("status_code", status) if isinstance(kind.__dict__.get("status_code"), int) else status
    response = httpx2.Response(status, request=REQUEST, json={"error": {"message": "no"}})
    options = {
        "message": "no",
        "request": REQUEST,
        "response": response,
        "body": {"error": {"message": "no"}},
        "code": status,
        "response_json": {"error": {"message": "no"}},
    }
    try:
        wanted = {name: options[name] for name in inspect.signature(kind).parameters if name in options}
        return kind(**wanted)
    except (TypeError, ValueError):
        bare = kind.__new__(kind)
        Exception.__init__(bare, "no")
        return bare


KINDS = sorted(set(exported()), key=lambda kind: f"{kind.__module__}.{kind.__name__}")


def test_the_walk_finds_the_sdks_exceptions():
    names = {kind.__name__ for kind in KINDS}
    assert names >= {"RateLimitError", "APITimeoutError", "ServerError", "ClientError", "RemoteProtocolError"}
    assert len(KINDS) > 60


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_exception_of_an_sdk_is_unmapped(kind, phase):
    error = CALLS.translate(make(kind), phase)
    assert isinstance(error, LLMProviderError)
    assert error.provider_name == "openai"


@pytest.mark.parametrize("sdk", [openai, anthropic])
@pytest.mark.parametrize(
    ("cause", "create", "otherwise"),
    [
        (httpx2.ConnectError("refused"), LLMConnectionError, LLMConnectionError),
        (httpx2.ConnectTimeout("slow"), LLMConnectionError, LLMConnectionError),
        (httpx2.PoolTimeout("busy"), LLMConnectionError, LLMConnectionError),
        (httpx2.ProxyError("proxy"), LLMConnectionError, LLMConnectionError),
        (httpx2.ReadTimeout("slow"), LLMOutcomeUnknownError, LLMConnectionError),
        (httpx2.RemoteProtocolError("gone"), LLMOutcomeUnknownError, LLMConnectionError),
        (httpx2.UnsupportedProtocol("ftp"), LLMProviderConfigurationError, LLMProviderConfigurationError),
        (httpx2.LocalProtocolError("Illegal header value b'hunter2'"),) + (LLMProviderConfigurationError,) * 2,
    ],
)
def test_what_a_wrapped_network_error_means_depends_on_what_was_sent(sdk, cause, create, otherwise):
    wrapped = sdk.APIConnectionError(request=REQUEST)
    wrapped.__cause__ = cause
    for exc in (wrapped, cause):
        assert type(CALLS.translate(exc, Phase.CREATE)) is create
        assert type(CALLS.translate(exc, Phase.JOB)) is otherwise


def test_the_trouble_of_another_provider_tried_before_is_not_taken_for_this_ones():
    response = httpx2.Response(429, request=REQUEST, json={"error": {"message": "no", "code": "insufficient_quota"}})
    before = openai.RateLimitError("no", response=response, body=None)
    assert type(CALLS.translate(before, Phase.CREATE)) is LLMQuotaError
    after = httpx2.ConnectError("refused")
    after.__context__ = before
    assert type(CALLS.translate(after, Phase.CREATE)) is LLMConnectionError


def test_what_has_nothing_to_do_with_a_vendor_passes():
    for own in (KeyError("x"), FileNotFoundError("x"), ZeroDivisionError()):
        with pytest.raises(type(own)), CALLS.guard(Phase.CREATE):
            raise own


def test_a_plain_error_out_of_an_sdk_is_not_taken_for_ours():
    with pytest.raises(LLMResponseError), CALLS.guard(Phase.JOB):
        openai.OpenAI(api_key="x", max_retries=0).batches.retrieve("")


def test_an_exception_that_quotes_the_key_is_not_chained():
    with pytest.raises(LLMProviderConfigurationError) as caught, CALLS.guard(Phase.JOB):
        raise httpx2.LocalProtocolError("Illegal header value b'hunter2'")
    assert caught.value.__cause__ is None
    assert "hunter2" not in str(caught.value)


def test_our_own_errors_pass_unchanged():
    error = LLMRateLimitError("wait")
    with pytest.raises(LLMRateLimitError) as caught, CALLS.guard(Phase.CREATE):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "“quoted”", "tab\t"])
def test_a_key_that_cannot_be_one_is_refused_without_being_quoted(key):
    with pytest.raises(LLMProviderConfigurationError) as caught:
        check_key("openai", key)
    assert key not in str(caught.value)


def answers(seen, *hops):
    replies = iter(hops)

    def handle(request):
        seen.append(request)
        return next(replies)

    return httpx2.Client(transport=httpx2.MockTransport(handle))


def test_the_key_goes_to_its_own_host_only_and_a_redirect_elsewhere_gets_none():
    seen = []
    away = httpx2.Response(302, headers={"location": "https://storage.invalid/file"})
    client = open_client(
        base_url="https://vendor.invalid/v1",
        key_headers=[("x-api-key", "hunter2")],
        through=answers(seen, away, httpx2.Response(200)),
    )
    client.get("https://vendor.invalid/v1/file", headers={"x-api-key": "hunter2", "x-unasked": "1"})
    assert seen[0].headers["x-api-key"] == "hunter2"
    assert "x-api-key" not in seen[1].headers
    assert all("x-unasked" not in request.headers for request in seen)


def test_every_request_is_bounded_in_time_also_where_the_sdk_asks_for_none():
    seen = []
    client = open_client(
        base_url="https://vendor.invalid", key_headers=[("x-api-key", "k")], through=answers(seen, httpx2.Response(200))
    )
    client.get("https://vendor.invalid/", timeout=None)
    assert seen[0].extensions["timeout"] == {"connect": 10.0, "read": 600.0, "write": 600.0, "pool": 10.0}
