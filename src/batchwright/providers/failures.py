"""What a vendor's refusal means: (status, headers, body) to one of our errors, a result line's error to a `Failure`.

Pure. The vendors' words come from their SDKs' types and from recorded answers; an unknown word falls back to the HTTP
status, and nothing is left unmapped.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from batchwright.errors import (
    LLMInvalidRequestError,
    LLMNotFoundError,
    LLMOutcomeUnknownError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMRequestTooLargeError,
    LLMResponseError,
    LLMServerError,
)
from batchwright.providers.reading import as_list, as_object, as_text, as_word
from batchwright.result import Failure, FailureKind, Result, ResultStatus


class Phase(StrEnum):
    """What was being done when the vendor refused; the same status means different things."""

    CREATE = "create the job"
    """The one call that costs money and must never be sent twice."""
    JOB = "ask about the job"
    """Get, list, cancel, results: 404 means the job is unknown."""
    FILE = "upload the file"
    """Before the create; nothing can have been paid for."""
    LIVE = "get an answer"
    """One live request: 404 means the model is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorError:
    """A vendor's refusal in its own words, of whichever of three shapes."""

    provider_name: str
    message: str
    status_code: int | None = None
    words: frozenset[str] = frozenset()
    """Type, code, status and reasons, lower case."""
    code: str | None = None
    """The word that says most, as it came."""
    request_id: str | None = None
    retry_after: float | None = None
    """Seconds."""
    has_body: bool = False
    """Whether the vendor's own service spoke, not a gateway before it."""


_QUOTA_WORDS = frozenset(
    {
        "insufficient_quota",  # OpenAI, with a 429
        "billing_hard_limit_reached",  # OpenAI, with a 400
        "billing_not_active",
        "billing_error",  # Anthropic, 402
        "enforced_spend_limit_reached",  # Anthropic error_code, with a 429 and without retry-after
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "sandbox_spend_limit_reached",
    }
)
_QUOTA_TEXT = re.compile(
    # Anthropic refuses thousands of good requests as invalid_request_error when credit runs out.
    r"credit balance is too low|prepayment credits|billing hard limit|exceeded your monthly|spend(ing)? limit",
    re.IGNORECASE,
)
_DAILY_TEXT = re.compile(r"per[ _]?day|daily|billing account|credits are depleted", re.IGNORECASE)
_KEY_WORDS = frozenset(
    {
        "invalid_api_key",
        "incorrect_api_key",
        "api_key_invalid",  # Gemini says this in ErrorInfo, with a 400
        "authentication_error",
        "permission_error",
        "unauthenticated",
        "permission_denied",
        "failed_precondition",  # Gemini: location not supported, billing not enabled
        "model_not_found",
        "organization_on_hold",
    }
)
_TOO_LARGE_WORDS = frozenset({"request_too_large", "request_body_too_large_after_decoding", "file_too_large"})
_TOO_LARGE_TEXT = re.compile(r"payload size exceeds|exceeds the maximum (allowed )?size|too large", re.IGNORECASE)
_BLOCKED_WORDS = frozenset(
    {"content_policy_violation", "content_filter", "invalid_prompt", "responsibleaipolicyviolation"}
)
_SERVER_STATUSES = frozenset({408, 409, 425, 499})
_TIMEOUT_WORDS = frozenset({"request_timeout", "timeout_error", "deadline_exceeded"})

_STATUS_OF_WORD: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "api_error": 500,
    "timeout_error": 504,
    "request_timeout": 504,
    "overloaded_error": 529,
}
"""For errors inside result lines, which carry a type and no HTTP status."""

_HTTP_OF_GRPC = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
"""HTTP status by gRPC code (google.rpc.Code), which Gemini's result lines and operations carry."""

