"""What the three vendors' adapters have in common: how they are made."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import httpx2
from pydantic_core import to_json

from batchwright.config import Environment
from batchwright.credentials import find_credentials
from batchwright.errors import ConfigurationError, JobNotReadyError, LLMInvalidRequestError
from batchwright.job import BatchJob
from batchwright.providers.base import Provider, Rates, WireFormat
from batchwright.providers.failures import Phase, refused
from batchwright.providers.prompting import PromptMethods
from batchwright.providers.reading import Json, document_of
from batchwright.providers.transport import READ_SECONDS, Calls, check_key, open_client
from batchwright.request import Params, Request
from batchwright.result import Result

if TYPE_CHECKING:
    from batchwright.providers.live_calls import Sender

PROMPT_SUFFIXES = (".md", ".txt", ".j2")
"""A system prompt of one line that ends like this is the path of a file."""

_ANSWERED = range(200, 300)
_REDIRECTED = range(300, 400)
_TELL_RATES = frozenset({200, 429})
"""Statuses of answers that the vendor's own service gives; a gateway knows nothing of rates."""


class LiveWire(WireFormat, Protocol):
    """A wire format whose requests can be asked one by one as well."""

    def body(self, request: Request) -> Mapping[str, Any]:
        """Return the body of one live request. Raises `ConfigurationError` if it cannot be said."""
        ...


class VendorProvider(PromptMethods, Provider):
    """A provider with a key. Subclasses set the constants and speak to the vendor.

    `system_prompt` is text, or the path of a prompt file (see `read_system_prompt`); `filter_json` makes the prompt
    methods return parsed JSON. None for `model`, `temperature`, `thinking_budget` (tokens) and `max_output_tokens`
    means the constants below, where the model accepts them. Keys come from `api_key` or `environment` (default: the
    process's, see `batchwright.config`); `http_client` is a client to send with; `timeout` in seconds bounds every
    pause. Raises `LLMProviderConfigurationError` without a usable key and `ConfigurationError` for a missing prompt
    file.
    """

    MODEL: ClassVar[str]
    """The model used unless another is named."""
    TEMPERATURE: ClassVar[float] = 0.2
    """Sent to models that still accept a temperature."""
    BASE_URL: ClassVar[str]
    """The vendor's own address; always passed, so that no variable of the SDK's can change it."""
    wire: "LiveWire"
    _on_response: Callable[[httpx2.Response], None] | None = None
    """Sees every answer to the SDK."""

    def __init__(
        self,
        system_prompt: str | Path = "",
        *,
        filter_json: bool = False,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        temperature: float | None = None,
        thinking_budget: int | None = None,
        max_output_tokens: int | None = None,
        environment: Environment | None = None,
        http_client: httpx2.Client | None = None,
        timeout: float = READ_SECONDS,
    ) -> None:
        credentials = find_credentials(self.name, api_key=api_key, base_url=base_url, environment=environment)
        key = check_key(self.name, credentials.api_key.strip())
        self.system_prompt = read_system_prompt(system_prompt)
        self.filter_json = filter_json
        self.model = model or self.MODEL
        self.account = _account(self.name, key)
        self.defaults = Params(
            model=self.model,
            temperature=temperature,
            thinking_budget=thinking_budget,
            max_output_tokens=max_output_tokens,
        )
        self._base_url = (credentials.base_url or self.BASE_URL).rstrip("/")
        self._calls = Calls(provider_name=self.name, secrets=(key,))
        self._key = key
        self._timeout = timeout
        self._handed_in = http_client
        self._last_headers: tuple[Mapping[str, str], datetime] | None = None

    # The SDK carries the batch calls

    @cached_property
    def _client(self) -> Any:
        """The SDK's client; imported and made by the first call that needs it, for no live call does.

        Raises `ConfigurationError` when the SDK is not installed.
        """
        return self._open_sdk(self._http)

    @cached_property
    def _http(self) -> httpx2.Client:
        return open_client(
            base_url=self._base_url,
            key_headers=self._key_headers(),
            timeout=self._timeout,
            through=self._handed_in,
            on_response=self._on_response,
        )

    def _open_sdk(self, http: httpx2.Client) -> Any:
        """Return the SDK's client, which sends with `http`."""
        raise NotImplementedError

    def _key_headers(self) -> Sequence[tuple[str, str]]:
        """The headers in which the key may travel, (name, value); live calls use the first."""
        raise NotImplementedError

    # Live calls go without it

    @cached_property
    def _sender(self) -> "Sender":
        from batchwright.providers.live_calls import HandedIn, LiveCalls  # noqa: PLC0415  (brings aiohttp)

        name, key = self._key_headers()[0]
        headers = {name: key, **self._live_headers()}
        if self._handed_in is not None:
            return HandedIn(client=self._http, base_url=self._base_url, headers=headers, calls=self._calls)
        return LiveCalls(base_url=self._base_url, headers=headers, timeout=self._timeout, calls=self._calls)

    def _live_headers(self) -> Mapping[str, str]:
        """What a live call says in its headers beside the key."""
        return {}

    def _live_path(self, request: Request) -> str:
        """Where a live request goes, below the address."""
        raise NotImplementedError

    def _live_result(self, request: Request, answer: Json, headers: Mapping[str, str]) -> Result:
        """The result in a live answer."""
        raise NotImplementedError

    async def complete(self, request: Request) -> Result:
        """Answer one request now; see `Provider.complete`. The request is sent once, whatever comes of it."""
        body = to_json(self.wire.body(request))
        reply = await self._sender.post(self._live_path(request), body, connections=self.connections)
        if reply.status_code in _TELL_RATES:
            self._last_headers = reply.headers, datetime.now(UTC)
        if reply.status_code in _ANSWERED:
            return self._live_result(request, self._calls.read(reply.body, Phase.LIVE), reply.headers)
        if reply.status_code in _REDIRECTED:
            raise self._calls.redirected(reply.headers.get("location", ""), Phase.LIVE)
        error = self._calls.refused(reply.status_code, reply.headers, document_of(reply.body), Phase.LIVE)
        if isinstance(error, LLMInvalidRequestError):
            return refused(request.custom_id, error)
        raise error

    @property
    def rates(self) -> Rates | None:
        """What the last live answer said of the account's rates; see `Provider.rates`."""
        return None if self._last_headers is None else self._read_rates(*self._last_headers)

    def _read_rates(self, headers: Mapping[str, str], now: datetime) -> Rates | None:  # noqa: ARG002  (not all have)
        """What the headers of an answer that came at `now` say of rates."""
        return None

    async def aclose(self) -> None:
        """Close every connection, of live calls in any loop and of the SDK; calls under way fail, later ones open new.

        Not needed at the end of a loop or of the process, which close them too.
        """
        sender, http = (self.__dict__.pop(name, None) for name in ("_sender", "_http"))
        self.__dict__.pop("_client", None)
        if sender is not None:
            await sender.aclose()
        if http is not None:
            http.close()

    def _ping(self) -> None:
        """Make the cheapest call that proves address, key and model."""
        raise NotImplementedError

    def health_check(self) -> bool:
        """Return True after one free call with this key and model; raises one of our errors otherwise."""
        with self._calls.guard(Phase.LIVE):
            self._ping()
        return True


