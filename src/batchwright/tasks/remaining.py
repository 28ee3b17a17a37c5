"""What is left to ask of a task's documents, by the rows of their reports and the jobs that are remembered."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field

from batchwright.errors import InputError
from batchwright.job import JobRecord, JobState
from batchwright.reports.document_csv import answered_ids
from batchwright.tasks.base import Document, StreamingTask, Task
from batchwright.tasks.planning import DocumentKey, DocumentPlan, key_of, pending_items, plan_documents


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

    def leave(self, keys: Collection[DocumentKey], reason: str) -> None:
        """Skip documents of the plan that have something left to ask."""
        kept = []
        for plan in self.documents:
            if key_of(plan.document) in keys and next(plan.cells(), None) is not None:
                self.skipped.append(Skipped(document=plan.document, reason=reason))
            else:
                kept.append(plan)
        self.documents = tuple(kept)


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


def answered_items(task: Task, document: Document) -> AbstractSet[int]:
    """Return the ids of a document's items that are answered: they have a row in its report. Raises `InputError`."""
    if isinstance(task, StreamingTask):
        return task.answered(document)
    path = task.report_path(document.group, document.name)
    with suppress(OSError):  # what else is wrong with it, reading it says
        if not path.exists():  # most documents of a first run: their items need not be looked at
            return frozenset()
    return answered_ids(path, task.report, task.identify(document))
