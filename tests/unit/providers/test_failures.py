from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from batchwright.errors import (
    LLMInvalidRequestError,
    LLMNotFoundError,
    LLMOutcomeUnknownError,
    LLMProviderConfigurationError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMRequestTooLargeError,
    LLMResponseError,
    LLMServerError,
)
from batchwright.providers.failures import Phase, read_error, read_line_error, redact, to_exception, to_failure
from batchwright.result import FailureKind

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}


def openai(message="m", kind=None, code=None):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(message="m", kind="api_error", code=None):
    details = None if code is None else {"error_code": code}
    return {"type": "error", "error": {"type": kind, "message": message, "details": details}, "request_id": "req_9"}


def gemini(message="m", status="INTERNAL", code=500, *details):
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def violation(quota_id):
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def raised(provider, status, body, phase=Phase.JOB, headers=None):
    error = read_error(provider, status_code=status, headers=headers or {}, body=body, now=NOW)
    return to_exception(error, phase)


PLAN = "You exceeded your current quota, please check your plan and billing details."
CREDIT = "Your credit balance is too low to access the Anthropic API."
CASES = [
    ("openai", 429, openai(PLAN, "insufficient_quota", "insufficient_quota"), LLMQuotaError),
    ("openai", 429, openai("Rate limit reached", "requests", "rate_limit_exceeded"), LLMRateLimitError),
    ("openai", 400, openai("Billing hard limit", None, "billing_hard_limit_reached"), LLMQuotaError),
    ("openai", 400, openai("missing", "invalid_request_error"), LLMInvalidRequestError),
    ("openai", 401, openai("Incorrect API key", None, "invalid_api_key"), LLMProviderConfigurationError),
    ("openai", 403, openai("country"), LLMProviderConfigurationError),
    ("openai", 404, openai("No batch"), LLMNotFoundError),
    ("openai", 413, b"too big", LLMRequestTooLargeError),
    ("openai", 422, openai("unprocessable"), LLMInvalidRequestError),
    ("openai", 500, openai("server"), LLMServerError),
    ("anthropic", 400, anthropic(CREDIT, "invalid_request_error"), LLMQuotaError),
    ("anthropic", 402, anthropic("pay", "billing_error"), LLMQuotaError),
    ("anthropic", 429, anthropic("cap", "rate_limit_error", "enforced_spend_limit_reached"), LLMQuotaError),
    ("anthropic", 429, anthropic("ramp", "rate_limit_error", "ramp_limit_exceeded"), LLMRateLimitError),
    ("anthropic", 429, anthropic("rate", "rate_limit_error"), LLMRateLimitError),
    ("anthropic", 401, anthropic("key", "authentication_error"), LLMProviderConfigurationError),
    ("anthropic", 413, anthropic("big", "request_too_large"), LLMRequestTooLargeError),
    ("anthropic", 529, anthropic("busy", "overloaded_error"), LLMServerError),
    ("anthropic", 408, anthropic("slow", "timeout_error"), LLMServerError),
    ("anthropic", 409, anthropic("conflict", "conflict_error"), LLMServerError),
    ("gemini", 429, gemini(PLAN, "RESOURCE_EXHAUSTED", 429, RETRY_INFO), LLMRateLimitError),
    ("gemini", 429, gemini(PLAN, "RESOURCE_EXHAUSTED", 429), LLMRateLimitError),
    ("gemini", 429, gemini(PLAN, "RESOURCE_EXHAUSTED", 429, violation("GenerateRequestsPerMinute")), LLMRateLimitError),
    (
        "gemini",
        429,
        gemini(PLAN, "RESOURCE_EXHAUSTED", 429, violation("RequestsPerDay-Free"), RETRY_INFO),
        LLMQuotaError,
    ),
    ("gemini", 429, gemini("Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED", 429), LLMQuotaError),
    ("gemini", 400, gemini("API key not valid.", "INVALID_ARGUMENT", 400, {"reason": "API_KEY_INVALID"}), None),
    ("gemini", 400, gemini("User location is not supported", "FAILED_PRECONDITION", 400), None),
    ("gemini", 400, gemini("Request payload size exceeds the limit", "INVALID_ARGUMENT", 400), LLMRequestTooLargeError),
    ("gemini", 400, gemini("bad field", "INVALID_ARGUMENT", 400), LLMInvalidRequestError),
    ("gemini", 404, gemini("no", "NOT_FOUND", 404), LLMNotFoundError),
    ("gemini", 503, gemini("overloaded", "UNAVAILABLE", 503), LLMServerError),
    ("gemini", 204, None, LLMResponseError),
    ("gemini", 302, None, LLMResponseError),
]


@pytest.mark.parametrize(("provider", "status", "body", "expected"), CASES)
def test_each_refusal_is_the_error_its_cure_asks_for(provider, status, body, expected):
    error = raised(provider, status, body)
    assert type(error) is (expected or LLMProviderConfigurationError)
    assert error.provider_name == provider
    assert error.status_code == status
    assert provider in str(error)


@pytest.mark.parametrize("status", [*range(400, 432), 451, 499, 500, 501, 502, 503, 504, 520, 529, 599])
@pytest.mark.parametrize(
    "body", [None, "", "<html>", [], {}, {"error": None}, {"error": "text"}, {"error": {"code": {}}}]
)
def test_no_status_and_no_body_is_left_unmapped(status, body):
    for phase in Phase:
        assert str(raised("openai", status, body, phase))


