"""Failed results as errors, errors as failed results."""

import pytest

from batchwright.errors import (
    LLMConnectionError,
    LLMInvalidRequestError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMResponseError,
    LLMServerError,
)
from batchwright.live.engine.outcomes import error_of, failed_result
from batchwright.result import REPEATS, Failure, FailureKind, Result, ResultStatus


def failed(kind: FailureKind, status_code: int | None = None) -> Result:
    failure = Failure(kind=kind, message="no", code="c", status_code=status_code)
    return Result(custom_id="r", status=ResultStatus.ERRORED, failure=failure, request_id="q")


@pytest.mark.parametrize("kind", FailureKind)
def test_only_what_a_person_has_to_mend_or_repeats_itself_is_not_asked_again(kind: FailureKind) -> None:
    error = error_of(failed(kind), "fake")

    assert error.retryable is (kind not in REPEATS | {FailureKind.ACCOUNT})
    assert (error.provider_name, error.code, error.request_id) == ("fake", "c", "q")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FailureKind.RATE_LIMITED, LLMRateLimitError),
        (FailureKind.SERVER, LLMServerError),
        (FailureKind.TIMEOUT, LLMServerError),
        (FailureKind.ACCOUNT, LLMQuotaError),
        (FailureKind.BLOCKED, LLMInvalidRequestError),
        (FailureKind.MISSING, LLMProviderError),
    ],
)
def test_a_failed_result_becomes_the_error_that_says_the_same(
    kind: FailureKind, expected: type[LLMProviderError]
) -> None:
    assert type(error_of(failed(kind), "fake")) is expected


@pytest.mark.parametrize("status_code", [401, 403])
def test_an_account_failure_about_the_key_is_no_quota(status_code: int) -> None:
    assert type(error_of(failed(FailureKind.ACCOUNT, status_code), "fake")) is LLMProviderConfigurationError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LLMRateLimitError("slow down", status_code=429), FailureKind.RATE_LIMITED),
        (LLMQuotaError("no money"), FailureKind.ACCOUNT),
        (LLMProviderConfigurationError("no key"), FailureKind.ACCOUNT),
        (LLMInvalidRequestError("no"), FailureKind.INVALID_REQUEST),
        (LLMConnectionError("cut"), FailureKind.SERVER),
        (LLMServerError("down"), FailureKind.SERVER),
        (LLMResponseError("noise"), FailureKind.MALFORMED),
        (TimeoutError(), FailureKind.TIMEOUT),
        (RuntimeError("bug"), FailureKind.SERVER),
    ],
)
def test_an_error_becomes_the_failed_result_that_says_the_same(error: Exception, kind: FailureKind) -> None:
    result = failed_result("r", error)

    assert result.failure is not None
    assert (result.custom_id, result.succeeded, result.failure.kind) == ("r", False, kind)
    assert result.failure.message == (str(error) or "TimeoutError")
