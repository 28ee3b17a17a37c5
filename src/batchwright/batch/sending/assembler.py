"""Write planned batches into wire files, one job after another, in flat memory.

A job's requests go straight to its file as they are built; a new job is begun when the provider's limits, or the
person's wish for small jobs, say so. A job is handed on only when its file is whole and durable.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from types import TracebackType
from typing import Protocol, Self

from batchwright.batch.lifecycle import custom_id
from batchwright.batch.retries import retries_of
from batchwright.batch.sending.planner import Fill, JobsPer, belongs_in, extended
from batchwright.errors import InputError
from batchwright.job import BatchRef, JobRecord
from batchwright.providers.base import Provider
from batchwright.providers.prepared import PreparedRequest
from batchwright.request import Request
from batchwright.spans import Spans
from batchwright.tasks.base import Task
from batchwright.tasks.complaints import with_complaint

BYTES_PER_TOKEN = 4
"""A rough measure, good enough to keep clear of a quota that is learned by running into it."""

_PIECES = 64
"""Written together: a call for each adds up."""
_LARGE = 1 << 16
"""Bytes of a request that is written at once with those before it: memory stays flat."""


class PayloadSink(Protocol):
    """Where the bytes of one wire file go."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""
        ...


OpenPayload = Callable[[str, str], AbstractContextManager[PayloadSink]]
"""(job id, file suffix) → a sink whose file becomes whole and durable when the context ends without an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What stays the same for all jobs of one run."""

    task: Task
    provider: Provider
    jobs_per: JobsPer
    batch_size: int
    open_payload: OpenPayload
    parent: JobRecord | None = None
    """The job that is retried, if this is about one."""
    new_job_id: Callable[[], str]
    now: Callable[[], datetime]


@dataclass(slots=True)
class _OpenJob:
    """The one job that is being written."""

    job_id: str
    sink: PayloadSink
    closing: ExitStack
    fill: Fill = field(default_factory=Fill)
    batches: list[BatchRef] = field(default_factory=list)


