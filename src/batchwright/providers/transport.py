"""The one place where HTTP clients are made, and where foreign exceptions become ours.

All three SDKs get an `httpx2.Client` of ours: one timeout policy (google-genai has none of its own and passes "none"
with every request), one set of exceptions, one rule about what may leave. The SDKs read more environment variables than
we document (`OPENAI_ORG_ID`, `ANTHROPIC_CUSTOM_HEADERS`, ...): headers nobody asked for are dropped, and where a key is
sent it is ours, and only to the address we were given.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2

from batchwright.errors import (
    LLMConnectionError,
    LLMNotFoundError,
    LLMOutcomeUnknownError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMResponseError,
)
from batchwright.job import BatchJob
from batchwright.providers.failures import Phase, read_error, redact, to_exception
from batchwright.providers.reading import Json, parse_object

if TYPE_CHECKING:
    from types import TracebackType

CONNECT_SECONDS = 10.0
"""To reach the vendor, and to get a connection from the pool."""
READ_SECONDS = 600.0
"""For each pause in an answer and each chunk of an upload; a job's create validates its input before it answers."""

_KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
_PLAIN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-version",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
        "user-agent",
        *_KEY_HEADERS,
    }
)
_HEADER_FAMILIES = ("x-stainless-", "x-goog-upload-", "x-goog-api-client")
_FOREIGN = frozenset({"openai", "anthropic", "google", "httpx2", "httpcore2", "httpx", "httpcore"})

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)
_WRONG_SETTINGS = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.CookieConflict)


class _Through(httpx2.BaseTransport):
    """Sends through a client that was handed in, so that our policy holds there too and that client is not changed."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._client.send(request, stream=True)


def open_client(
    *,
    base_url: str,
    key_headers: Sequence[tuple[str, str]],
    timeout: float = READ_SECONDS,
    through: httpx2.Client | None = None,
    on_response: Callable[[httpx2.Response], None] | None = None,
) -> httpx2.Client:
    """Return a client that sends our key, in one of `key_headers` (name, value), and to `base_url`'s host only.

    The SDK chooses which; where a variable of its own made it send another key, the first is sent instead.
    `timeout` is in seconds and bounds every pause; `through` is a client to send with, such as a test's.
    """
    limits = httpx2.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout), pool=min(CONNECT_SECONDS, timeout))
    home = _origin(httpx2.URL(base_url))

    def leash(request: httpx2.Request) -> None:
        for name in {name.lower() for name in request.headers}:
            if name not in _PLAIN_HEADERS and not name.startswith(_HEADER_FAMILIES):
                del request.headers[name]
        carried = {name: request.headers[name] for name in _KEY_HEADERS if name in request.headers}
        for name in carried:
            del request.headers[name]
        if carried and _origin(request.url) == home:
            name, value = next((pair for pair in key_headers if carried.get(pair[0]) == pair[1]), key_headers[0])
            request.headers[name] = value
        request.extensions = {**request.extensions, "timeout": limits.as_dict()}

    return httpx2.Client(
        transport=None if through is None else _Through(through),
        verify=_certificates(),
        timeout=limits,
        follow_redirects=True,
        event_hooks={"request": [leash], "response": [] if on_response is None else [on_response]},
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust, read once for all clients: it takes longer than most calls."""
    return httpx2.create_ssl_context()


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def check_key(provider_name: str, api_key: str) -> str:
    """Return the key if it can stand in a header. Raises `LLMProviderConfigurationError` without quoting it."""
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise LLMProviderConfigurationError(
            f"the key for {provider_name} holds a space, a line break or a character no key has; copy it again",
            provider_name=provider_name,
        )
    return api_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Turns whatever escapes from a vendor's SDK into one of our errors."""

    provider_name: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @contextmanager
    def guard(self, phase: Phase) -> Iterator[None]:
        """Run vendor calls; foreign exceptions leave as `LLMProviderError`, our own and local ones as they are."""
        try:
            yield
        except LLMProviderError:
            raise
        except Exception as exc:
            error = self.translate(exc, phase)
            if error is None:
                raise
            raise error from self.fit_to_show(exc)

    def fit_to_show(self, exc: Exception) -> Exception | None:
        """Return `exc` to be named as a cause, or None where it, or a cause of its own, quotes the key."""
        leaks = any(secret and secret in str(link) for link in _chain(exc) for secret in self.secrets)
        return None if leaks else exc

    @contextmanager
    def unless_gone(self) -> Iterator[None]:
        """Run a call that deletes something; that it is not there any more is what was wanted."""
        try:
            yield
        except LLMNotFoundError:
            return

    def read(self, body: bytes, phase: Phase) -> Json:
        """Return the JSON object of a successful answer. Raises ours when it is none."""
        try:
            return parse_object(body)
        except ValueError as exc:
            raise self._unreadable(phase) from exc

    def job(self, body: bytes, decode: Callable[[Json], BatchJob], phase: Phase) -> BatchJob:
        """Return the job of a successful answer. Raises ours when it has no name, for then it cannot be found again."""
        job = decode(self.read(body, phase))
        if not job.job_name:
            raise self._unreadable(phase)
        return job

    def _unreadable(self, phase: Phase) -> LLMProviderError:
        kind = LLMOutcomeUnknownError if phase is Phase.CREATE else LLMResponseError
        return self._make(kind, phase, "the answer cannot be read", "")

    def translate(self, exc: Exception, phase: Phase) -> LLMProviderError | None:
        """Return our error for `exc`, or None if neither a vendor nor the network has to do with it."""
        response = next((found for link in _chain(exc) if (found := _response_of(link)) is not None), None)
        if response is not None:
            headers = {str(name).lower(): str(value) for name, value in dict(response.headers).items()}
            return self.refused(int(response.status_code), headers, _body_of(response), phase)
        if not _is_foreign(exc):
            return None
        causes = [link for link in _chain(exc) if isinstance(link, (httpx2.HTTPError, httpx2.InvalidURL))]
        cause: BaseException = causes[-1] if causes else exc
        kind, what = _unanswered(cause, phase)
        return self.unanswered(cause, kind, what, phase)

    def refused(self, status_code: int, headers: Mapping[str, str], body: object, phase: Phase) -> LLMProviderError:
        """Return our error for an answer that is none; `headers` are looked up in lower case, `body` is as parsed."""
        error = read_error(
            self.provider_name, status_code=status_code, headers=headers, body=body, now=datetime.now(UTC)
        )
        return to_exception(error, phase, secrets=self.secrets)

    def redirected(self, to: str, phase: Phase) -> LLMProviderError:
        """Return our error for an address that sends us elsewhere: a key goes where it was told to go."""
        return self._make(LLMProviderConfigurationError, phase, "the address is answered with a redirect", to)

    def unanswered(
        self, cause: BaseException, kind: type[LLMProviderError], what: str, phase: Phase
    ) -> LLMProviderError:
        """Return our error of this kind for a call without an answer, `cause` in its own words."""
        return self._make(kind, phase, what, "" if kind is LLMProviderConfigurationError else _words(cause))

    def _make(self, kind: type[LLMProviderError], phase: Phase, what: str, words: str) -> LLMProviderError:
        said = redact(words, self.secrets)
        reason = f"{what} ({said})" if said else what
        hint = _HINTS.get(kind, "")
        message = f"{self.provider_name} could not {phase.value}: {reason}{hint}"
        return kind(message, provider_name=self.provider_name)