_TITLE = re.compile(r"<title>\s*([^<]+?)\s*</title>", re.IGNORECASE)
_KEY_SHAPED = re.compile(r"\b(?:sk|rk|pk)-[\w\-*.]{4,}|\bAIza[\w\-*]{8,}|\bAQ\.[\w\-*]{8,}|\bBearer\s+[^\s'\",]+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without keys, the given ones and whatever is shaped like one: vendors quote what they refuse."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    return _KEY_SHAPED.sub("[key]", text)


def read_error(
    provider_name: str, *, status_code: int | None, headers: Mapping[str, str], body: object, now: datetime
) -> VendorError:
    """Return a vendor's HTTP refusal; `headers` are looked up in lower case, `body` is parsed JSON or a text."""
    outer = as_object(body[0] if isinstance(body, list) and body else body)
    inner = as_object(outer.get("error")) or outer
    details = _details_of(inner)
    words = [inner.get("type"), inner.get("code"), inner.get("status"), *details.reasons]
    known = frozenset(word.lower() for value in words if (word := as_word(value)))
    message = as_text(inner.get("message")) or as_text(outer.get("error"))
    return VendorError(
        provider_name=provider_name,
        status_code=status_code,
        message=message or _plain(as_text(body) or "no reason given")[:300],
        words=known,
        code=next(iter(details.codes), None) or _code_of(inner),
        request_id=_first(headers, "x-request-id", "request-id") or as_text(outer.get("request_id")),
        retry_after=_retry_after(headers, now) if _retry_after(headers, now) is not None else details.retry_delay,
        has_body=bool(inner.get("message")),
    )


def read_line_error(provider_name: str, body: object, *, status_code: int | None = None) -> VendorError:
    """Return the error of one result line, whose status is often only a word or a gRPC code."""
    error = read_error(provider_name, status_code=None, headers={}, body=body, now=datetime.fromtimestamp(0, UTC))
    inner = as_object(as_object(body).get("error")) or as_object(body)
    code = inner.get("code")
    status = status_code or None
    if status is None and isinstance(code, int):
        status = _HTTP_OF_GRPC[code] if 0 <= code < len(_HTTP_OF_GRPC) else code
    if status is None:
        status = next((_STATUS_OF_WORD[word] for word in sorted(error.words) if word in _STATUS_OF_WORD), None)
    return VendorError(
        provider_name=provider_name,
        message=error.message,
        status_code=status,
        words=error.words,
        code=error.code,
        request_id=error.request_id,
        has_body=error.has_body,
    )


def error_class(error: VendorError, phase: Phase) -> type[LLMProviderError]:
    """Return which of our errors a refusal is."""
    status = error.status_code
    if status == 402 or error.words & _QUOTA_WORDS or _QUOTA_TEXT.search(error.message):  # noqa: PLR2004  (HTTP)
        return LLMQuotaError
    if status == 429:  # noqa: PLR2004  (HTTP)
        return LLMQuotaError if _is_daily(error) else LLMRateLimitError
    if status in {401, 403} or error.words & _KEY_WORDS:
        return LLMProviderConfigurationError
    if status == 413 or error.words & _TOO_LARGE_WORDS or (status == 400 and _TOO_LARGE_TEXT.search(error.message)):  # noqa: PLR2004  (HTTP)
        return LLMRequestTooLargeError
    if status == 404:  # noqa: PLR2004  (HTTP)
        return LLMProviderConfigurationError if phase in {Phase.CREATE, Phase.LIVE} else LLMNotFoundError
    return _class_of_status(status)


def _class_of_status(status: int | None) -> type[LLMProviderError]:
    if status is None or status < 400:  # noqa: PLR2004  (HTTP)
        return LLMResponseError
    return LLMServerError if status >= 500 or status in _SERVER_STATUSES else LLMInvalidRequestError  # noqa: PLR2004  (HTTP)


def to_exception(error: VendorError, phase: Phase, *, secrets: Iterable[str] = ()) -> LLMProviderError:
    """Return the exception to raise for a refusal, with the vendor's words minus any key."""
    kind = error_class(error, phase)
    if phase is Phase.CREATE and may_have_created(error):
        kind = LLMOutcomeUnknownError
    status = "" if error.status_code is None else f" ({error.status_code})"
    message = redact(error.message, secrets)
    return kind(
        f"{error.provider_name} could not {phase.value}{status}: {message}{_NEXT_STEPS.get(kind, '')}",
        provider_name=error.provider_name,
        status_code=error.status_code,
        request_id=error.request_id,
        retry_after=error.retry_after,
        code=error.code,
    )


_NEXT_STEPS: Mapping[type[LLMProviderError], str] = {
    LLMProviderConfigurationError: "; check the key and the model's name",
    LLMQuotaError: "; top up the account or raise its limit, then try again",
    LLMRequestTooLargeError: "; put fewer requests in one job",
    LLMOutcomeUnknownError: "; the job may exist and be paid for: look for it before sending it again",
}


def may_have_created(error: VendorError) -> bool:
    """Return whether a refused create may have made a job all the same.

    A 500, 502 or 504, or a 503 without the vendor's own error body, comes from something in the middle of the work or
    in front of it, and says nothing about what was stored. A 529, and a 503 in the vendor's own words, are given before
    the work is taken on. A success status without a readable job is the worst case: it was made and has no name.
    """
    status = error.status_code
    if status is None or status < 400:  # noqa: PLR2004  (HTTP)
        return True
    if status == 503:  # noqa: PLR2004  (HTTP)
        return not error.has_body
    return status == 499 or (status >= 500 and status not in {501, 529})  # noqa: PLR2004  (HTTP)


_KIND_OF_CLASS: Mapping[type[LLMProviderError], FailureKind] = {
    LLMQuotaError: FailureKind.ACCOUNT,
    LLMProviderConfigurationError: FailureKind.ACCOUNT,
    LLMRateLimitError: FailureKind.RATE_LIMITED,
    LLMServerError: FailureKind.SERVER,
    LLMResponseError: FailureKind.SERVER,
}


def to_failure(error: VendorError, *, status_code: int | None = None) -> Failure:
    """Return why one request failed; `status_code` is the HTTP status inside its line, where there is one."""
    kind = _KIND_OF_CLASS.get(error_class(error, Phase.JOB), FailureKind.INVALID_REQUEST)
    if error.words & _BLOCKED_WORDS:
        kind = FailureKind.BLOCKED
    elif error.words & _TIMEOUT_WORDS or (error.status_code == 504 and kind is FailureKind.SERVER):  # noqa: PLR2004  (HTTP)
        kind = FailureKind.TIMEOUT
    return Failure(kind=kind, message=redact(error.message), code=error.code, status_code=status_code)


def refused(custom_id: str, error: LLMInvalidRequestError) -> Result:
    """Return the failed result of one live request that the vendor refused as it is."""
    blocked = (error.code or "").lower() in _BLOCKED_WORDS
    failure = Failure(
        kind=FailureKind.BLOCKED if blocked else FailureKind.INVALID_REQUEST,
        message=str(error),
        code=error.code,
        status_code=error.status_code,
    )
    return Result(custom_id=custom_id, status=ResultStatus.ERRORED, failure=failure, request_id=error.request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    """What the `details` of an error say: Gemini a list of typed messages, Anthropic one object with an error_code."""

    reasons: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    retry_delay: float | None = None


def _details_of(inner: Mapping[str, Any]) -> _Details:
    details = inner.get("details")
    if isinstance(details, Mapping):
        code = as_text(details.get("error_code"))
        return _Details(reasons=(code,), codes=(code,)) if code else _Details()
    reasons: list[str] = []
    delay: float | None = None
    for entry in map(as_object, as_list(details)):
        reason = as_text(entry.get("reason"))
        violations = [as_text(as_object(found).get("quotaId")) for found in as_list(entry.get("violations"))]
        reasons += [word for word in (reason, *violations) if word]
        delay = _seconds(entry.get("retryDelay")) if "retryDelay" in entry else delay
    return _Details(reasons=tuple(reasons), retry_delay=delay)


def _is_daily(error: VendorError) -> bool:
    """Whether a 429 is about a quota of the day or of money; waiting a minute does not help.

    Gemini says "check your plan and billing details" in every 429, so that text proves nothing; the quota's id does,
    and where there is none, a retry delay speaks for a rate.
    """
    if any("perday" in word for word in error.words):
        return True
    if any("perminute" in word for word in error.words) or error.retry_after is not None:
        return False
    return bool(_DAILY_TEXT.search(error.message))


def _plain(text: str) -> str:
    """A gateway's page of HTML says what it has to say in its title."""
    if not text.lstrip().startswith("<"):
        return text
    title = _TITLE.search(text)
    return title[1] if title else "a page of HTML"


def _code_of(inner: Mapping[str, Any]) -> str | None:
    """OpenAI's code, Gemini's status (its code is only the number again), Anthropic's type."""
    code = inner.get("code")
    named = as_text(code) or as_text(inner.get("status")) or as_text(inner.get("type"))
    return named or as_word(code)


def _first(headers: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := headers.get(name))), None)


def _seconds(value: object) -> float | None:
    """Seconds of a protobuf duration such as `7s` or `34.07s`."""
    try:
        return float(value.removesuffix("s")) if isinstance(value, str) else None
    except ValueError:
        return None


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (seconds, or an HTTP date counted from the answer's own date)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        start = parsedate_to_datetime(headers["date"]) if "date" in headers else now
        return max(0.0, (until - start).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