@pytest.mark.parametrize("phase", [Phase.CREATE, Phase.LIVE])
def test_not_found_means_the_model_where_no_job_is_named(phase):
    assert type(raised("gemini", 404, gemini("model", "NOT_FOUND", 404), phase)) is LLMProviderConfigurationError


@pytest.mark.parametrize(
    ("status", "body", "unknown"),
    [
        (500, openai("m"), True),
        (502, "<html>", True),
        (503, "<html>", True),
        (503, openai("busy"), False),
        (504, None, True),
        (529, anthropic("busy"), False),
        (501, None, False),
        (429, openai("m"), False),
        (400, openai("m"), False),
        (204, None, True),
    ],
)
def test_a_refused_create_is_unknown_only_where_it_may_have_been_made(status, body, unknown):
    assert (type(raised("openai", status, body, Phase.CREATE)) is LLMOutcomeUnknownError) is unknown


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "130"}, 130.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(NOW, usegmt=True), "date": format_datetime(NOW - timedelta(seconds=7))}, 7.0),
        ({"retry-after": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_in_all_its_forms(headers, seconds):
    assert raised("openai", 429, openai("m"), headers=headers).retry_after == seconds


def test_geminis_wait_is_in_the_body_and_the_header_counts_first():
    body = gemini("m", "RESOURCE_EXHAUSTED", 429, RETRY_INFO)
    assert raised("gemini", 429, body).retry_after == 34.5
    assert raised("gemini", 429, body, headers={"retry-after": "3"}).retry_after == 3.0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>\r\n<head><title> 502 Bad Gateway </title></head></html>", "502 Bad Gateway"),
        ("<p>", "a page of HTML"),
        ("too <many>", "too <many>"),
    ],
)
def test_a_gateways_page_is_told_by_its_title(body, said):
    assert read_error("openai", status_code=502, headers={}, body=body, now=NOW).message == said


def test_the_request_id_is_found_in_header_or_body():
    assert raised("openai", 500, openai(), headers={"x-request-id": "a"}).request_id == "a"
    assert raised("anthropic", 500, anthropic(), headers={"request-id": "b"}).request_id == "b"
    assert raised("anthropic", 500, anthropic()).request_id == "req_9"


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abc_DEF-123456", "sk-ant-api03-xyz", "AIzaSyA1234567890abcdef", "sk-abc***xyz", "AQ.Ab8RN6Jabcdefgh"],
)
def test_whatever_is_shaped_like_a_key_is_taken_out(key):
    assert key not in str(raised("openai", 401, openai(f"Incorrect API key provided: {key}.")))
    assert key not in to_failure(read_line_error("openai", openai(f"Incorrect API key provided: {key}."))).message
    assert redact(f"with Bearer {key} sent") == "with [key] sent"


def test_a_key_of_any_shape_is_taken_out_when_it_is_known():
    assert redact("the key hunter2 is wrong", ["hunter2", ""]) == "the key [key] is wrong"


@pytest.mark.parametrize(
    ("provider", "body", "status", "kind"),
    [
        ("anthropic", anthropic(CREDIT, "invalid_request_error"), None, FailureKind.ACCOUNT),
        ("anthropic", anthropic("bad", "invalid_request_error"), None, FailureKind.INVALID_REQUEST),
        ("anthropic", anthropic("temperature", "invalid_request_error"), None, FailureKind.INVALID_REQUEST),
        ("anthropic", anthropic("x", "api_error"), None, FailureKind.SERVER),
        ("anthropic", anthropic("x", "overloaded_error"), None, FailureKind.SERVER),
        ("anthropic", anthropic("x", "rate_limit_error"), None, FailureKind.RATE_LIMITED),
        ("anthropic", anthropic("x", "permission_error"), None, FailureKind.ACCOUNT),
        ("anthropic", anthropic("x", "not_found_error"), None, FailureKind.INVALID_REQUEST),
        ("anthropic", anthropic("x", "timeout_error"), None, FailureKind.TIMEOUT),
        ("anthropic", anthropic("x", "never_heard_of"), None, FailureKind.SERVER),
        ("openai", openai(PLAN, "insufficient_quota", "insufficient_quota"), 429, FailureKind.ACCOUNT),
        ("openai", openai("slow", "tokens", "rate_limit_exceeded"), 429, FailureKind.RATE_LIMITED),
        ("openai", openai("no", "invalid_request_error", "content_policy_violation"), 400, FailureKind.BLOCKED),
        ("openai", openai("late", None, "request_timeout"), None, FailureKind.TIMEOUT),
        ("gemini", {"error": {"code": 13, "message": "internal"}}, None, FailureKind.SERVER),
        ("gemini", {"error": {"code": 3, "message": "bad"}}, None, FailureKind.INVALID_REQUEST),
        ("gemini", {"error": {"code": 4, "message": "late"}}, None, FailureKind.TIMEOUT),
        ("gemini", {"error": {"code": 8, "message": "slow"}}, None, FailureKind.RATE_LIMITED),
        ("gemini", {"error": {"code": 16, "message": "who"}}, None, FailureKind.ACCOUNT),
        ("gemini", {"error": {"code": 500, "message": "x", "status": "INTERNAL"}}, None, FailureKind.SERVER),
    ],
)
def test_a_lines_error_says_whether_asking_again_can_help(provider, body, status, kind):
    failure = to_failure(read_line_error(provider, body, status_code=status), status_code=status)
    assert failure.kind is kind
    assert failure.status_code == status
    assert failure.message
