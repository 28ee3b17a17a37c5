"""The batch engine as the commands use it: create, look, collect, cancel. Yields what happened; prints nothing."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from batchwright.batch import lifecycle
from batchwright.batch.collecting.collector import Collection, Collector
from batchwright.batch.collecting.settling import conclude_documents, publish_outputs
from batchwright.batch.patience import Patience, patiently
from batchwright.batch.resolving.reconciler import Reconciler
from batchwright.batch.sending.admission import Admission
from batchwright.batch.sending.room import enqueued_tokens, running_at
from batchwright.batch.sending.submitter import Submission, Submitter
from batchwright.batch.workers import in_parallel
from batchwright.clock import Clock
from batchwright.config import DEFAULT_GRACE, UNFENCED_GRACE
from batchwright.errors import (
    BatchwrightError,
    ClaimedJobError,
    JobNotReadyError,
    LLMNotFoundError,
    NoRoomError,
    TrackingError,
)
from batchwright.job import BatchJob, JobRecord, JobState, JobStatus, status_of
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task
from batchwright.tasks.planning import is_live
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders

log = logging.getLogger(__name__)


UNKNOWN_YET = "nobody knows yet whether it was created; `batch-reconcile` finds out, then it can be cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What looking at one job brought."""

    record: JobRecord
    collection: Collection | None = None
    """Set when its answers were collected now."""
    error: BatchwrightError | None = None
    """What went wrong on our side; the job itself is where it was."""
    halves: tuple[JobRecord, ...] = ()
    """The job was too large: these were planned in its place, and are looked at next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Everything the batch engine works with. Safe to use from several threads."""

    store: JobStore
    folders: JobFolders
    clock: Clock
    collector: Collector
    provider_of: Callable[[str, str], Provider]
    """(provider name, model) → the provider; raises `LLMProviderConfigurationError` or `ConfigurationError`."""
    task_of: Callable[[str], Task]
    """Task name → the task; raises `ConfigurationError`."""
    new_job_id: Callable[[], str]
    """For the halves of a job that is too large."""
    grace: float = DEFAULT_GRACE
    """Seconds between two looks that must agree."""
    unfenced_grace: float = UNFENCED_GRACE
    """The same where a create that takes effect late cannot be kept from running."""
    patience: Patience = field(default_factory=Patience)

    @property
    def reconciler(self) -> Reconciler:
        """What finds out what became of a create whose answer was lost."""
        return Reconciler(
            store=self.store,
            folders=self.folders,
            clock=self.clock,
            patience=self.patience,
            grace=timedelta(seconds=self.grace),
            unfenced_grace=timedelta(seconds=self.unfenced_grace),
        )

    def resolve_all(self, records: Iterable[JobRecord]) -> Iterator[Look]:
        """Find out what became of every create whose answer was lost; what was found is not collected yet."""
        unresolved = [record for record in records if record.state is JobState.SUBMITTING]
        for _, look in in_parallel(self._resolve, unresolved):
            yield look

    def submit_all(self, records: Iterable[JobRecord]) -> Iterator[Submission]:
        """Send planned jobs in parallel; yield each as it is done.

        One that is refused does not stop the others, unless the account is the trouble: then no more are tried there.
        """
        gate = self._admission()
        todo = list(records)
        while todo:
            halves: list[JobRecord] = []
            for _, submission in in_parallel(partial(self._submit, gate=gate), todo):
                halves.extend(submission.halves)
                if not submission.halves:
                    yield submission
            todo = halves

    def look_at_all(self, records: Iterable[JobRecord], *, timeout: float | None = None) -> Iterator[Look]:
        """Send, poll or collect each job, whatever it needs next, in parallel; yield each as it is done.

        The halves of one that was too large come after it. After `timeout` seconds, jobs whose look is still under way
        or not begun are left out. Raises `InputError` where the answers are kept and an output cannot be written.
        """
        until = None if timeout is None else time.monotonic() + timeout
        gate = self._admission()
        todo = list(records)
        ended: list[JobRecord] = []
        while todo:
            halves: list[JobRecord] = []
            for _, look in in_parallel(partial(self._look_at, gate=gate), todo, until=until):
                halves.extend(look.halves)
                if not is_live(look.record):
                    ended.append(look.record)
                yield look
            todo = halves
        publish_outputs(self.store, self.task_of)
        conclude_documents(self.store, self.task_of, ended)

    def cancel_all(self, records: Iterable[JobRecord]) -> Iterator[Look]:
        """Ask the providers to cancel jobs; one never sent is dropped here."""
        ended: list[JobRecord] = []
        for _, look in in_parallel(self._cancel, records):
            if not is_live(look.record):
                ended.append(look.record)
            yield look
        conclude_documents(self.store, self.task_of, ended)

    def _provider(self, record: JobRecord) -> Provider:
        return self.provider_of(record.provider_name, record.model)

    def _admission(self) -> Admission:
        return Admission(self.store.load(), self.clock.now)

    def _submit(self, record: JobRecord, gate: Admission) -> Submission:
        trouble = gate.trouble(record.provider_name)
        if trouble is not None:
            return Submission(record=record, error=trouble, held=True)
        submitter = Submitter(
            store=self.store, folders=self.folders, clock=self.clock, gate=gate, new_job_id=self.new_job_id
        )
        try:
            submission = submitter.submit(record.job_id, self._provider(record))
        except BatchwrightError as error:
            submission = Submission(record=self._as_it_is(record), error=error)
        gate.take(submission.record)
        if submission.error is not None and lifecycle.is_account_trouble(submission.error):
            gate.close(record.provider_name, submission.error)
        return submission

    def _as_it_is(self, record: JobRecord) -> JobRecord:
        """Return the record as it stands after trouble of any kind: a create may have gone out before it."""
        try:
            return self.store.get(record.job_id)
        except TrackingError:
            return record

    def _look_at(self, record: JobRecord, gate: Admission) -> Look:
        if record.state is JobState.PLANNED:
            submission = self._submit(record, gate)
            return Look(record=submission.record, error=submission.error, halves=submission.halves)
        if record.state is JobState.SUBMITTING:
            look = self._resolve(record)
            return look if look.error is not None else self._look_at(look.record, gate)
        return self._poll(record)

    def _poll(self, record: JobRecord) -> Look:
        """Ask the provider for the job's state, and collect it if it has ended."""
        try:
            provider = self._provider(record)
            name = _name_of(record)
            job = patiently(lambda: provider.get_batch_job(name), clock=self.clock, patience=self.patience)
        except LLMNotFoundError as error:
            unknown = partial(lifecycle.not_found, account=provider.account, grace=self.grace)
            return self._missed(record, unknown, error)
        except BatchwrightError as error:
            return self._trouble(record, error)
        if job.over_quota:
            return self._give_back(record, job)
        record = self._change(record, partial(lifecycle.observed, job=job, now=self.clock.now()))
        if not job.done or job.state is JobState.FAILED:
            return Look(record=record)
        return self._collect(record, job, provider)

    def _collect(self, record: JobRecord, job: BatchJob, provider: Provider) -> Look:
        try:
            with self.folders.claim(record.job_id):
                collection = patiently(
                    lambda: self.collector.collect(record, job, provider, self.task_of(record.task)),
                    clock=self.clock,
                    patience=self.patience,
                )
        except ClaimedJobError as error:
            return Look(record=record, error=error)
        except (JobNotReadyError, LLMNotFoundError) as error:
            gone = partial(lifecycle.without_results, error=error, account=provider.account, grace=self.grace)
            return self._missed(record, gone, error)
        except BatchwrightError as error:
            return self._trouble(record, error)
        return Look(record=collection.record, collection=collection)

    def _give_back(self, record: JobRecord, job: BatchJob) -> Look:
        """Plan a job again that the provider did not run because too many tokens were waiting."""
        others = running_at(self.store.load(), record.provider_name)
        enqueued = enqueued_tokens([other for other in others if other.job_id != record.job_id], record.model)
        why = (
            f"{record.provider_name} had too many tokens waiting to take this job ({job.error}); it is sent again later"
        )
        planned = self._change(record, partial(lifecycle.over_quota, enqueued=enqueued + record.input_tokens, why=why))
        return Look(record=planned, error=NoRoomError(why))

    def _resolve(self, record: JobRecord) -> Look:
        """Find out what became of a create whose answer was lost."""
        try:
            resolved = self.reconciler.resolve(record.job_id, self._provider(record))
        except ClaimedJobError as error:
            return Look(record=record, error=error)
        except BatchwrightError as error:
            return self._trouble(record, error)
        if resolved.state is JobState.SUBMITTING:
            return Look(record=resolved, error=TrackingError(resolved.error_message or resolved.last_error or ""))
        return Look(record=resolved)

    def _cancel(self, record: JobRecord) -> Look:
        try:
            if record.state is JobState.PLANNED:
                return self._drop(record)
            if record.state is JobState.SUBMITTING:
                return Look(record=record, error=TrackingError(UNKNOWN_YET))
            provider = self._provider(record)
            job = provider.cancel_batch_job(_name_of(record))
        except BatchwrightError as error:
            return self._trouble(record, error)
        return Look(record=self._change(record, partial(lifecycle.observed, job=job, now=self.clock.now())))

    def _drop(self, record: JobRecord) -> Look:
        with self.folders.claim(record.job_id):
            dropped = self._change(record, partial(lifecycle.dropped, now=self.clock.now()))
            if dropped.state is not JobState.CANCELLED:
                return Look(record=dropped, error=TrackingError(f"{record.job_id} was sent meanwhile; cancel it again"))
            self.folders.forget(record.job_id)
        return Look(record=dropped)

    def _missed(self, record: JobRecord, change: Callable[..., JobRecord], error: BatchwrightError) -> Look:
        """Note that the provider does not know the job or its results; said often enough, the job is lost."""
        changed = self._change(record, partial(change, now=self.clock.now()))
        return Look(record=changed, error=None if status_of(changed) is JobStatus.FAILED else error)

    def _trouble(self, record: JobRecord, error: BatchwrightError) -> Look:
        log.warning("looking at a job failed", extra={"event": "job.trouble", "job_id": record.job_id})
        return Look(record=self._change(record, partial(lifecycle.troubled, error=error)), error=error)

    def _change(self, record: JobRecord, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        """Apply what was learned about `record`, unless another process has moved the job on since."""
        return self.store.update(record.job_id, lambda now: change(now) if lifecycle.unmoved(now, record) else now)


def _name_of(record: JobRecord) -> str:
    if record.job_name is None:
        raise TrackingError(f"{record.job_id} was never created at {record.provider_name}")
    return record.job_name
