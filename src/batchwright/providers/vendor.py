"""What the three vendors' adapters have in common: how they are made."""

import asyncio
import hashlib
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from batchwright.config import Environment, find_credentials
from batchwright.errors import ConfigurationError, JobNotReadyError, LLMInvalidRequestError
from batchwright.job import BatchJob
from batchwright.providers.base import Provider
from batchwright.providers.failures import Phase, refused
from batchwright.providers.prompting import PromptMethods
from batchwright.providers.transport import READ_SECONDS, Calls, check_key
from batchwright.request import Params, Request
from batchwright.result import Result

PROMPT_SUFFIXES = (".md", ".txt", ".j2")
"""A system prompt of one line that ends like this is the path of a file."""


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
        self._connect(key, http_client=http_client, timeout=timeout)

    def _connect(self, key: str, *, http_client: httpx2.Client | None, timeout: float) -> None:
        """Import the SDK and make its client; raises `ConfigurationError` when it is not installed."""
        raise NotImplementedError

    def _ask(self, request: Request) -> Result:
        """Send one live request through the SDK and return its result."""
        raise NotImplementedError

    async def complete(self, request: Request) -> Result:
        """Answer one request now, over the SDK's synchronous client in a thread.

        The SDKs' asynchronous clients are not used: google-genai's sends a request again without saying so when
        aiohttp is installed and a connection drops.
        """
        return await asyncio.to_thread(self._complete, request)

    def _complete(self, request: Request) -> Result:
        try:
            with self._calls.guard(Phase.LIVE):
                return self._ask(request)
        except LLMInvalidRequestError as exc:
            return refused(request.custom_id, exc)

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