_HINTS: Mapping[type[LLMProviderError], str] = {
    LLMConnectionError: "; check the network and try again",
    LLMOutcomeUnknownError: "; the job may exist and be paid for: look for it before sending it again",
    LLMProviderConfigurationError: "; check the base URL and the key",
}


def _unanswered(cause: BaseException, phase: Phase) -> tuple[type[LLMProviderError], str]:
    """What it means that no answer could be read; a create that may have left is never called a plain failure."""
    if isinstance(cause, _WRONG_SETTINGS):
        return LLMProviderConfigurationError, "the address or the key cannot be sent"
    if isinstance(cause, _NEVER_SENT):
        return LLMConnectionError, "no connection"
    if phase is Phase.CREATE:
        return LLMOutcomeUnknownError, "the answer was lost"
    if isinstance(cause, httpx2.RequestError) or "Connection" in type(cause).__name__:
        return LLMConnectionError, "the connection failed"
    return LLMResponseError, "the answer cannot be read"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception and its causes; not its contexts, which may be the trouble of another provider tried before."""
    link: BaseException | None = exc
    while link is not None:
        yield link
        link = link.__cause__


def _response_of(exc: BaseException) -> Any:
    """The answer an SDK's status error carries; every one of them has an HTTP status that is a number."""
    if not _is_foreign(exc):
        return None
    response = getattr(exc, "response", None)
    return response if isinstance(getattr(response, "status_code", None), int) else None


def _body_of(response: Any) -> object:
    try:
        return response.json()
    except (ValueError, httpx2.ResponseNotRead, httpx2.StreamError):
        pass
    try:
        return response.text
    except (httpx2.ResponseNotRead, httpx2.StreamError):
        return None


def _words(exc: BaseException) -> str:
    text = str(exc).strip()
    return f"{type(exc).__name__}: {text[:200]}" if text else type(exc).__name__


def _is_foreign(exc: BaseException) -> bool:
    """Whether an SDK or its HTTP client raised `exc`, by its class or by the frames it came through.

    SDKs let a plain `KeyError` or `ValueError` escape for answers they did not expect; an `OSError` is about a file.
    """
    if any(kind.__module__.partition(".")[0] in _FOREIGN for kind in type(exc).__mro__):
        return True
    if isinstance(exc, OSError):
        return False
    trace: TracebackType | None = exc.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] in _FOREIGN:
            return True
        trace = trace.tb_next
    return False
