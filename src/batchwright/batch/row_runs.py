"""From a dataset run to planned jobs: every row that has no answer and waits in no job, written into wire files."""

from collections.abc import Collection, Iterator, Sequence

from batchwright.batch.assembler import Assembly, JobAssembler
from batchwright.job import JobRecord
from batchwright.providers.prepared import prepare
from batchwright.run import RowSet
from batchwright.tasks.base import Document, StreamingTask
from batchwright.tasks.planning import is_live
from batchwright.tasks.rows import RowsTask
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders


def write_row_jobs(
    task: StreamingTask, document: Document, assembly: Assembly, *, records: Sequence[JobRecord]
) -> Iterator[JobRecord]:
    """Write the wire files of a document's open items and yield each job as soon as its file is durable.

    Left out are items that are answered or that a job of `records` will bring. Raises `InputError` for a row or an
    attachment that cannot be read, or a request that is larger than a job may be.
    """
    left_out = _left_out(task, document, records)
    ref = task.make_batch(document, 0, document.item_ids)
    request = task.pattern(document)
    pattern = None if request is None else prepare(assembly.provider.wire, request)
    with JobAssembler(assembly) as assembler:
        if pattern is not None:
            yield from assembler.pour(ref, task.texts(document, left_out), pattern)
        else:
            for item, one in task.requests(document, left_out):
                yield from assembler.put(task.make_batch(document, 0, (item,)), one)
        yield from assembler.finish()


def plan_run(
    task: RowsTask, run_id: str, assembly: Assembly, *, store: JobStore, folders: JobFolders
) -> list[JobRecord]:
    """Plan what is open of a run, in one turn among processes, and remember the jobs; nothing is sent yet.

    Raises what `write_row_jobs` raises; then nothing is remembered, and a job's file that is whole is of no use.
    """
    with folders.planning():
        jobs = list(write_row_jobs(task, task.document(run_id), assembly, records=store.load()))
        store.add(jobs)
        for record in jobs:
            folders.keep(record)
    return jobs


def _left_out(task: StreamingTask, document: Document, records: Sequence[JobRecord]) -> Collection[int]:
    """Return the items not to ask about, in a byte each."""
    waiting = (
        item
        for record in records
        if is_live(record)
        for batch in record.batches
        if (batch.group, batch.document) == (document.group, document.name)
        for item in batch.item_ids
    )
    return RowSet(waiting) | task.answered(document)
