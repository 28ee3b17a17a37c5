"""Find out what became of a create whose answer was lost. Never guesses: found, proven absent, or left as it is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from batchwright.batch import lifecycle
from batchwright.batch.matching import CLOCK_SKEW, Match, match_by_age_and_size, match_exactly, missing_from, proves
from batchwright.batch.patience import Patience, patiently
from batchwright.clock import Clock
from batchwright.errors import TrackingError
from batchwright.job import Attempt, BatchJob, JobRecord, JobState
from batchwright.providers.base import Provider
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
    grace: float
    """Seconds between the two listings that prove a job absent; must exceed what a provider's list may lag."""

    def resolve(self, job_id: str, provider: Provider) -> JobRecord:
        """Look for the job at the provider and return its record: adopted, planned again, or still unresolved.

        Raises `ClaimedJobError` while its sender lives, `LLMProviderError` when the provider cannot be asked.
        """
        with self.folders.claim(job_id):
            record = self.store.get(job_id)
            if record.state is not JobState.SUBMITTING:
                return record
            if record.account != provider.account:
                return self._change(record, lifecycle.unresolved_elsewhere)
            attempt = record.attempts[-1]
            found = self._look(record, attempt, provider)
            return self._conclude(record, found)

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

    def declare_absent(self, job_id: str) -> JobRecord:
        """Plan the job again, because a person says that it was never created."""
        with self.folders.claim(job_id):
            return self._change(self._unresolved(job_id), lifecycle.proven_absent)

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

    def _conclude(self, record: JobRecord, match: Match) -> JobRecord:
        now = self.clock.now()
        if match.found is not None:
            log.info("job found again", extra={"event": "job.adopted", "job_id": record.job_id})
            return self._change(record, partial(lifecycle.created, job=match.found, now=now))
        if match.candidates:
            return self._change(record, partial(lifecycle.unproven, candidates=match.candidates))
        if match.behind is not None:
            return self._change(record, partial(lifecycle.not_listed_yet, witness=match.behind))
        if record.missed_at is None or now - record.missed_at < timedelta(seconds=self.grace):
            return self._change(record, partial(lifecycle.not_listed, now=now))
        if record.attempts[-1].restored:
            return self._change(record, lifecycle.left_restored)
        log.info("job proven absent", extra={"event": "job.absent", "job_id": record.job_id})
        return self._change(record, lifecycle.proven_absent)

    def _change(self, record: JobRecord, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        return self.store.update(record.job_id, change)
