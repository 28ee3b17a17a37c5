"""Looking at jobs, once or until they are done, and saying what came of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batchwright.batch.orchestrator import Engine, Look
from batchwright.batch.watcher import Pace, looks
from batchwright.cli.exits import ExitCode, Terminated, exit_code_of
from batchwright.cli.money import cost, tokens
from batchwright.cli.output import data, shown_path, talk, warning
from batchwright.cli.progress import Progress
from batchwright.cli.subjects import where
from batchwright.errors import ClaimedJobError, ConfigurationError, LLMProviderConfigurationError, LLMQuotaError
from batchwright.job import JobRecord, JobState, JobStatus, status_of
from batchwright.pricing.spending import Sum

_REMOTE_FAILURES = frozenset({JobState.FAILED, JobState.EXPIRED, JobState.CANCELLED, JobState.LOST})

_HOPELESS = (LLMProviderConfigurationError, LLMQuotaError, ConfigurationError)
"""No key, no credit, or a provider or task nobody knows: looking again does not help until a person acts."""

WATCH = "batchwright batch-watch"
"""How to come back to jobs that are waited for."""

SHORTEST_LOOK = 5.0
"""Seconds that a look may take although the timeout is over, so that the one at its end is not cut off."""


@dataclass(slots=True)
class Findings:
    """The last look at each job."""

    looks: dict[str, Look] = field(default_factory=dict)

    def take(self, look: Look) -> None:
        """Remember a look, in place of an earlier one at the same job; of one that was split, its halves' count."""
        self.looks[look.record.job_id] = look
        if look.halves:
            del self.looks[look.record.job_id]

    def of_status(self, status: JobStatus) -> list[JobRecord]:
        """Return the jobs that now have `status`."""
        return [look.record for look in self.looks.values() if status_of(look.record) is status]

    @property
    def spent(self) -> Sum:
        """What the answers that were collected used and cost."""
        collections = (look.collection for look in self.looks.values() if look.collection is not None)
        return sum((collection.spent for collection in collections), start=Sum())

    def dead_end(self) -> ExitCode | None:
        """Return the exit code for trouble with a key, the account or a setting: then the work was not done."""
        for look in self.looks.values():
            if isinstance(look.error, _HOPELESS):
                return exit_code_of(look.error)
        return None

    def strict_verdict(self) -> ExitCode:
        """Return 5 where a job failed at the provider, 3 where items failed, else 0."""
        failed = self.of_status(JobStatus.FAILED)
        if any(record.state in _REMOTE_FAILURES for record in failed):
            return ExitCode.JOB_FAILED
        return ExitCode.ITEMS_FAILED if failed else ExitCode.OK


def to_collect(records: Iterable[JobRecord]) -> list[JobRecord]:
    """Return the jobs a later look may still change.

    Pending ones, those whose answers could not be written, and those a person was asked about, which may show yet.
    """
    return [
        record
        for record in records
        if status_of(record) is JobStatus.PENDING or record.state is JobState.SUBMITTING or _unwritten(record)
    ]


def ended_with_gaps(records: Iterable[JobRecord], *, since: datetime) -> list[JobRecord]:
    """Return jobs that ended after `since` and left items unanswered."""
    return [
        record
        for record in records
        if record.ended_at is not None
        and record.ended_at >= since
        and record.job_name is not None
        and status_of(record) is JobStatus.FAILED
    ]


def hours_ago(now: datetime, hours: float) -> datetime:
    """Return the moment `hours` before `now`."""
    return now - timedelta(hours=hours)


def look_once(engine: Engine, records: Sequence[JobRecord]) -> Findings:
    """Look at each job once and print what it brought. Raises `InputError` if the answers could not be written."""
    _open_tasks(engine, records)
    findings = Findings()
    for look in engine.look_at_all(records):
        findings.take(look)
        print_look(look)
    return findings


