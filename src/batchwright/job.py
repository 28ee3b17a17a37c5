"""A provider batch job: what the provider says now (`BatchJob`) and what we remember (`JobRecord`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from batchwright.usage import Usage


class JobState(StrEnum):
    """Where a job is. Only the provider's word moves a submitted job; our own trouble never does."""

    PLANNED = "planned"
    """Written down and on disk; nothing was sent."""
    SUBMITTING = "submitting"
    """The intent is recorded; a create may have been sent. With no live sender this job is unresolved."""
    SUBMITTED = "submitted"
    """The provider has it and has not started."""
    IN_PROGRESS = "in_progress"
    """The provider works on it."""
    CANCELLING = "cancelling"
    """A cancel was accepted; finished answers may still arrive."""
    COMPLETED = "completed"
    """The provider is done; single requests may have failed."""
    FAILED = "failed"
    """The provider refused or failed the whole job."""
    EXPIRED = "expired"
    """The provider's window closed; answers given until then are kept, where the vendor keeps them."""
    CANCELLED = "cancelled"
    """Cancelled; answers given until then are kept, where the vendor keeps them."""
    LOST = "lost"
    """The provider does not know the job any more (two answers of 404, apart, with the same account)."""

    @property
    def ended(self) -> bool:
        """Whether the provider will do no more work on this job."""
        return self in _ENDED


_ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.EXPIRED, JobState.CANCELLED, JobState.LOST})
_HOPELESS = frozenset({JobState.FAILED, JobState.LOST})
"""Such a job has no answers to fetch."""


class JobStatus(StrEnum):
    """The three words a person needs; derived from state and collected rows by `status_of`."""

    PENDING = "pending"
    """A later fetch may still change it by itself."""
    COMPLETED = "completed"
    """Every request has its rows safely written."""
    FAILED = "failed"
    """It ended and some requests have no rows, or only a person can resolve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """The provider's counts. They are a progress display and nothing else: real ones lie; answers are counted by id."""

    total: int = 0
    succeeded: int = 0
    errored: int = 0
    expired: int = 0
    cancelled: int = 0

    @property
    def finished(self) -> int:
        """Requests with any outcome."""
        return self.succeeded + self.errored + self.expired + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """What a provider says about one of its jobs at this moment."""

    provider_name: str
    job_name: str
    """The provider's own id: `batches/…`, `batch_…`, `msgbatch_…`."""
    state: JobState
    provider_state: str
    """The vendor's word, as it came."""
    counts: RequestCounts = field(default_factory=RequestCounts)
    created_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    """When the provider gives up on it."""
    results_until: datetime | None = None
    """When its answers are deleted at the provider; None while that is not known."""
    inputs_until: datetime | None = None
    """When the uploaded input is deleted, where that can be before the job has run."""
    tag: str | None = None
    """Our mark, where the vendor carries one (OpenAI metadata, Gemini displayName; Anthropic has none)."""
    input_file_id: str | None = None
    output_file_ids: tuple[str, ...] = ()
    """Files that hold results and errors, in the vendor's names."""
    error: str | None = None
    """Why the whole job failed, in the vendor's words."""
    error_code: str | None = None
    """The vendor's code of that."""
    over_quota: bool = False
    """It failed only because too many tokens were waiting already: the same job may be sent later."""
    model: str | None = None

    @property
    def done(self) -> bool:
        """Whether the job has ended, well or badly."""
        return self.state.ended


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRef:
    """Who one request is about: a batch of items of one document (or, `per_item`, a run of requests of one item each).

    The n-th request of a job belongs to the n-th batch; a `per_item` ref stands for `len(item_ids)` requests, so a job
    of a hundred thousand rows is remembered in a line.
    """

    group: str
    """What the document belongs to (the guide's subject)."""
    document: str
    """The document's file name."""
    index: int
    """Zero-based batch number within the document, at this job's batch size."""
    item_ids: Sequence[int]
    digest: str = ""
    """Of the items' text, to notice when ids have moved to other items since; empty where nothing is compared."""
    per_item: bool = False
    unanswered: tuple[int, ...] | None = None
    """Item ids without a durable row after collecting; None until collected."""
    overtaken: tuple[int, ...] = ()
    """Item ids that a live run, told to, asked about after the job was planned: its rows are newer, and stay."""

    @property
    def request_count(self) -> int:
        """How many requests of the job this stands for."""
        return len(self.item_ids) if self.per_item else 1


