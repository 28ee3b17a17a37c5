"""What exceptions mean: by type and status, with the SDKs' own exceptions."""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from enum import Enum

import aiohttp
import anthropic
import httpx2
import openai
import pydantic
import pytest
from google.genai import errors as genai
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic_ai import exceptions as pydantic_ai
from yarl import URL

from batchwright import errors
from batchwright.providers.anthropic.classifier import AnthropicErrorClassifier
from batchwright.providers.classifiers import DefaultErrorClassifier, ErrorInfo
from batchwright.providers.gemini.classifier import GeminiErrorClassifier
from batchwright.providers.openai.classifier import OpenAIErrorClassifier
from batchwright.testing import FakeClock

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
ASKED = aiohttp.RequestInfo(URL("http://127.0.0.1/"), "POST", CIMultiDictProxy(CIMultiDict()))
DEFAULT = DefaultErrorClassifier(clock=FakeClock())


def answer(status, body, headers=None):
    return httpx2.Response(status, json=body, headers=headers, request=REQUEST)


def of_openai(status, *, code=None, kind=None, message="no", headers=None):
    """The exception that OpenAI's own client makes of an answer."""
    body = {"error": {"message": message, "type": kind, "code": code}}
    client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1")
    return client._make_status_error_from_response(answer(status, body, headers))


def of_anthropic(status, kind, *, message="no", details=None, headers=None):
    error = {"type": kind, "message": message} | ({"details": details} if details else {})
    client = anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1")
    return client._make_status_error_from_response(answer(status, {"type": "error", "error": error}, headers))


def of_genai(code, status, *, message="no", details=()):
    body = {"error": {"code": code, "status": status, "message": message, "details": list(details)}}
    kind = genai.ClientError if code < 500 else genai.ServerError
    return kind(code, body, answer(code, body))


QUOTA_ID = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}


def violation(quota_id):
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def raised(error, cause=None):
    try:
        raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("classifier", [DEFAULT, OpenAIErrorClassifier()])
@pytest.mark.parametrize(
    ("error", "category", "retryable", "wait"),
    [
        (of_openai(429, code="rate_limit_exceeded", headers={"retry-after": "7"}), "rate_limit", True, 7.0),
        (of_openai(429, code="rate_limit_exceeded", headers={"retry-after-ms": "250"}), "rate_limit", True, 0.25),
        (of_openai(429, code="insufficient_quota", kind="insufficient_quota"), "quota", False, None),
        (of_openai(400, code="billing_hard_limit_reached"), "quota", False, None),
        (of_openai(401, code="invalid_api_key"), "account", False, None),
        (of_openai(404, code="model_not_found"), "account", False, None),
        (of_openai(400, kind="invalid_request_error", message="Expected 4290 tokens"), "invalid_request", False, None),
        (of_openai(500, kind="server_error"), "server", True, None),
        (of_openai(503, message="slow down", headers={"retry-after": "3"}), "overloaded", True, 3.0),
        (of_openai(504), "timeout", True, None),
        (openai.APITimeoutError(request=REQUEST), "timeout", True, None),
        (openai.APIConnectionError(request=REQUEST), "connection", True, None),
    ],
)
def test_openais_exceptions(classifier, error, category, retryable, wait):
    info = classifier.classify(error)
    assert (info.error_category, info.is_retryable, info.suggested_wait) == (category, retryable, wait)
    assert info.is_rate_limit == (category == "rate_limit")
    assert info.is_timeout == (category == "timeout")


def test_a_refusal_that_the_vendor_says_not_to_repeat_is_not_repeated():
    info = DEFAULT.classify(of_openai(429, code="rate_limit_exceeded", headers={"x-should-retry": "false"}))
    assert not info.is_retryable
    assert not info.is_rate_limit


def test_an_answer_cut_off_at_its_limit_would_be_cut_off_again():
    class LengthFinishReasonError(openai.OpenAIError):
        """The SDK's own needs a whole completion to be made; only its name counts."""

    assert OpenAIErrorClassifier().classify(LengthFinishReasonError("cut")).error_category == "cut_off"