def wait_for(
    engine: Engine, records: Sequence[JobRecord], *, pace: Pace, timeout: float | None, come_back: str = WATCH
) -> ExitCode:
    """Look again and again until nothing is pending or `timeout` seconds are over; print each job when it is done.

    Ctrl-C or SIGTERM leaves the jobs at the provider as they are, says to come back with `come_back`, and is raised
    again. Raises `InputError` at once if the answers could not be written.
    """
    _open_tasks(engine, records)
    findings = Findings()
    waiting = list(records)
    started = engine.clock.monotonic()
    try:
        with Progress(engine.clock) as progress:
            for _ in looks(engine.clock, pace, timeout=timeout):
                left = None if timeout is None else timeout - (engine.clock.monotonic() - started)
                still = _still_waiting(engine, waiting, findings, progress, timeout=left)
                waiting = sorted(still, key=lambda record: record.job_id)
                progress.show(waiting, findings.looks)
                if not waiting:
                    break
    except (KeyboardInterrupt, Terminated):
        talk(f"Detached; the jobs go on at the provider. Come back with: {come_back}")
        raise
    summarise(findings)
    if waiting:
        talk(f"Stopped waiting; the jobs go on at the provider. Come back with: {come_back}")
        return ExitCode.TIMEOUT
    return findings.dead_end() or findings.strict_verdict()


def _open_tasks(engine: Engine, records: Iterable[JobRecord]) -> None:
    """Read what answers are matched with, before anything is asked. Raises `InputError` if it cannot be used."""
    for name in sorted({record.task for record in records}):
        try:
            engine.task_of(name)
        except ConfigurationError:
            continue  # a task this version does not know is its own jobs' trouble, and told with them


def _still_waiting(
    engine: Engine, waiting: Sequence[JobRecord], findings: Findings, progress: Progress, *, timeout: float | None
) -> Iterator[JobRecord]:
    """Look at every job once; yield those worth another look, print the others, and trouble that is new.

    Jobs whose look does not end within `timeout` seconds are still waited for.
    """
    unseen = {record.job_id: record for record in waiting}
    for look in engine.look_at_all(waiting, timeout=None if timeout is None else max(timeout, SHORTEST_LOOK)):
        unseen.pop(look.record.job_id, None)
        unseen.update({half.job_id: half for half in look.halves})
        before = findings.looks.get(look.record.job_id)
        findings.take(look)
        hopeless = isinstance(look.error, _HOPELESS)
        again = status_of(look.record) is JobStatus.PENDING and not hopeless
        news = look.error is not None and (before is None or str(before.error) != str(look.error))
        if news or not again:
            with progress.printing():
                print_look(look)
        if again:
            yield look.record
    yield from unseen.values()


def print_look(look: Look) -> None:
    """Print one job in the guide's form."""
    record = look.record
    if look.halves:
        data(f"Job {record.job_id}: too large, split into {' and '.join(half.job_id for half in look.halves)}")
        return
    data(f"Job {record.job_id} ({where(record)})")
    if look.collection is not None:
        for saved in look.collection.saved:
            data(f"  Saved {saved.rows} result(s) to {shown_path(saved.path)}")
        if not look.collection.saved:
            data("  No results returned")
        for message in look.collection.warnings:
            warning(message)
    status = status_of(record)
    if status is JobStatus.FAILED:
        data(f"  Error processing job: {record.error_message}")
    elif isinstance(look.error, ClaimedJobError):
        data(f"  Status: {_shown_state(record)} (still pending): {look.error}")
    elif look.error is not None:
        data(f"  Error checking job: {look.error} (still pending)")
    elif status is JobStatus.PENDING:
        data(f"  Status: {_shown_state(record)} (still pending)")


def _shown_state(record: JobRecord) -> str:
    return (record.provider_state or record.state).upper()


def summarise(findings: Findings) -> None:
    """Print the guide's summary."""
    data("Summary:")
    data(f"  Checked: {len(findings.looks)}")
    data(f"  Completed: {len(findings.of_status(JobStatus.COMPLETED))}")
    data(f"  Failed: {len(findings.of_status(JobStatus.FAILED))}")
    data(f"  Still pending: {len(findings.of_status(JobStatus.PENDING))}")
    spent = findings.spent
    if spent.requests:
        data(f"  Tokens: {tokens(spent.usage)}")
        data(f"  Cost: {cost(spent)}")


def _unwritten(record: JobRecord) -> bool:
    return record.state.ended and record.collected_at is None and record.state not in {JobState.FAILED, JobState.LOST}
