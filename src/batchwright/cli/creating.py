"""The steps of `batch-create`; `demo` takes them as well."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from batchwright.batch.sending.assembler import Assembly, OpenPayload, PayloadSink
from batchwright.batch.sending.creation import write_jobs
from batchwright.batch.sending.planner import JobsPer
from batchwright.cli.workbench import Workbench
from batchwright.errors import InputError
from batchwright.job import JobRecord, JobState
from batchwright.providers.base import Provider
from batchwright.sources.names import select
from batchwright.tasks.base import Task
from batchwright.tasks.claims import BUSY, DocumentClaims
from batchwright.tasks.planning import DocumentKey, key_of, pending_items
from batchwright.tasks.remaining import Planned, answered_items, what_is_left

PLACEHOLDER_JOB_ID = "job-000000000000"
"""Stands for a job's id where nothing is made, so that two dry runs print the same."""

NO_KEY = "not-sent"
"""Stands for the key where nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person asked to be created."""

    provider_name: str
    model: str | None = None
    subjects: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    batch_size: int
    jobs_per: JobsPer = JobsPer.RUN
    limit: int | None = None
    force: bool = False


def plan(workbench: Workbench, task: Task, choice: Choice) -> Planned:
    """Decide what to ask. Raises `ConfigurationError` for a subject or document that is not there, `InputError`."""
    return what_is_left(
        select(task.documents(), choice.subjects, choice.documents),
        task=task,
        records=workbench.store.load(),
        batch_size=choice.batch_size,
        limit=choice.limit,
        force=choice.force,
    )


def write_planned(
    workbench: Workbench, task: Task, provider: Provider, choice: Choice
) -> tuple[Planned, list[JobRecord]]:
    """Plan, write the wire files and remember the jobs, in one turn among processes; nothing is sent yet."""
    with workbench.folders.planning():
        planned = plan(workbench, task, choice)
        busy = DocumentClaims(workbench.folders.locks).busy(key_of(plan.document) for plan in planned.documents)
        planned.leave(busy, BUSY)
        assembly = assembly_for(workbench, task, provider, batch_size=choice.batch_size, jobs_per=choice.jobs_per)
        jobs = list(write_jobs(planned, assembly))
        workbench.remember(jobs)
    return planned, jobs


def left_behind(workbench: Workbench) -> list[JobRecord]:
    """Return jobs that were planned and never sent: their process was stopped, or the provider asked to wait."""
    return [
        record
        for record in workbench.store.load()
        if record.state is JobState.PLANNED and not workbench.folders.is_claimed(record.job_id)
    ]


def left_for(workbench: Workbench, task: Task, choice: Choice) -> tuple[list[JobRecord], int]:
    """Return the jobs planned before that what was asked for now includes, and the number of the others.

    Raises `ConfigurationError` for a subject or document that is not there.
    """
    left = left_behind(workbench)
    selected = None
    if choice.subjects or choice.documents:
        selected = {key_of(document) for document in select(task.documents(), choice.subjects, choice.documents)}
    included = [record for record in left if _is_included(record, choice, selected)]
    return included, len(left) - len(included)


def _is_included(record: JobRecord, choice: Choice, selected: set[DocumentKey] | None) -> bool:
    """Whether sending a job does no more than was asked for; a limit counts batches that nobody has planned yet."""
    if choice.limit is not None or record.provider_name != choice.provider_name:
        return False
    return selected is None or all((batch.group, batch.document) in selected for batch in record.batches)


def settled_items(workbench: Workbench, about: Collection[DocumentKey], task: Task) -> dict[DocumentKey, set[int]]:
    """Return the items of each of the documents that are answered or in a live job. Raises `InputError`."""
    settled: dict[DocumentKey, set[int]] = {key: set() for key in about}
    for key, items in pending_items(workbench.store.load()).items():
        if key in settled:
            settled[key] |= items
    for document in task.documents():
        if key_of(document) in settled:
            settled[key_of(document)] |= answered_items(task, document)
    return settled


@dataclass(slots=True)
class FirstRequest:
    """A sink that keeps the first request and counts the rest."""

    provider: Provider
    first: bytes = b""
    size_bytes: int = 0

    def write(self, data: bytes) -> None:
        """Take a piece of a wire file."""
        self.size_bytes += len(data)
        framing = {self.provider.wire.head, self.provider.wire.separator, self.provider.wire.tail}
        if not self.first and data not in framing:
            self.first = data

    @contextmanager
    def open(self, _job_id: str, _suffix: str) -> Iterator["FirstRequest"]:
        """Take another job's wire file."""
        yield self


def rehearse(workbench: Workbench, task: Task, choice: Choice) -> tuple[Planned, list[JobRecord], FirstRequest]:
    """Do everything `write_planned` does, into nowhere: no file, no key, no network."""
    provider = workbench.provider(choice.provider_name, choice.model, api_key=NO_KEY)
    sink = FirstRequest(provider)
    planned = plan(workbench, task, choice)
    assembly = _elsewhere(workbench, task, provider, choice, sink.open)
    return planned, list(write_jobs(planned, assembly)), sink


def write_payloads(workbench: Workbench, choice: Choice, folder: Path) -> tuple[Planned, list[Path]]:
    """Write the wire files to `folder` and send nothing. Raises `InputError` if it cannot be written."""
    task = workbench.task()
    provider = workbench.provider(choice.provider_name, choice.model, api_key=NO_KEY)
    written: list[Path] = []

    @contextmanager
    def open_payload(job_id: str, suffix: str) -> Iterator[PayloadSink]:
        path = folder / f"{job_id}{suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            yield file
        written.append(path)

    planned = plan(workbench, task, choice)
    tracked = assembly_for(workbench, task, provider, batch_size=choice.batch_size, jobs_per=choice.jobs_per)
    assembly = replace(tracked, open_payload=open_payload)
    try:
        for _ in write_jobs(planned, assembly):
            pass
    except OSError as error:
        raise InputError(f"cannot write payloads to {folder}: {error.strerror or error}") from error
    return planned, written


def assembly_for(
    workbench: Workbench,
    task: Task,
    provider: Provider,
    *,
    batch_size: int,
    jobs_per: JobsPer = JobsPer.RUN,
    parent: JobRecord | None = None,
) -> Assembly:
    """Return how jobs are assembled that are tracked: their wire files lie in the jobs' folders."""
    folders = workbench.folders
    return Assembly(
        task=task,
        provider=provider,
        jobs_per=jobs_per,
        batch_size=batch_size,
        parent=parent,
        open_payload=lambda job_id, suffix: folders.writer(folders.requests_path(job_id, suffix)),
        new_job_id=workbench.job_ids,
        now=workbench.clock.now,
    )


def _elsewhere(workbench: Workbench, task: Task, provider: Provider, choice: Choice, sink: OpenPayload) -> Assembly:
    """Return how jobs are assembled that are only shown: always under the same id."""
    tracked = assembly_for(workbench, task, provider, batch_size=choice.batch_size, jobs_per=choice.jobs_per)
    return replace(tracked, open_payload=sink, new_job_id=lambda: PLACEHOLDER_JOB_ID)
