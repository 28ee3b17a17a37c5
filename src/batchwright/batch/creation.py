"""From documents to planned jobs: what is left to ask, written into wire files and remembered, nothing sent yet."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from batchwright.batch.assembler import Assembly, JobAssembler
from batchwright.batch.collector import answered_items
from batchwright.batch.planner import DocumentKey, DocumentPlan, key_of, pending_items, plan_documents
from batchwright.errors import InputError
from batchwright.job import JobRecord, JobState
from batchwright.tasks.base import Document, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A document that could not be asked about, and why."""

    document: Document
    reason: str


@dataclass(slots=True)
class Planned:
    """What planning found and made; filled while `write_jobs` runs."""

    documents: tuple[DocumentPlan, ...] = ()
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Items whose rows are there already."""
        return sum(plan.answered for plan in self.documents)

    @property
    def pending(self) -> int:
        """Items that jobs created before will bring."""
        return sum(plan.pending for plan in self.documents)


def what_is_left(
    documents: Sequence[Document],
    *,
    task: Task,
    records: Sequence[JobRecord],
    batch_size: int,
    limit: int | None,
    force: bool,
) -> Planned:
    """Decide what to ask; with `force`, everything but what an unresolved job may have paid for.

    A document whose report cannot be read is skipped and named.
    """
    answered: dict[DocumentKey, Collection[int]] = {}
    planned = Planned()
    readable = []
    for document in documents:
        try:
            answered[key_of(document)] = () if force else answered_items(task, document)
        except InputError as error:
            planned.skipped.append(Skipped(document=document, reason=str(error)))
        else:
            readable.append(document)
    live = [record for record in records if record.state is JobState.SUBMITTING] if force else records
    pending = pending_items(live)
    planned.documents = plan_documents(readable, answered=answered, pending=pending, batch_size=batch_size, limit=limit)
    return planned


def write_jobs(planned: Planned, assembly: Assembly) -> Iterator[JobRecord]:
    """Write the wire files of everything planned and yield each job as soon as its file is durable.

    A document that cannot be read is skipped from there on and noted in `planned.skipped`.
    """
    with JobAssembler(assembly) as assembler:
        yield from _written(planned, assembler, assembly.task)


def _written(planned: Planned, assembler: JobAssembler, task: Task) -> Iterator[JobRecord]:
    for plan in planned.documents:
        try:
            yield from _requests_of(plan, assembler, task)
        except InputError as error:
            planned.skipped.append(Skipped(document=plan.document, reason=str(error)))
    yield from assembler.finish()


def _requests_of(plan: DocumentPlan, assembler: JobAssembler, task: Task) -> Iterator[JobRecord]:
    for cell in plan.cells():
        yield from assembler.add(task.make_batch(plan.document, cell.index, cell.item_ids))