@pytest.mark.parametrize("classifier", [DEFAULT, AnthropicErrorClassifier()])
@pytest.mark.parametrize(
    ("error", "category", "retryable", "wait"),
    [
        (of_anthropic(429, "rate_limit_error", headers={"retry-after": "12"}), "rate_limit", True, 12.0),
        (
            of_anthropic(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
            "quota",
            False,
            None,
        ),
        (of_anthropic(402, "billing_error"), "quota", False, None),
        (
            of_anthropic(400, "invalid_request_error", message="Your credit balance is too low to access the API"),
            "quota",
            False,
            None,
        ),
        (of_anthropic(400, "invalid_request_error"), "invalid_request", False, None),
        (of_anthropic(401, "authentication_error"), "account", False, None),
        (of_anthropic(413, "request_too_large"), "invalid_request", False, None),
        (of_anthropic(529, "overloaded_error"), "overloaded", True, None),
        (of_anthropic(500, "api_error"), "server", True, None),
        (anthropic.APITimeoutError(request=REQUEST), "timeout", True, None),
    ],
)
def test_anthropics_exceptions(classifier, error, category, retryable, wait):
    info = classifier.classify(error)
    assert (info.error_category, info.is_retryable, info.suggested_wait) == (category, retryable, wait)
    assert info.is_rate_limit == (category == "rate_limit")


@pytest.mark.parametrize(
    "name", [name for name, info in AnthropicErrorClassifier.names.items() if info.error_category == "quota"]
)
def test_anthropics_spend_limits_are_known_by_their_type_alone(name):
    kind = getattr(anthropic, name, None) or type(name, (anthropic.APIStatusError,), {})  # older SDKs lack some
    error = kind("limit", response=answer(429, {}), body=None)
    assert AnthropicErrorClassifier().classify(error).error_category == "quota"


def test_every_spend_limit_that_anthropics_sdk_names_is_known():
    named = {name for name in dir(anthropic) if "SpendLimit" in name or "Billing" in name or "Payment" in name}
    assert named <= set(AnthropicErrorClassifier.names)


@pytest.mark.parametrize("classifier", [DEFAULT, GeminiErrorClassifier()])
@pytest.mark.parametrize(
    ("error", "category", "retryable", "wait"),
    [
        (of_genai(429, "RESOURCE_EXHAUSTED", details=[RETRY_INFO]), "rate_limit", True, 34.5),
        (
            of_genai(429, "RESOURCE_EXHAUSTED", details=[violation("RequestsPerMinute"), RETRY_INFO]),
            "rate_limit",
            True,
            34.5,
        ),
        (of_genai(429, "RESOURCE_EXHAUSTED", details=[violation(QUOTA_ID), RETRY_INFO]), "quota", False, 34.5),
        (of_genai(400, "INVALID_ARGUMENT"), "invalid_request", False, None),
        (
            of_genai(400, "INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]),
            "account",
            False,
            None,
        ),
        (of_genai(403, "PERMISSION_DENIED"), "account", False, None),
        (of_genai(503, "UNAVAILABLE"), "overloaded", True, None),
        (of_genai(504, "DEADLINE_EXCEEDED"), "timeout", True, None),
    ],
)
def test_geminis_exceptions(classifier, error, category, retryable, wait):
    info = classifier.classify(error)
    assert (info.error_category, info.is_retryable, info.suggested_wait) == (category, retryable, wait)
    assert info.is_rate_limit == (category == "rate_limit")


class StatusCode(Enum):
    """As in gRPC."""

    RESOURCE_EXHAUSTED = (8, "resource exhausted")
    UNAVAILABLE = (14, "unavailable")


class AioRpcError(Exception):
    """As in gRPC, which is not installed: the code is a method."""

    def __init__(self, code):
        super().__init__(f"status = {code}")
        self._code = code

    def code(self):
        return self._code


class ResourceExhausted(Exception):  # noqa: N818
    """As in google.api_core, which is not installed: details are decoded messages."""

    code = 429

    def __init__(self, delay):
        super().__init__("429 Resource has been exhausted")
        self.details = [type("RetryInfo", (), {"retry_delay": delay})()]


def test_grpcs_codes_stand_for_statuses():
    gemini = GeminiErrorClassifier()
    assert gemini.classify(AioRpcError(StatusCode.RESOURCE_EXHAUSTED)).is_rate_limit
    assert gemini.classify(AioRpcError(StatusCode.UNAVAILABLE)).error_category == "overloaded"


@pytest.mark.parametrize(
    "delay", [timedelta(seconds=21.5), type("Duration", (), {"seconds": 21, "nanos": 500_000_000})()]
)
def test_a_decoded_retry_info_says_how_long_to_wait(delay):
    info = GeminiErrorClassifier().classify(ResourceExhausted(delay))
    assert info.is_rate_limit
    assert info.suggested_wait == 21.5


def of_pydantic_ai(status, **more):
    return pydantic_ai.ModelHTTPError(status, "some-model", **more)


@pytest.mark.parametrize(
    ("error", "category", "wait"),
    [
        (of_pydantic_ai(429, headers={"Retry-After": "9"}), "rate_limit", 9.0),
        (of_pydantic_ai(429, body={"code": "insufficient_quota", "message": "no"}), "quota", None),
        (of_pydantic_ai(503), "overloaded", None),
        (of_pydantic_ai(400), "invalid_request", None),
        (pydantic_ai.UnexpectedModelBehavior("not what was asked for"), "validation", None),
        (pydantic_ai.UsageLimitExceeded("enough"), "invalid_request", None),
        (pydantic_ai.UserError("put together wrongly"), "program", None),
        (pydantic_ai.ModelConnectionError("some-model", "gone"), "connection", None),
    ],
)
def test_pydantic_ais_exceptions(error, category, wait):
    info = DEFAULT.classify(error)
    assert (info.error_category, info.suggested_wait) == (category, wait)


def test_of_several_models_tried_one_that_may_be_asked_again_is_enough():
    both = pydantic_ai.FallbackExceptionGroup("all failed", [of_pydantic_ai(400), of_pydantic_ai(503)])
    assert DEFAULT.classify(both).error_category == "overloaded"
    limited = pydantic_ai.FallbackExceptionGroup("all failed", [of_pydantic_ai(429), of_pydantic_ai(429)])
    assert DEFAULT.classify(limited).is_rate_limit
    one_of_two = pydantic_ai.FallbackExceptionGroup("all failed", [of_pydantic_ai(429), of_pydantic_ai(503)])
    assert not DEFAULT.classify(one_of_two).is_rate_limit


OURS = [
    (errors.LLMRateLimitError("slow", retry_after=5), ErrorInfo(True, True, False, "rate_limit", 5)),
    (errors.LLMQuotaError("used up", status_code=429), ErrorInfo(False, error_category="quota")),
    (errors.LLMServerError("down"), ErrorInfo(True, error_category="server")),
    (errors.LLMServerError("busy", status_code=529, retry_after=2), ErrorInfo(True, False, False, "overloaded", 2)),
    (errors.LLMServerError("for good", retryable=False), ErrorInfo(False, error_category="server")),
    (errors.LLMConnectionError("gone"), ErrorInfo(True, error_category="connection")),
    (errors.LLMResponseError("unreadable"), ErrorInfo(True, error_category="server")),
    (errors.LLMProviderConfigurationError("no key"), ErrorInfo(False, error_category="account")),
    (errors.LLMRequestTooLargeError("too large"), ErrorInfo(False, error_category="invalid_request")),
    (errors.LLMOutcomeUnknownError("maybe"), ErrorInfo(False, error_category="unknown")),
    (errors.AnswerError("prose"), ErrorInfo(True, error_category="validation")),
]


@pytest.mark.parametrize(("error", "info"), OURS)
def test_our_own_errors(error, info):
    assert DEFAULT.classify(error) == info


def validation_error():
    try:
        pydantic.TypeAdapter(int).validate_python("one")
    except pydantic.ValidationError as error:
        return error


def json_error():
    try:
        json.loads("{")
    except json.JSONDecodeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "category", "retryable"),
    [
        (TimeoutError(), "timeout", True),
        (ConnectionResetError(), "connection", True),
        (socket.gaierror(-2, "Name or service not known"), "connection", True),
        (asyncio.IncompleteReadError(b"", 1), "unknown", True),
        (validation_error(), "validation", True),
        (json_error(), "validation", True),
        (TypeError("bug"), "program", False),
        (AttributeError("bug"), "program", False),
        (FileNotFoundError("prompt.txt"), "program", False),
        (ValueError("no such category"), "unknown", True),
        (KeyError("category"), "unknown", True),
        (httpx2.ReadTimeout("slow"), "timeout", True),
        (httpx2.ConnectError("refused"), "connection", True),
        (httpx2.HTTPStatusError("429", request=REQUEST, response=answer(429, {})), "rate_limit", True),
        (aiohttp.ServerDisconnectedError(), "connection", True),
        (aiohttp.ServerTimeoutError(), "timeout", True),
        (aiohttp.ClientResponseError(ASKED, (), status=429), "rate_limit", True),
    ],
)
def test_pythons_exceptions_and_those_of_http_clients(error, category, retryable):
    info = DEFAULT.classify(error)
    assert (info.error_category, info.is_retryable) == (category, retryable)
    assert info.is_rate_limit == (category == "rate_limit")


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("429 Too Many Requests", "rate_limit"),
        ("HTTP 429: slow down", "rate_limit"),
        ("status code: 429", "rate_limit"),
        ("Error code: 429 - {'error': …}", "rate_limit"),
        ("Rate limit exceeded", "rate_limit"),
        ("Expected 4290 tokens", "unknown"),
        ("Expected 429 tokens", "unknown"),
        ("page 429 of 600", "unknown"),
        ("insufficient_quota", "quota"),
        ("Your credit balance is too low to access the API", "quota"),
        ("429 You exceeded your current quota, please check your plan", "rate_limit"),  # Gemini says so to every 429
        ("the call timed out", "timeout"),
        ("something else", "unknown"),
    ],
)
def test_text_counts_where_there_is_no_type(text, category):
    assert DEFAULT.classify(Exception(text)).error_category == category
    assert DEFAULT.classify(RuntimeError(text)).error_category == category