class JobAssembler:
    """Takes batches one by one; yields each job's record when its wire file is complete. Use it in a `with`."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._next_id = assembly.new_job_id()
        self._open: _OpenJob | None = None

    def add(self, batch: BatchRef, *, complaint: str | None = None) -> Iterator[JobRecord]:
        """Build and write one batch's request; yield the job that had to be closed to make room, if any.

        `complaint` says why an earlier answer could not be used, and goes into the request.
        Raises `InputError` when the batch's document cannot be read or the request is larger than a job may be;
        nothing of the batch was written then.
        """
        request = self._assembly.task.build_request(batch, self._custom_id())
        yield from self.put(batch, request if complaint is None else with_complaint(request, complaint))

    def put(self, batch: BatchRef, request: Request) -> Iterator[JobRecord]:
        """Write a request about `batch` that is there already, under an id of the job's; as `add`."""
        assembly, wire = self._assembly, self._assembly.provider.wire
        line = wire.encode(replace(request, custom_id=self._custom_id()))
        self._check_size(batch, len(line))
        if self._open is not None and not belongs_in(
            self._open.fill,
            document=(batch.group, batch.document),
            size_bytes=len(wire.separator) + len(line),
            jobs_per=assembly.jobs_per,
            limits=assembly.provider.limits,
        ):
            yield self._end(self._open)
            line = wire.encode(replace(request, custom_id=self._custom_id()))
        self._write(self._open or self._begin(), batch, line)

    def pour(self, ref: BatchRef, texts: Iterable[tuple[int, str]], pattern: PreparedRequest) -> Iterator[JobRecord]:
        """Write a request for each (item id, text) that differs from the others in nothing else; yield each whole job.

        `ref` says what all of them are about; a job's own has the ids of its items. Costs a few microseconds a request,
        where `add` costs a few dozen. Raises `InputError` as `add` does, and what the texts raise.
        """
        yield from self.finish()
        waiting = iter(texts)
        held = next(waiting, None)
        while held is not None:
            job = self._begin()
            item_ids, held = self._fill(job, chain([held], waiting), pattern, ref)
            job.batches.append(replace(ref, item_ids=item_ids))
            yield self._end(job)

    def finish(self) -> Iterator[JobRecord]:
        """Close the job that is still open and yield it, if there is one."""
        if self._open is not None:
            yield self._end(self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop the job that is still open, if any: its file never becomes whole."""
        if self._open is not None:
            closing, self._open = self._open.closing, None
            abandoned = error or InputError("given up before it was finished")
            closing.__exit__(type(abandoned), abandoned, traceback)

    def _custom_id(self) -> str:
        job = self._open
        return custom_id(f"{self._next_id}-a1", 0) if job is None else custom_id(f"{job.job_id}-a1", job.fill.requests)

    def _check_size(self, batch: BatchRef, size: int) -> None:
        provider = self._assembly.provider
        framing = len(provider.wire.head) + len(provider.wire.tail)
        if size + framing > provider.limits.max_bytes:
            what, remedy = f"batch {batch.index}", "use a smaller --batch-size"
            if batch.per_item and len(batch.item_ids) == 1:
                what, remedy = f"row {batch.item_ids[0]} (counted from 0)", "shorten it, or leave it out"
            raise InputError(
                f"{batch.group}/{batch.document} {what}: its request of {size:,} bytes is larger than "
                f"{provider.name} takes ({provider.limits.max_bytes:,}); {remedy}"
            )

    def _begin(self) -> _OpenJob:
        assembly = self._assembly
        closing = ExitStack()
        sink = closing.enter_context(assembly.open_payload(self._next_id, assembly.provider.wire.suffix))
        self._open = _OpenJob(job_id=self._next_id, sink=sink, closing=closing)
        self._next_id = assembly.new_job_id()
        return self._open

    def _write(self, job: _OpenJob, batch: BatchRef, line: bytes) -> None:
        wire = self._assembly.provider.wire
        lead = wire.separator if job.fill.requests else wire.head
        job.sink.write(lead)
        job.sink.write(line)
        job.fill = Fill(
            requests=job.fill.requests + 1,
            size_bytes=(job.fill.size_bytes or len(wire.tail)) + len(lead) + len(line),
            last_document=(batch.group, batch.document),
        )
        longer = extended(job.batches, batch)
        if longer is None:
            job.batches.append(batch)
        else:
            job.batches[-1] = longer

    def _fill(
        self, job: _OpenJob, texts: Iterable[tuple[int, str]], pattern: PreparedRequest, ref: BatchRef
    ) -> tuple[Sequence[int], tuple[int, str] | None]:
        """Write requests until the job is full; return the ids of its items and what did not fit, if anything."""
        wire, limits, tag = self._assembly.provider.wire, self._assembly.provider.limits, f"{job.job_id}-a1"
        lead = wire.head
        pieces: list[bytes] = []
        most_requests, most_bytes = limits.max_requests, limits.max_bytes
        size, count, held = len(wire.tail), 0, None
        ids = array("q")
        for item, text in texts:
            line = pattern.encode(custom_id(tag, count), text)
            longer = size + len(lead) + len(line)
            if count == most_requests or longer > most_bytes:
                self._check_size(replace(ref, item_ids=(item,)), len(line))
                held = item, text
                break
            pieces += lead, line
            if len(pieces) >= _PIECES or len(line) > _LARGE:
                job.sink.write(b"".join(pieces))
                pieces.clear()
            ids.append(item)
            size = longer
            count += 1
            lead = wire.separator
        job.sink.write(b"".join(pieces))
        job.fill = Fill(requests=count, size_bytes=size, last_document=(ref.group, ref.document))
        return _run_of(ids), held

    def _end(self, job: _OpenJob) -> JobRecord:
        self._open = None
        job.sink.write(self._assembly.provider.wire.tail)
        job.closing.close()
        parent = self._assembly.parent
        return JobRecord(
            job_id=job.job_id,
            provider_name=self._assembly.provider.name,
            task=self._assembly.task.name,
            model=self._assembly.provider.model,
            batches=tuple(job.batches),
            request_count=job.fill.requests,
            batch_size=self._assembly.batch_size,
            parent=parent.job_id if parent else None,
            retries=retries_of(parent) if parent else 0,
            input_tokens=job.fill.size_bytes // BYTES_PER_TOKEN,
            created_at=self._assembly.now(),
        )


def _run_of(ids: "array[int]") -> Sequence[int]:
    """Return ascending ids as a range where there is no gap between them, else as several."""
    whole = not ids or ids[-1] - ids[0] + 1 == len(ids)
    return range(ids[0], ids[-1] + 1) if ids and whole else Spans(ids)