class CreateCall(StrEnum):
    """How far the create of an attempt came, as its sender noted before going on."""

    HELD = "held"
    """It cannot have taken effect: it has not left, or not whole."""
    SENT = "sent"
    """It may have left, and nobody lived to see what came of it; also where nobody noted anything."""
    UNANSWERED = "unanswered"
    """Its sender saw it leave, and no answer come that says what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to create a job at the provider; its tag marks the job and prefixes every custom_id."""

    tag: str
    started_at: datetime
    create: CreateCall = CreateCall.SENT
    """Means nothing once the provider has answered."""
    file_id: str | None = None
    """The uploaded input file, once the upload answered."""
    fenced_at: datetime | None = None
    """When that file was deleted, so that a create that takes effect later has nothing to run."""
    job_name: str | None = None
    error: str | None = None
    """Why the provider refused this attempt."""
    restored: bool = False
    """Known only from the job's folder after the tracking file was lost; nobody knows how far it came."""
    over_tokens: int = 0
    """Input tokens that were waiting, this job's included, when the provider said that these were too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How the requests of a collected job ended, counted by id."""

    succeeded: int = 0
    errored: int = 0
    expired: int = 0
    cancelled: int = 0
    missing: int = 0
    duplicates: int = 0
    """Answers beyond the first for the same id."""
    unknown: int = 0
    """Answers for ids this job never sent."""

    @property
    def total(self) -> int:
        """Requests sent."""
        return self.succeeded + self.errored + self.expired + self.cancelled + self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """What a list shows of a job: half of its record, so that a long list is read in half the time."""

    job_id: str
    """Ours, `job-` + 12 sortable characters, there before anything is sent."""
    provider_name: str
    batches: tuple[BatchRef, ...]
    request_count: int
    created_at: datetime
    state: JobState = JobState.PLANNED
    provider_state: str | None = None
    job_name: str | None = None
    counts: RequestCounts = field(default_factory=RequestCounts)
    tally: Tally | None = None
    """How the requests ended; None until collected."""
    results_until: datetime | None = None
    """When its answers are deleted at the provider."""
    inputs_until: datetime | None = None
    """When its uploaded input is deleted, which a job that still waits may not survive."""
    cleaned_at: datetime | None = None
    """When what we left at the provider was deleted."""
    collected_at: datetime | None = None
    """When the answers were last downloaded, matched and written."""
    last_error: str | None = None
    """The last trouble on our side; an observation, never a verdict on the job."""
    error_message: str | None = None
    """Why the job counts as failed, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(JobSummary):
    """What the tracking file remembers of one job; enough to fetch and report it on another machine."""

    task: str
    model: str
    batch_size: int = 0
    """Items a batch at most, as asked for when the job was planned; 0 = not known (first-generation records)."""
    account: str | None = None
    """A digest of the account the job was sent with; never the key."""
    parent: str | None = None
    """The job whose open requests this one asks again."""
    input_tokens: int = 0
    """What the requests will count as, estimated from their size."""
    retries: int = 0
    """How often these items were asked before; expired jobs do not count."""
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    """What all answers used together; None until collected."""
    cost: Decimal | None = None
    """What they cost in dollars; None until collected, and where the price of any of them is unknown."""
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    polled_at: datetime | None = None
    missed_at: datetime | None = None
    """When the provider first said it does not know this job."""

    @property
    def tag(self) -> str | None:
        """The tag of the attempt that became the job, or else of the last one; None for first-generation records."""
        for attempt in self.attempts:
            if self.job_name is not None and attempt.job_name == self.job_name:
                return attempt.tag
        return self.attempts[-1].tag if self.attempts else None


def status_of(record: JobSummary) -> JobStatus:
    """Return the guide's word for a record.

    A job that ended but was not collected stays pending: a later fetch brings its answers. One that failed as a whole,
    or is lost, has nothing to bring. Where `error_message` is set, only a person can go on: answers that could not be
    written, a create whose outcome is unknown.
    """
    if record.collected_at is None:
        hopeless = record.state in _HOPELESS
        return JobStatus.FAILED if hopeless or record.error_message is not None else JobStatus.PENDING
    whole = all(batch.unanswered == () for batch in record.batches)
    return JobStatus.COMPLETED if whole else JobStatus.FAILED
