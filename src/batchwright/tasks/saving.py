"""Where answers end up: rows in a document's report, and from these its entry in the state file."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchwright.reports.document_csv import merge_rows
from batchwright.tasks.base import Document, Row, Task
from batchwright.tasks.planning import DocumentKey, key_of
from batchwright.tasks.remaining import answered_items
from batchwright.tracking.state import DocumentProgress, StateFile, completed_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedReport:
    """Rows of one job written to one document's report."""

    group: str
    document: str
    path: Path
    rows: int


def save_rows(
    task: Task, key: DocumentKey, rows: Sequence[Row], *, lock_folder: Path, csv_safe: bool = False
) -> SavedReport | None:
    """Merge rows into one document's report, where they are durable when this returns; None where there are none.

    Raises `InputError` if the report cannot be read or written, `TrackingError` if its turn does not come; nothing was
    changed then.
    """
    if not rows:
        return None
    group, document = key
    path = task.report_path(group, document)
    merge_rows(path, task.report, rows, lock_folder=lock_folder, csv_safe=csv_safe)
    return SavedReport(group=group, document=document, path=path, rows=len(rows))


def progress_of(task: Task, document: Document, batch_size: int) -> DocumentProgress:
    """Return how far a document is, from the rows of its report. Raises `InputError` if that cannot be read."""
    total = len(document.item_ids)
    return DocumentProgress(
        group=document.group,
        document=document.name,
        completed_batches=completed_batches(total, answered_items(task, document), batch_size),
        total_items=total,
    )


def record_progress(state: StateFile, task: Task, keys: Collection[DocumentKey], batch_size: int) -> None:
    """Write into the state file which batches of the named documents have all their rows.

    Raises `InputError` for a report that cannot be read, `TrackingError` for a state file that cannot be written.
    """
    state.record(progress_of(task, document, batch_size) for document in task.documents() if key_of(document) in keys)
