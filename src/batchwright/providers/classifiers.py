"""What an exception means for the live engine: ask again, pause everybody, or give up.

Decided by type and by HTTP status, in this order, for the exception and then for what caused it: our own errors; the
types of Python and pydantic; a status with the vendor's words, read by the same mapping as our adapters' answers are
(`providers/failures`); the class's name, since no SDK is imported for this. Text is searched only in a bare `Exception`
or `RuntimeError`, which has no type to speak of. The vendors' own classifiers are in their folders.
"""

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeGuard

from pydantic import ValidationError

from batchwright.clock import Clock, SystemClock
from batchwright.errors import (
    AnswerError,
    LLMConnectionError,
    LLMInvalidRequestError,
    LLMNotFoundError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMResponseError,
    LLMServerError,
)
from batchwright.providers.failures import Phase, error_class, read_error


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What follows from an exception."""

    is_retryable: bool
    """Whether the same item may succeed when asked again; it uses up an attempt."""
    is_rate_limit: bool = False
    """Whether everybody has to pause; the item is asked again after the pause and no attempt is used up."""
    is_timeout: bool = False
    error_category: str = "unknown"
    """A word to count failures by."""
    suggested_wait: float | None = None
    """Seconds that the provider asked for."""


class ErrorClassifier(Protocol):
    """Says what an exception means."""

    def classify(self, exception: BaseException) -> ErrorInfo:
        """Return what follows from `exception`."""
        ...


RATE_LIMIT = ErrorInfo(is_retryable=True, is_rate_limit=True, error_category="rate_limit")
QUOTA = ErrorInfo(is_retryable=False, error_category="quota")
ACCOUNT = ErrorInfo(is_retryable=False, error_category="account")
INVALID = ErrorInfo(is_retryable=False, error_category="invalid_request")
BLOCKED = ErrorInfo(is_retryable=False, error_category="blocked")
CUT_OFF = ErrorInfo(is_retryable=False, error_category="cut_off")
PROGRAM = ErrorInfo(is_retryable=False, error_category="program")
TIMEOUT = ErrorInfo(is_retryable=True, is_timeout=True, error_category="timeout")
CONNECTION = ErrorInfo(is_retryable=True, error_category="connection")
SERVER = ErrorInfo(is_retryable=True, error_category="server")
OVERLOADED = ErrorInfo(is_retryable=True, error_category="overloaded")
VALIDATION = ErrorInfo(is_retryable=True, error_category="validation")
UNKNOWN = ErrorInfo(is_retryable=True, error_category="unknown")

_OURS: tuple[tuple[type[BaseException], ErrorInfo], ...] = (
    (LLMRateLimitError, RATE_LIMIT),
    (LLMQuotaError, QUOTA),
    (LLMProviderConfigurationError, ACCOUNT),
    (LLMInvalidRequestError, INVALID),
    (LLMNotFoundError, INVALID),
    (LLMConnectionError, CONNECTION),
    (LLMServerError, SERVER),
    (LLMResponseError, SERVER),
)
_PYTHONS: tuple[tuple[type[BaseException], ErrorInfo], ...] = (
    (AnswerError, VALIDATION),
    (ValidationError, VALIDATION),
    (json.JSONDecodeError, VALIDATION),
    (TimeoutError, TIMEOUT),
    (ConnectionError, CONNECTION),
    (socket.gaierror, CONNECTION),
    (ssl.SSLError, CONNECTION),
    *(
        (kind, PROGRAM)
        for kind in (TypeError, AttributeError, NameError, ImportError, NotImplementedError, SyntaxError)
    ),
    (FileNotFoundError, PROGRAM),
    (PermissionError, PROGRAM),
)
_NAMES: Mapping[str, ErrorInfo] = {
    "RateLimitError": RATE_LIMIT,
    "ModelRateLimitError": RATE_LIMIT,
    "TooManyRequests": RATE_LIMIT,
    "ModelQuotaExceededError": QUOTA,
    "AuthenticationError": ACCOUNT,
    "ModelAuthenticationError": ACCOUNT,
    "PermissionDeniedError": ACCOUNT,
    "BadRequestError": INVALID,
    "ModelRequestRejectedError": INVALID,
    "UsageLimitExceeded": INVALID,  # pydantic-ai: a limit that the caller set
    "UserError": PROGRAM,  # pydantic-ai: the agent is put together wrongly
    "ContentFilterError": BLOCKED,
    "APITimeoutError": TIMEOUT,
    "ModelTimeoutError": TIMEOUT,
    "RunTimedOut": TIMEOUT,
    "TimeoutException": TIMEOUT,  # httpx and its successor
    "Timeout": TIMEOUT,  # requests
    "APIConnectionError": CONNECTION,
    "ModelConnectionError": CONNECTION,
    "TransportError": CONNECTION,  # httpx and its successor
    "ClientConnectionError": CONNECTION,  # aiohttp
    "ClientPayloadError": CONNECTION,
    "InternalServerError": SERVER,
    "ModelServerError": SERVER,
    "ModelUnavailableError": SERVER,
    "UnexpectedModelBehavior": VALIDATION,  # pydantic-ai: the model did not answer in the wanted form
    "ToolRetryError": VALIDATION,
}
_SERVER_STATUSES: Mapping[int | None, ErrorInfo] = {408: TIMEOUT, 503: OVERLOADED, 504: TIMEOUT, 529: OVERLOADED}
_RATE_TEXT = re.compile(
    r"(?:^|\b(?:http|status|code|error)\b)\W{0,3}(?:code\W{0,2})?429\b"
    r"|too many requests|\brate[ _-]?limit|\bresource[ _]exhausted\b",
    re.IGNORECASE,
)
_QUOTA_TEXT = re.compile(r"\binsufficient[ _]quota\b|credit balance is too low|\bspend(ing)? limit\b", re.IGNORECASE)
_TIMEOUT_TEXT = re.compile(r"\btimed? ?out\b|\bdeadline exceeded\b", re.IGNORECASE)


class DefaultErrorClassifier:
    """Knows our errors, Python's, pydantic-ai's, those of the HTTP clients, and whatever carries an HTTP status."""

    provider_name: ClassVar[str] = "provider"
    names: ClassVar[Mapping[str, ErrorInfo]] = {}
    """What a class's name means to this vendor, before the names that mean the same everywhere."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def classify(self, exception: BaseException) -> ErrorInfo:
        """Return what follows from `exception`, or from the first of its causes that means anything."""
        for link in causes(exception):
            info = self._read(link)
            if info is not None and (
                info is not PROGRAM or link is exception
            ):  # an answer's shape may cause a TypeError
                return info
        return _by_text(exception)

    def status_of(self, exception: BaseException) -> int | None:
        """Return the HTTP status that an SDK's exception carries."""
        for name in ("status_code", "status", "code", "http_status", "response"):  # one at a time: some warn when read
            value = getattr(exception, name, None)
            status = getattr(value, "status_code", None) if name == "response" else value
            if _is_status(status):
                return status
        return None

    def body_of(self, exception: BaseException) -> object:
        """Return the vendor's answer that an SDK's exception carries, as parsed JSON; without one, its text."""
        for name in ("body", "details"):
            value = getattr(exception, name, None)
            if isinstance(value[0] if isinstance(value, list) and value else value, dict):
                return value
        return str(exception)

    def wait_of(self, exception: BaseException) -> float | None:
        """Return the seconds to wait that an exception carries itself, apart from the answer's headers and body."""
        seconds = getattr(exception, "retry_after", None)
        return float(seconds) if isinstance(seconds, (int, float)) else None

    def _read(self, exception: BaseException) -> ErrorInfo | None:
        if isinstance(exception, LLMProviderError):
            return _ours(exception)
        if isinstance(exception, BaseExceptionGroup):
            return self._of_several(exception)
        info = self._by_name(exception, self.names) or _by_type(exception, _PYTHONS)
        if info is not None:
            return info
        status = self.status_of(exception)
        return self._by_name(exception, _NAMES) if status is None else self._by_status(exception, status)

    def _by_status(self, exception: BaseException, status: int) -> ErrorInfo:
        headers = _headers_of(exception)
        error = read_error(
            self.provider_name,
            status_code=status,
            headers=headers,
            body=self.body_of(exception),
            now=self._clock.now(),
        )
        info = _by_class(error_class(error, Phase.LIVE))
        if headers.get("x-should-retry") == "false" and info.is_retryable:
            # The vendor's word on its own refusal: more of the same would not help, not even later.
            info = replace(info, is_retryable=False, is_rate_limit=False)
        info = _by_number(info, status)
        wait = self.wait_of(exception)
        return replace(info, suggested_wait=error.retry_after if wait is None else wait)

    def _by_name(self, exception: BaseException, names: Mapping[str, ErrorInfo]) -> ErrorInfo | None:
        return next((names[kind.__name__] for kind in type(exception).__mro__ if kind.__name__ in names), None)

    def _of_several(self, group: BaseExceptionGroup[BaseException]) -> ErrorInfo:
        """One that may be asked again is enough to ask again; everybody pauses only if everyone refused for that."""
        found = [self.classify(member) for member in group.exceptions]
        others = [info for info in found if not info.is_rate_limit]
        return next((info for info in others if info.is_retryable), (others or found)[0])


