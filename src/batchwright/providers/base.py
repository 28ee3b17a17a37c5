"""The provider seam: what a vendor must offer so that both engines can use it.

An adapter only translates. It does not retry, sleep, store or read the environment; every vendor failure arrives as
one of ours (`batchwright.errors`). Six methods are required; `PromptMethods` (providers/prompting.py) builds the
friendlier ones on top. `rates`, `connections` and `aclose` may stay as they are. Who only answers now, and has no
batch jobs, is an `Answerer`: all that the live engine needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from batchwright.job import BatchJob
from batchwright.request import Request
from batchwright.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one job may hold, as the vendor documents it."""

    max_requests: int
    """Requests in a job."""
    max_bytes: int
    """Bytes of the wire file."""
    max_concurrent_jobs: int | None = None
    """Unfinished jobs at once; None where the vendor names no number."""
    max_creations_per_hour: int | None = None
    """Jobs created in an hour; None where the vendor names no number."""
    max_enqueued_tokens: int | None = None
    """Input tokens of all unfinished jobs of one model. It depends on the account: None until it is set or learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What an account may ask live, as the headers of an answer said it; None where they said nothing."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Input and output together, where the vendor does not tell them apart."""
    remaining_requests: int | None = None
    """Requests that would be taken at once at that moment."""
    remaining_tokens: int | None = None
    requests_reset: float | None = None
    """Seconds until all of `requests_per_minute` is there again."""
    tokens_reset: float | None = None
    """Seconds until all of `tokens_per_minute` is there again."""


class WireFormat(Protocol):
    """How a job's requests are laid out in the file that is uploaded. Pure."""

    @property
    def suffix(self) -> str:
        """Of the wire file's name: `.jsonl`, or `.json` where the vendor takes one JSON body."""
        ...

    @property
    def head(self) -> bytes:
        """What comes before the first request."""
        ...

    @property
    def separator(self) -> bytes:
        """What stands between two requests."""
        ...

    @property
    def tail(self) -> bytes:
        """What comes after the last request."""
        ...

    def encode(self, request: Request) -> bytes:
        """Return one request as the vendor's JSON, without line end. Raises `ConfigurationError` if that cannot be."""
        ...


class Answerer(ABC):
    """Whoever answers requests now. Subclasses set the attributes and implement `complete`."""

    name: str
    """Whose price list counts: `openai`, `anthropic`, `gemini`; or another name, whose prices nobody knows."""
    model: str
    connections: int = 100
    """Calls that have a connection at once, in each event loop; the others wait for one."""

    @property
    def rates(self) -> Rates | None:
        """What the last answer said about the account's rates; None before one did, or where none ever does."""
        return None

    @abstractmethod
    async def complete(self, request: Request) -> Result:
        """Answer one request now, at the live price.

        A refused request is a failed `Result`; trouble with the connection or the account is raised.
        """

    async def aclose(self) -> None:  # noqa: B027  (most have nothing to close)
        """Close the connections; the next call opens new ones."""


class Provider(Answerer):
    """One vendor account with one model. Subclasses set the attributes and implement the six methods."""

    limits: Limits
    wire: WireFormat
    account: str
    """A digest that tells two accounts apart; never the key itself."""
    tags_jobs: bool = True
    """Whether listed jobs carry the tag or the uploaded file they were made with (Anthropic's carry neither)."""

    @abstractmethod
    def submit(self, payload: Path, *, tag: str, before_create: Callable[[str | None], None]) -> BatchJob:
        """Create a batch job from the wire file `payload`; called once per attempt, never retried here.

        `before_create` must be called before the create can take effect, and have returned: whoever dies before it has
        created nothing, and whoever dies after it may have. It is given the vendor's id of the uploaded input, or None
        where the create carries the requests itself (then right before the last bytes of its body leave). Raises
        `LLMOutcomeUnknownError` when the create was sent and no answer came; any other `LLMProviderError` means that
        nothing was created.
        """

    @abstractmethod
    def get_batch_job(self, job_name: str) -> BatchJob:
        """Return the job as the vendor sees it now. Raises `LLMNotFoundError` if it does not know it."""

    @abstractmethod
    def results(self, job: BatchJob) -> Iterator[Result]:
        """Yield what came back, in any order, in flat memory; ids may be absent, unknown or repeated.

        Raises `JobNotReadyError` while there is nothing to read yet.
        """

    @abstractmethod
    def cancel_batch_job(self, job_name: str) -> BatchJob:
        """Ask the vendor to cancel and return the job as it is after that."""

    @abstractmethod
    def list_jobs(self, since: datetime) -> Iterator[BatchJob]:
        """Yield the account's jobs created at or after `since`, newest first."""


class Fence(ABC):
    """A provider whose create reads an uploaded file: once that is deleted, a create that comes late runs nothing."""

    @abstractmethod
    def delete_input(self, file_id: str) -> None:
        """Delete an uploaded input; one that is not there any more counts as deleted. Raises `LLMProviderError`."""


class Cleaner(ABC):
    """A provider that can delete what we left at the vendor; not every provider can."""

    @abstractmethod
    def clean_up(self, job: BatchJob, *, input_file_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete what was uploaded for the job, its results, and the job where that can be; return what is gone.

        What the vendor does not know any more counts as gone. Raises `LLMProviderError`.
        """
