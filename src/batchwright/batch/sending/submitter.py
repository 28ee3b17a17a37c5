"""Send a planned job so that it can never be paid for twice.

Create costs money and no vendor makes it idempotent. So the intent is on disk before anything leaves, a claim tells a
live sender from a dead one, and a create whose answer was lost leaves the job `submitting`, never to be sent again on
a guess.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from batchwright.batch import lifecycle
from batchwright.batch.resolving.unresolved import unanswered
from batchwright.batch.sending.admission import Admission
from batchwright.batch.sending.splitting import halve
from batchwright.batch.sending.wire_file import write_under
from batchwright.clock import Clock
from batchwright.errors import (
    BatchwrightError,
    ClaimedJobError,
    InputError,
    LLMConnectionError,
    LLMOutcomeUnknownError,
    LLMProviderError,
    LLMRateLimitError,
    LLMRequestTooLargeError,
    LLMServerError,
    NoRoomError,
    TrackingError,
)
from batchwright.job import JobRecord, JobState
from batchwright.providers.base import Provider
from batchwright.providers.payload import read_payload
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders

UNSENDABLE = (
    "run `batchwright batch-create` where it was planned, or `batchwright batch-cancel` to have its items planned anew"
)

TOO_LARGE_ALONE = (
    "is one request of more tokens than may wait at the provider; `batchwright batch-cancel` drops it, then "
    "`batch-create` with a smaller --batch-size asks its items"
)

_PASSING = (NoRoomError, LLMRateLimitError, LLMServerError, LLMConnectionError)
"""What is over by itself."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of sending one job."""

    record: JobRecord
    error: BatchwrightError | None = None
    """Why it was not sent, or (`LLMOutcomeUnknownError`) why nobody knows."""

    halves: tuple[JobRecord, ...] = ()
    """The job was too large: these were planned in its place."""
    held: bool = False
    """Not even tried, because of the account's trouble with an earlier job; `error` is that."""

    @property
    def unresolved(self) -> bool:
        """Whether nobody knows if the job was created; the next look finds out."""
        return self.record.state is JobState.SUBMITTING and not isinstance(self.error, ClaimedJobError)

    @property
    def waiting(self) -> bool:
        """Whether the job is sent later by itself: the provider cannot take it now, or another process is at it."""
        passing = self.record.state is JobState.PLANNED and isinstance(self.error, _PASSING)
        return passing or isinstance(self.error, ClaimedJobError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Sends planned jobs, one at a time under each job's claim."""

    store: JobStore
    folders: JobFolders
    clock: Clock
    gate: Admission
    new_job_id: Callable[[], str]

    def submit(self, job_id: str, provider: Provider) -> Submission:
        """Send the job unless somebody else did; a refusal by the provider is part of the returned submission.

        Raises `ClaimedJobError` when a live process is sending it now, `TrackingError` when the record cannot be kept.
        """
        with self.folders.claim(job_id):
            record = self.store.get(job_id)
            if record.state is JobState.SUBMITTING:
                return Submission(record=record, error=TrackingError(f"what became of {job_id} is not known yet"))
            if record.state is not JobState.PLANNED:
                return Submission(record=record)
            tag = lifecycle.next_tag(record)
            path = self.folders.requests_path(job_id, provider.wire.suffix)
            if not path.is_file():
                # Another machine may have it, so this is our own trouble and no business of the record's.
                why = f"{path} is missing here, so {job_id} cannot be sent from this machine; {UNSENDABLE}"
                return Submission(record=record, error=InputError(why))
            intended = partial(lifecycle.intended, tag=tag, account=provider.account, now=self.clock.now())
            room = self.gate.admit(record, provider.limits, intended)
            if room.too_large:
                # One request cannot be halved; told again and again to wait, a watch would never end.
                alone = record.request_count == 1
                return self._leave(record, f"{job_id} {TOO_LARGE_ALONE}") if alone else self._split(record, provider)
            if room.wait is not None:
                return Submission(record=record, error=NoRoomError(f"{room.wait}; {job_id} is sent when there is room"))
            self._retag(record, tag, path, provider)
            record = self._change(job_id, intended)
            return self._create(record, path, provider)

    def _create(self, record: JobRecord, payload: Path, provider: Provider) -> Submission:
        """Send the one call that costs money; whatever it answers is on record before this returns."""
        job_id, tag = record.job_id, record.attempts[-1].tag
        try:
            job = provider.submit(payload, tag=tag, before_create=lambda file_id: self._note_leaving(job_id, file_id))
        except LLMOutcomeUnknownError as error:
            log.warning("create outcome unknown", extra={"event": "job.unresolved", "job_id": job_id})
            return Submission(record=self._change(job_id, partial(unanswered, error=error)), error=error)
        except LLMRequestTooLargeError as error:
            refused = self._change(job_id, partial(lifecycle.sent_back, error=error))
            return self._split(refused, provider) if record.request_count > 1 else self._refuse(record, error)
        except LLMProviderError as error:
            return self._refuse(record, error)
        record = self._change(job_id, lambda old: lifecycle.created(old, job, self.clock.now()))
        log.info("job submitted", extra={"event": "job.submitted", "job_id": job_id, "job_name": job.job_name})
        return Submission(record=record)

    def _refuse(self, record: JobRecord, error: LLMProviderError) -> Submission:
        log.warning("job refused", extra={"event": "job.refused", "job_id": record.job_id, "code": error.code})
        return Submission(record=self._change(record.job_id, partial(lifecycle.refused, error=error)), error=error)

    def _leave(self, record: JobRecord, why: str) -> Submission:
        """Leave a planned job to a person, and say why."""
        changed = self._change(record.job_id, partial(lifecycle.unsendable, why=why))
        return Submission(record=changed, error=TrackingError(why))

    def _split(self, record: JobRecord, provider: Provider) -> Submission:
        """Plan two jobs in the place of one that is too large; they are sent by the caller's next round."""
        with self.folders.planning():
            halves = halve(
                record,
                provider.wire,
                store=self.store,
                folders=self.folders,
                new_job_id=self.new_job_id,
                now=self.clock.now(),
            )
        return Submission(record=self.store.get(record.job_id), halves=halves)

    def _change(self, job_id: str, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        return self.store.update(job_id, change)

    def _note_leaving(self, job_id: str, file_id: str | None) -> None:
        self._change(job_id, partial(lifecycle.leaving, file_id=file_id))

    def _retag(self, record: JobRecord, tag: str, path: Path, provider: Provider) -> None:
        """Put every custom_id of the wire file under `tag`, where an earlier attempt had another."""
        if record.attempts:
            write_under(tag, read_payload(path, provider.wire), provider.wire, folders=self.folders, path=path)