def test_text_does_not_count_where_there_is_a_type():
    assert DEFAULT.classify(ValueError("429 Too Many Requests")).error_category == "unknown"
    assert not DEFAULT.classify(of_openai(400, message="429 Too Many Requests")).is_rate_limit


class MyError(Exception):
    pass


def test_an_exception_that_says_nothing_is_what_caused_it():
    assert DEFAULT.classify(raised(MyError(), of_openai(429, headers={"retry-after": "4"}))).suggested_wait == 4
    assert DEFAULT.classify(raised(MyError(), raised(MyError(), TimeoutError()))).is_timeout


def test_an_answer_of_the_wrong_shape_is_no_bug_of_the_program():
    assert DEFAULT.classify(raised(ValueError("no category"), TypeError("not subscriptable"))).is_retryable


def test_causes_that_go_in_a_circle_come_to_an_end():
    first, second = MyError("first"), MyError("second")
    first.__cause__, second.__cause__ = second, first
    assert DEFAULT.classify(first).error_category == "unknown"


def test_a_date_to_wait_for_is_counted_from_now():
    clock = FakeClock(datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC))
    error = of_openai(429, headers={"retry-after": "Wed, 25 Nov 2026 12:01:30 GMT"})
    assert DefaultErrorClassifier(clock=clock).classify(error).suggested_wait == 90
