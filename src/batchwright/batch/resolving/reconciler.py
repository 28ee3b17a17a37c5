"""Find out what became of a create whose answer was lost. Never guesses: found, proven absent, or left as it is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from batchwright.batch import lifecycle
from batchwright.batch.patience import Patience, patiently
from batchwright.batch.resolving import unresolved
from batchwright.batch.resolving.matching import (
    CLOCK_SKEW,
    Match,
    match_by_age_and_size,
    match_exactly,
    missing_from,
    proves,
)
from batchwright.batch.resolving.unresolved import Verdict, judge_silence
from batchwright.clock import Clock
from batchwright.errors import LLMProviderError, TrackingError
from batchwright.job import Attempt, BatchJob, CreateCall, JobRecord, JobState
from batchwright.providers.base import Fence, Provider
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Resolves jobs in state `submitting` whose sender is dead."""

    store: JobStore
    folders: JobFolders
    clock: Clock
    patience: Patience
    grace: timedelta
    """How long a job must be missing from the list before that says something; more than a list usually lags."""
    unfenced_grace: timedelta
    """The same at a provider where a create that takes effect late cannot be kept from running."""

    def resolve(self, job_id: str, provider: Provider) -> JobRecord:
        """Look for the job at the provider and return its record: adopted, planned again, or still unresolved.

        Raises `ClaimedJobError` while its sender lives, `LLMProviderError` when the provider cannot be asked.
        """
        with self.folders.claim(job_id):
            record = self.store.get(job_id)
            if record.state is not JobState.SUBMITTING:
                return record
            attempt = record.attempts[-1]
            if attempt.create is CreateCall.HELD:
                log.info("job never sent", extra={"event": "job.unsent", "job_id": job_id})
                return self._change(record, unresolved.never_sent)
            if record.account != provider.account:
                return self._change(record, unresolved.unresolved_elsewhere)
            return self._conclude(record, attempt, self._look(record, attempt, provider), provider)

    def adopt(self, job_id: str, job_name: str, provider: Provider) -> JobRecord:
        """Take the provider's job `job_name` for ours, because a person says so.

        Raises `LLMProviderError` when it cannot be looked at, `TrackingError` when another record has it.
        """
        with self.folders.claim(job_id):
            record = self._unresolved(job_id)
            owner = next((other for other in self.store.load() if other.job_name == job_name), None)
            if owner is not None:
                raise TrackingError(f"{job_name} is {owner.job_id} already; it cannot be {job_id} as well")
            job = patiently(lambda: provider.get_batch_job(job_name), clock=self.clock, patience=self.patience)
            return self._change(record, partial(lifecycle.created, job=job, now=self.clock.now()))

    def declare_absent(self, job_id: str, provider: Provider) -> JobRecord:
        """Plan the job again, because a person says that it was never created.

        Its input is deleted first, where that can be: no create that comes late makes the person wrong. Raises
        `LLMProviderError` when that fails, and nothing is changed.
        """
        with self.folders.claim(job_id):
            record = self._unresolved(job_id)
            if record.account == provider.account:
                self._delete_input(record.attempts[-1], provider)
            return self._change(record, unresolved.proven_absent)

    def _unresolved(self, job_id: str) -> JobRecord:
        record = self.store.get(job_id)
        if record.state is not JobState.SUBMITTING:
            raise TrackingError(f"{job_id} is {record.state} meanwhile; there is nothing to decide any more")
        return record

    def _look(self, record: JobRecord, attempt: Attempt, provider: Provider) -> Match:
        since = attempt.started_at - CLOCK_SKEW
        listed = patiently(lambda: list(provider.list_jobs(since)), clock=self.clock, patience=self.patience)
        known = self.store.load()
        if provider.tags_jobs:
            match = match_exactly(attempt, listed)
        else:
            taken = {other.job_name for other in known if other.job_name is not None}
            match = self._prove(attempt, match_by_age_and_size(record, attempt, listed, taken), provider)
        return replace(match, behind=missing_from(listed, record, attempt, known))

    def _prove(self, attempt: Attempt, match: Match, provider: Provider) -> Match:
        """Read the first answer of each candidate that has ended; drop those that are somebody else's."""
        unproven = []
        for job in match.candidates:
            verdict = self._is_ours(attempt, job, provider) if job.done else None
            if verdict:
                return Match(found=job)
            if verdict is None:
                unproven.append(job)
        return Match(candidates=tuple(unproven))

    def _is_ours(self, attempt: Attempt, job: BatchJob, provider: Provider) -> bool | None:
        return proves(
            attempt,
            patiently(lambda: next(iter(provider.results(job)), None), clock=self.clock, patience=self.patience),
        )

    def _conclude(self, record: JobRecord, attempt: Attempt, match: Match, provider: Provider) -> JobRecord:
        now = self.clock.now()
        if match.found is not None:
            log.info("job found again", extra={"event": "job.adopted", "job_id": record.job_id})
            return self._change(record, partial(lifecycle.created, job=match.found, now=now))
        if match.candidates:
            return self._change(record, partial(unresolved.unproven, candidates=match.candidates))
        if match.behind is not None:
            return self._change(record, partial(unresolved.not_listed_yet, witness=match.behind))
        return self._judge(record, attempt, provider, now)

    def _judge(self, record: JobRecord, attempt: Attempt, provider: Provider, now: datetime) -> JobRecord:
        """Do what follows from not finding the job."""
        can_fence = isinstance(provider, Fence) and attempt.file_id is not None
        grace = self.grace if can_fence or attempt.restored else self.unfenced_grace
        match judge_silence(attempt, since=record.missed_at, can_fence=can_fence, grace=grace, now=now):
            case Verdict.LOOK_AGAIN:
                return self._change(record, partial(unresolved.not_listed, grace=grace, now=now))
            case Verdict.FENCE:
                return self._fence(record, attempt, provider, grace)
            case Verdict.LEAVE:
                return self._change(record, unresolved.left)
            case Verdict.ABSENT:
                log.info("job proven absent", extra={"event": "job.absent", "job_id": record.job_id})
                return self._change(record, unresolved.proven_absent)

    def _fence(self, record: JobRecord, attempt: Attempt, provider: Provider, grace: timedelta) -> JobRecord:
        try:
            self._delete_input(attempt, provider)
        except LLMProviderError as error:
            return self._change(record, partial(unresolved.not_fenced, error=error))
        log.info("input deleted", extra={"event": "job.fenced", "job_id": record.job_id})
        return self._change(record, partial(unresolved.fenced, grace=grace, now=self.clock.now()))

    def _delete_input(self, attempt: Attempt, provider: Provider) -> None:
        file_id = attempt.file_id
        if file_id is not None and isinstance(provider, Fence):
            patiently(lambda: provider.delete_input(file_id), clock=self.clock, patience=self.patience)

    def _change(self, record: JobRecord, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        return self.store.update(record.job_id, change)