def causes(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what caused it, and so on; each once."""
    seen: set[int] = set()
    link: BaseException | None = exception
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _ours(error: LLMProviderError) -> ErrorInfo:
    info = _by_number(_by_class(type(error)), error.status_code)
    retryable = error.retryable or isinstance(error, LLMResponseError)  # a live question may be asked twice
    return replace(info, is_retryable=retryable, suggested_wait=error.retry_after)


def _by_class(kind: type[BaseException]) -> ErrorInfo:
    return next((info for known, info in _OURS if issubclass(kind, known)), replace(UNKNOWN, is_retryable=False))


def _by_number(info: ErrorInfo, status: int | None) -> ErrorInfo:
    """Tell a server that is overloaded, or did not answer in time, from one that failed."""
    if info.error_category != SERVER.error_category or status not in _SERVER_STATUSES:
        return info
    return _SERVER_STATUSES[status]


def _by_type(exception: BaseException, table: tuple[tuple[type[BaseException], ErrorInfo], ...]) -> ErrorInfo | None:
    return next((info for kind, info in table if isinstance(exception, kind)), None)


def _by_text(exception: BaseException) -> ErrorInfo:
    if type(exception) not in {Exception, RuntimeError}:
        return UNKNOWN
    text = str(exception)
    for pattern, info in ((_QUOTA_TEXT, QUOTA), (_RATE_TEXT, RATE_LIMIT), (_TIMEOUT_TEXT, TIMEOUT)):
        if pattern.search(text):
            return info
    return UNKNOWN


def _is_status(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599  # noqa: PLR2004  (HTTP)


def _headers_of(exception: BaseException) -> Mapping[str, str]:
    """Return the answer's headers, their names in lower case."""
    for holder in (exception, getattr(exception, "response", None)):
        headers = getattr(holder, "headers", None)
        if isinstance(headers, Mapping):
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}
