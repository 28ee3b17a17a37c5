"""What a stage asks and gets: settings, a request, a result, and the figures at the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pydantic import BaseModel

from batchwright.errors import ConfigurationError
from batchwright.request import OutputSchema
from batchwright.result import FinishReason
from batchwright.usage import Usage

ResponseFormat = Mapping[str, Any] | type[BaseModel] | OutputSchema
"""`{"type": "json_schema", "json_schema": {"name": …, "schema": …}}`, a pydantic model, or our own schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMBatchConfig:
    """How a stage asks. Raises `ConfigurationError` for a value that cannot be.

    `model` has its provider in front: `openai/…`, `anthropic/…`, `google/…`. With `base_url`, the address of a router
    or server that speaks OpenAI's format, the whole name is the model's, as in `x-ai/grok-4-fast`. Without a model the
    requests must name theirs.
    """

    model: str | None = None
    max_workers: int | Literal["auto"] = 10
    """Calls at once; `auto` finds out what the provider accepts."""
    max_retries: int = 3
    """How often a page is asked again after its first attempt failed in a way that asking again may mend."""
    timeout: float = 120.0
    """Seconds for one attempt."""
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    """None: from the environment or `.env`."""
    temperature: float | None = None
    max_tokens: int | None = None
    """The longest answer, in tokens."""
    thinking_budget: int | None = None
    """Tokens the model may think."""
    cooldown: float = 60.0
    """Seconds in which nobody asks after the provider said "too many requests" without saying for how long."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    builder_threads: int = 8
    """Builders at once; never more than there are workers."""
    mark_completed: bool = True
    """Whether a page counts as completed once its handler has returned; False leaves the checkpoint to the handler."""
    show_progress: bool = True
    """A bar on a terminal, a line a minute elsewhere."""

    def __post_init__(self) -> None:
        if self.max_workers != "auto":
            _require("max_workers", self.max_workers, at_least=1, hint=' or "auto"')
        _require("max_retries", self.max_retries, at_least=0)
        _require("builder_threads", self.builder_threads, at_least=1)
        for name in ("timeout", "cooldown", "max_tokens", "requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} is {value!r}; it must be above 0")

    @property
    def parallel_builders(self) -> int:
        """Builders at once."""
        workers = self.builder_threads if self.max_workers == "auto" else self.max_workers
        return min(self.builder_threads, workers)


def _require(name: str, value: object, *, at_least: int, hint: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ConfigurationError(f"{name} is {value!r}; it is a whole number of {at_least} or more{hint}")


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """One page's request.

    `messages` are OpenAI's: `{"role": "system" | "user" | "assistant", "content": …}`, a content being a text or a
    list of parts. `images` are put in front of the last user message: paths, bytes, Pillow images, data URLs; a PDF
    will do as well. What is None here is as the stage's config says. `metadata` is yours and is not sent.
    """

    id: str
    """Names the page in messages and in the log; should be unique in its stage."""
    model: str | None = None
    messages: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    images: Sequence[Any] = field(default=(), repr=False)
    response_format: ResponseFormat | None = field(default=None, repr=False)
    """What the answer must look like; None asks for plain text."""
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LLMResult:
    """What became of one request. `metadata` is the request's: `result.request.metadata`."""

    request: LLMRequest
    success: bool
    parsed_json: Any = field(default=None, repr=False)
    """The answer, where a `response_format` asked for JSON."""
    error: str | None = None
    """Why there is no answer to use; None with `success`."""
    cost_usd: float | None = None
    """Dollars, all attempts together; None where the price is unknown."""
    usage: Usage = field(default_factory=Usage)
    """Tokens, all attempts together."""
    attempts: int = 0
    seconds: float = 0.0
    """From the first attempt to the end of the last."""
    text: str | None = field(default=None, repr=False)
    """The answer as the model wrote it."""
    model: str | None = None
    """The model that answered, in the provider's name."""
    provider_name: str | None = None
    finish_reason: FinishReason = FinishReason.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStats(Mapping[str, Any]):
    """The figures of a stage, as attributes and as a mapping: `stats.failed`, `stats["failed"]`, `dict(stats)`."""

    completed: int
    """Pages answered, and handled without an exception."""
    failed: int
    """Pages without a usable answer, or whose builder or handler raised."""
    skipped: int
    """Pages whose builder returned None, and pages that the checkpoint already has."""
    total_cost_usd: float | None
    """Dollars, failed attempts included; None where the price of an answer is unknown."""
    total_tokens: int
    elapsed_seconds: float

    def __getitem__(self, name: str) -> Any:
        if name not in _FIGURES:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_FIGURES)

    def __len__(self) -> int:
        return len(_FIGURES)


_FIGURES = tuple(entry.name for entry in fields(StageStats))
