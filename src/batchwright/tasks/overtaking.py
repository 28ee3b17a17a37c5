"""Live answers for items that jobs asked about before: the jobs' own answers are older, and come too late."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from batchwright.errors import InputError
from batchwright.job import JobRecord
from batchwright.tasks.base import Task
from batchwright.tasks.planning import DocumentKey, key_of
from batchwright.tasks.remaining import answered_items
from batchwright.tracking.base import JobStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaking:
    """Notes in the records of jobs, whatever their state, what a live run answers after they were planned.

    Jobs are fetched late, and more than once; a record that is taken along to another machine has the note with it.
    """

    store: JobStore

    def note(self, key: DocumentKey, items: Collection[int]) -> None:
        """Note that items of a document are answered anew. Raises `TrackingError`."""
        change = partial(overtaken, key=key, items=frozenset(items))
        changes = {record.job_id: change for record in self.store.load() if change(record) != record}
        if changes:
            self.store.update_many(changes)


def overtaken(record: JobRecord, *, key: DocumentKey, items: frozenset[int]) -> JobRecord:
    """Return the record with a note on those of a document's items that its job asked about. Pure."""
    batches = tuple(
        replace(batch, overtaken=tuple(sorted(items.intersection(batch.item_ids).union(batch.overtaken))))
        if (batch.group, batch.document) == key
        else batch
        for batch in record.batches
    )
    return record if batches == record.batches else replace(record, batches=batches)


def newer_rows(records: Iterable[JobRecord], record: JobRecord, task: Task) -> dict[DocumentKey, set[int]]:
    """Return the items of a job whose rows are newer than its answers, by document: these rows stay.

    A job planned later, by force, has answered them, or a live run has and the row is there. What live runs noted is
    taken from `records`: `record` may be older.
    """
    about = {(batch.group, batch.document) for batch in record.batches}
    newer: dict[DocumentKey, set[int]] = {}
    noted: dict[DocumentKey, set[int]] = {}
    for other in records:
        if other.job_id == record.job_id:
            for batch in other.batches:
                if batch.overtaken:
                    noted.setdefault((batch.group, batch.document), set()).update(batch.overtaken)
        elif other.created_at > record.created_at and other.collected_at is not None:
            for batch in other.batches:
                key = (batch.group, batch.document)
                if key in about:
                    newer.setdefault(key, set()).update(set(batch.item_ids) - set(batch.unanswered or ()))
    for key, items in noted.items():
        newer.setdefault(key, set()).update(items & _with_row(task, key))
    return newer


def _with_row(task: Task, key: DocumentKey) -> AbstractSet[int]:
    """Return the items of a document that have a row; what is wrong with its report, writing it says."""
    document = next((document for document in task.documents() if key_of(document) == key), None)
    with suppress(InputError):
        if document is not None:
            return answered_items(task, document)
    return frozenset()