def sdk(module: str) -> Any:
    """Import a vendor's SDK, only now that it is needed. Raises `ConfigurationError` with the line that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        package = module.replace(".", "-")
        raise ConfigurationError(f"the SDK {package} is not installed: pip install {package}") from exc


def sdk_version(package: str) -> str:
    """Return the version of an SDK without importing it; the empty string where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def require_ended(job: BatchJob) -> None:
    """Raise `JobNotReadyError` while a job runs."""
    if not job.done:
        raise JobNotReadyError(
            f"{job.provider_name} job {job.job_name} is {job.provider_state}; its results come when it is done"
        )


def created_since(job: BatchJob, since: datetime) -> bool:
    """Whether a job was made at or after `since`; vendors give the second it was made in, or no time at all."""
    return job.created_at is None or job.created_at >= since.replace(microsecond=0)


def read_system_prompt(prompt: str | Path) -> str:
    """Return the text of a system prompt, or of the file it names.

    A `Path`, or one line ending in .md, .txt or .j2, is a file and must exist (`ConfigurationError`); it is read as it
    stands, also a template: there is nothing to fill in.
    """
    text = str(prompt)
    is_path = isinstance(prompt, Path) or ("\n" not in text and text.strip().lower().endswith(PROMPT_SUFFIXES))
    if not is_path:
        return text
    path = Path(text.strip())
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"the prompt file {path} cannot be read: {getattr(exc, 'strerror', exc)}") from exc


def _account(name: str, key: str) -> str:
    """A digest that tells two keys apart and gives neither away."""
    return hashlib.sha256(f"batchwright\0{name}\0{key}".encode()).hexdigest()[:12]
