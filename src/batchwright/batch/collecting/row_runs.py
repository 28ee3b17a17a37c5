"""From a dataset run to planned jobs: every row that has no answer and waits in no job, written into wire files."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from batchwright.batch.sending.assembler import Assembly, JobAssembler
from batchwright.job import JobRecord
from batchwright.providers.prepared import prepare
from batchwright.run import RowSet
from batchwright.tasks.base import Document, StreamingTask
from batchwright.tasks.complaints import with_complaint
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
    yield from write_items(task, document, assembly, besides=settled_items(task, document, records))


def write_items(
    task: StreamingTask,
    document: Document,
    assembly: Assembly,
    *,
    besides: Collection[int],
    complaints: Mapping[int, str] | None = None,
) -> Iterator[JobRecord]:
    """Write the wire files of all of a document's items but `besides`; as `write_row_jobs`.

    `complaints` say what was wrong with the earlier answers to some of them, and go into their requests.
    """
    ref = task.make_batch(document, 0, document.item_ids)
    request = task.pattern(document)
    pattern = None if request is None or complaints else prepare(assembly.provider.wire, request)
    with JobAssembler(assembly) as assembler:
        if pattern is not None:
            yield from assembler.pour(ref, task.texts(document, besides), pattern)
        else:
            for item, one in task.requests(document, besides):
                complaint = (complaints or {}).get(item)
                asked = one if complaint is None else with_complaint(one, complaint)
                yield from assembler.put(replace(ref, item_ids=(item,)), asked)
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


def settled_items(task: StreamingTask, document: Document, records: Iterable[JobRecord]) -> Collection[int]:
    """Return the items not to ask about, answered or in a job of `records` that may bring them, in a byte each."""
    waiting = (
        item
        for record in records
        if is_live(record)
        for batch in record.batches
        if (batch.group, batch.document) == (document.group, document.name)
        for item in batch.item_ids
    )
    return RowSet(waiting) | task.answered(document)
