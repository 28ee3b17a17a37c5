"""Ask again what a collected job left open: only the requests that have no usable answer."""

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from batchwright.batch.collecting.answers import place_of
from batchwright.batch.collecting.row_runs import write_items
from batchwright.batch.retries import MAX_RETRIES, Again, Left, judge, open_requests, retries_of
from batchwright.batch.sending.assembler import Assembly, JobAssembler
from batchwright.errors import InputError
from batchwright.job import BatchRef, JobRecord
from batchwright.result import Result
from batchwright.tasks.base import Document, Handled, Kept, StreamingTask, Task
from batchwright.tasks.claims import BUSY
from batchwright.tasks.complaints import complaint_about
from batchwright.tasks.planning import DocumentKey
from batchwright.tracking.payloads import JobFolders


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryWish:
    """How to retry."""

    max_retries: int = MAX_RETRIES
    include_invalid: bool = False
    """Also requests that the provider called invalid or blocked, which would most likely fail the same way."""
    repair: bool = False
    """Tell the model what was wrong with an answer that arrived and could not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A batch that is asked again."""

    batch: BatchRef
    """With the digest of what its items say now."""
    complaint: str | None
    """Why the earlier answer could not be used, where the model is to be told."""


def wanted(
    parent: JobRecord,
    task: Task,
    folders: JobFolders,
    wish: RetryWish,
    *,
    settled: Mapping[DocumentKey, Collection[int]],
    busy: Collection[DocumentKey] = (),
) -> Iterator[Wanted | Left]:
    """Yield what a collected job left open: what is worth asking again, and what is left, and why.

    `settled` are items that need no asking: answered since, or in a live job; `busy` documents that a live run asks
    about at this moment. Raises `TrackingError` when the job's results cannot be read.
    """
    again = []
    for request in open_requests(parent, settled):
        if (request.batch.group, request.batch.document) in busy:
            yield Left(batch=request.batch, reason=BUSY)
        else:
            again.append(request)
    if again and not folders.results_path(parent.job_id).is_file():
        # Without them nobody knows which requests would only fail again.
        reason = f"its answers are not here; first: batchwright batch-fetch --job-names {parent.job_id}"
        yield from (Left(batch=request.batch, reason=reason) for request in again)
        return
    results = _results_at(parent, folders, {request.position for request in again})
    for request in again:
        yield _wanted(request, results.get(request.position), parent, task, wish)


def _wanted(request: Again, result: Result | None, parent: JobRecord, task: Task, wish: RetryWish) -> Wanted | Left:
    verdict = judge(
        request,
        result,
        retry=retries_of(parent),
        max_retries=wish.max_retries,
        include_invalid=wish.include_invalid,
    )
    if isinstance(verdict, Left):
        return verdict
    batch = verdict.batch
    document = Document(group=batch.group, name=batch.document, item_ids=batch.item_ids)
    try:
        complaint = _complaint(task, request, result) if wish.repair else None
        return Wanted(batch=task.make_batch(document, batch.index, batch.item_ids), complaint=complaint)
    except InputError as error:
        return Left(batch=batch, reason=str(error))


@dataclass(slots=True, kw_only=True)
class Retrying:
    """Asks again what one collected job left open, in new jobs."""

    parent: JobRecord
    assembly: Assembly
    folders: JobFolders
    wish: RetryWish
    settled: Mapping[DocumentKey, Collection[int]]
    """Items that need no asking: answered since, or in a live job."""
    busy: Collection[DocumentKey] = ()
    """Documents that a live run asks about at this moment."""
    left: list[Left] = field(default_factory=list)
    """What is not asked again, and why; filled while `write_jobs` runs."""

    def write_jobs(self) -> Iterator[JobRecord]:
        """Write the wire files of the new jobs and yield each as soon as its file is durable.

        Raises `TrackingError` when the parent's results cannot be read.
        """
        if isinstance(self.assembly.task, StreamingTask):
            yield from self._streamed(self.assembly.task)
            return
        again = wanted(self.parent, self.assembly.task, self.folders, self.wish, settled=self.settled, busy=self.busy)
        with JobAssembler(self.assembly) as assembler:
            for request in again:
                yield from self._written(request, assembler)
            yield from assembler.finish()

    def _streamed(self, task: StreamingTask) -> Iterator[JobRecord]:
        """Write the requests of a task whose answers lie in its own store, in one pass over its input."""
        items: set[int] = set()
        complaints: dict[int, str] = {}
        for batch in self.parent.batches:
            for item, kept in _open_items(task, batch, self.settled):
                request = Again(batch=replace(batch, item_ids=(item,)), position=0)
                verdict = self._judged(request, kept)
                if isinstance(verdict, Left):
                    self.left.append(verdict)
                    continue
                items.add(item)
                if self.wish.repair and kept is not None and kept.result.succeeded:
                    complaints[item] = complaint_about(Handled(warnings=(kept.error or "",)))
        if items:
            first = self.parent.batches[0]
            document = Document(group=first.group, name=first.document, item_ids=first.item_ids)
            yield from write_items(task, document, self.assembly, besides=_AllBut(items), complaints=complaints)

    def _judged(self, request: Again, kept: Kept | None) -> Again | Left:
        return judge(
            request,
            None if kept is None else kept.result,
            retry=retries_of(self.parent),
            max_retries=self.wish.max_retries,
            include_invalid=self.wish.include_invalid,
        )

    def _written(self, request: Wanted | Left, assembler: JobAssembler) -> Iterator[JobRecord]:
        if isinstance(request, Left):
            self.left.append(request)
            return
        try:
            yield from assembler.add(request.batch, complaint=request.complaint)
        except InputError as error:
            self.left.append(Left(batch=request.batch, reason=str(error)))


class _AllBut(Collection[int]):
    """Every item there may be but a few."""

    def __init__(self, items: Collection[int]) -> None:
        self._items = items

    def __contains__(self, item: object) -> bool:
        return item not in self._items

    def __iter__(self) -> Iterator[int]:
        raise TypeError("there is no end to them")

    def __len__(self) -> int:
        return sys.maxsize


def _open_items(
    task: StreamingTask, batch: BatchRef, settled: Mapping[DocumentKey, Collection[int]]
) -> Iterator[tuple[int, Kept | None]]:
    """Yield the items of a batch that nobody answered and no live job will bring, with what is kept of each."""
    done = settled.get((batch.group, batch.document), ())
    left = {item for item in batch.unanswered or () if item not in done}
    for kept in task.kept(batch):
        if kept.item in left:
            left.discard(kept.item)
            yield kept.item, kept
    yield from ((item, None) for item in sorted(left))


def _complaint(task: Task, request: Again, result: Result | None) -> str | None:
    """Return what the task says against an answer that arrived; None where none did."""
    if result is None or not result.succeeded:
        return None
    return complaint_about(task.handle_result(request.batch, result))


def _results_at(record: JobRecord, folders: JobFolders, positions: Collection[int]) -> dict[int, Result]:
    """Return the results at the given positions; the rest of the file is only passed over."""
    found: dict[int, Result] = {}
    for result in folders.results(record.job_id):
        place = place_of(record, result)
        if place is not None and place in positions:
            found.setdefault(place, result)
    return found
