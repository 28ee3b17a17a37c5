"""Halve a planned job that the provider finds too large; its requests stay as they were written."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from batchwright.batch import lifecycle
from batchwright.batch.sending.assembler import BYTES_PER_TOKEN
from batchwright.batch.sending.wire_file import write_under
from batchwright.errors import TrackingError
from batchwright.job import BatchRef, JobRecord
from batchwright.providers.base import WireFormat
from batchwright.providers.payload import read_payload
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders


def halve(
    record: JobRecord,
    wire: WireFormat,
    *,
    store: JobStore,
    folders: JobFolders,
    new_job_id: Callable[[], str],
    now: datetime,
) -> tuple[JobRecord, JobRecord]:
    """Put two planned jobs in the place of one. The caller holds the job's claim and the turn to plan.

    Raises `TrackingError` when the job is a single request or its wire file is not here.
    """
    if record.request_count == 1:
        raise TrackingError(f"{record.job_id} is one request and too large for {record.provider_name} even so")
    middle = record.request_count // 2
    path = folders.requests_path(record.job_id, wire.suffix)
    halves = []
    for first, count in ((0, middle), (middle, record.request_count - middle)):
        half = replace(
            record,
            job_id=new_job_id(),
            batches=tuple(batches_between(record.batches, first, first + count)),
            request_count=count,
            attempts=(),
            last_error=None,
            error_message=None,
        )
        requests = islice(read_payload(path, wire), first, first + count)
        own_path = folders.requests_path(half.job_id, wire.suffix)
        size = write_under(f"{half.job_id}-a1", requests, wire, folders=folders, path=own_path)
        halves.append(replace(half, input_tokens=size // BYTES_PER_TOKEN))
        folders.keep(halves[-1])
    # In this order: a process that dies in between leaves items that nobody has and that are planned again.
    store.update(record.job_id, lambda old: lifecycle.split_up(old, halves, now))
    store.add(halves)
    folders.forget(record.job_id)
    return halves[0], halves[1]


def batches_between(batches: Sequence[BatchRef], first: int, end: int) -> Iterator[BatchRef]:
    """Yield the batches of the requests from `first` up to `end`, cutting a run of single items where need be."""
    position = 0
    for batch in batches:
        start, stop = max(first, position), min(end, position + batch.request_count)
        if start < stop:
            part = slice(start - position, stop - position)
            yield replace(batch, item_ids=batch.item_ids[part]) if batch.per_item else batch
        position += batch.request_count
