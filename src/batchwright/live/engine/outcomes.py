"""Between failed results and errors: the pool retries errors, callers are given results. Pure."""

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
from batchwright.result import Failure, FailureKind, Result, ResultStatus

_ERROR_OF_KIND: dict[FailureKind, type[LLMProviderError]] = {
    FailureKind.INVALID_REQUEST: LLMInvalidRequestError,
    FailureKind.BLOCKED: LLMInvalidRequestError,
    FailureKind.ACCOUNT: LLMQuotaError,
    FailureKind.RATE_LIMITED: LLMRateLimitError,
    FailureKind.SERVER: LLMServerError,
    FailureKind.TIMEOUT: LLMServerError,
    FailureKind.MALFORMED: LLMResponseError,
}
_KIND_OF_ERROR: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (LLMInvalidRequestError, FailureKind.INVALID_REQUEST),
    (LLMQuotaError, FailureKind.ACCOUNT),
    (LLMProviderConfigurationError, FailureKind.ACCOUNT),
    (LLMRateLimitError, FailureKind.RATE_LIMITED),
    (LLMConnectionError, FailureKind.SERVER),
    (LLMServerError, FailureKind.SERVER),
    (LLMResponseError, FailureKind.MALFORMED),
    (TimeoutError, FailureKind.TIMEOUT),
)
"""The first that fits counts."""
_KEY_STATUSES = frozenset({401, 403})


def error_of(result: Result, provider_name: str) -> LLMProviderError:
    """Return a failed result as the error that says the same, so that one rule decides about asking again."""
    failure = result.failure or Failure(kind=FailureKind.MISSING, message=f"the request ended as {result.status.value}")
    kind = _ERROR_OF_KIND.get(failure.kind, LLMProviderError)
    if failure.kind is FailureKind.ACCOUNT and failure.status_code in _KEY_STATUSES:
        kind = LLMProviderConfigurationError
    return kind(
        failure.message,
        provider_name=provider_name,
        status_code=failure.status_code,
        request_id=result.request_id,
        code=failure.code,
        # What the account lacks is mended by a person; everything else as the result says.
        retryable=failure.retryable and failure.kind is not FailureKind.ACCOUNT,
    )


def failed_result(custom_id: str, error: BaseException) -> Result:
    """Return the failed result of a request that ended with `error`."""
    kind = next((kind for of, kind in _KIND_OF_ERROR if isinstance(error, of)), FailureKind.SERVER)
    said = error if isinstance(error, LLMProviderError) else None
    return Result(
        custom_id=custom_id,
        status=ResultStatus.ERRORED,
        failure=Failure(
            kind=kind,
            message=str(error) or type(error).__name__,
            code=said.code if said else None,
            status_code=said.status_code if said else None,
        ),
        request_id=said.request_id if said else None,
    )
