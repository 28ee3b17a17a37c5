"""What plugins raise, as our errors, in the words of the guide where it has some.

A plugin raises what its vendor's SDK does, or the tool's `ModelError`, which has no kind, or a `ValueError`. The
classifier of the live engine reads all of them; here its verdict becomes the error that says so.
"""

from typing import Final

import llm
from pydantic import ValidationError

from batchwright.errors import (
    LLMConnectionError,
    LLMInvalidRequestError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
)
from batchwright.providers.classifiers import DefaultErrorClassifier, ErrorInfo
from batchwright.providers.failures import redact

_CLASSIFIER: Final = DefaultErrorClassifier()
_KINDS: Final[dict[str, type[LLMProviderError]]] = {
    "rate_limit": LLMRateLimitError,
    "quota": LLMQuotaError,
    "account": LLMProviderConfigurationError,
    "invalid_request": LLMInvalidRequestError,
    "blocked": LLMInvalidRequestError,
    "cut_off": LLMInvalidRequestError,
    "program": LLMInvalidRequestError,
    "validation": LLMInvalidRequestError,
    "timeout": LLMServerError,
    "connection": LLMConnectionError,
    "server": LLMServerError,
    "overloaded": LLMServerError,
    "unknown": LLMServerError,
}
"""By the classifier's word. What is unknown may pass: asking again is cheap, giving up a row is not."""


def missing_key(model_id: str, needs_key: str, detail: str = "no key found") -> LLMProviderConfigurationError:
    """Return the error of a key that is not there, or that was refused."""
    return LLMProviderConfigurationError(
        f"Invalid API key: {detail}; set your API key for {model_id}: llm keys set {needs_key}", provider_name=needs_key
    )


def ours(error: Exception, *, model_id: str, provider_name: str, needs_key: str | None = None) -> LLMProviderError:
    """Return the error of ours that says what `error` says, without any key in it."""
    if isinstance(error, LLMProviderError):
        return error
    if isinstance(error, llm.NeedsKeyException):
        return missing_key(model_id, needs_key or provider_name)
    info = _classify(error)
    status = _CLASSIFIER.status_of(error)
    kind = _KINDS.get(info.error_category, LLMServerError)
    text = redact(str(error)) or type(error).__name__
    if kind is LLMProviderConfigurationError and status == 401:  # noqa: PLR2004  (HTTP)
        return missing_key(model_id, needs_key or provider_name, f"it was refused ({text})")
    if kind is LLMRateLimitError:
        text = f"Rate limit exceeded: {text}; lower --rate-limit or wait a few minutes"
    return kind(
        text,
        provider_name=provider_name,
        status_code=status,
        retry_after=info.suggested_wait,
        retryable=info.is_retryable and kind is not LLMInvalidRequestError,
    )


def _classify(error: Exception) -> ErrorInfo:
    """Return what follows from an error; a `ValueError` is a plugin's word for a prompt or option it cannot take."""
    if isinstance(error, llm.ModelError):  # as bare as an `Exception`: only its text says anything
        return _CLASSIFIER.classify(RuntimeError(str(error)))
    info = _CLASSIFIER.classify(error)
    plain = isinstance(error, ValueError) and not isinstance(error, (ValidationError, UnicodeError))
    if plain and info.error_category == "unknown":
        return ErrorInfo(is_retryable=False, error_category="invalid_request")
    return info
