"""How requests are packed into jobs. Pure; what there is to ask is decided in `tasks.planning`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from batchwright.job import BatchRef
from batchwright.providers.base import Limits
from batchwright.tasks.planning import DocumentKey


class JobsPer(StrEnum):
    """What one provider job holds."""

    BATCH = "batch"
    """One request: the guide's way, many small jobs."""
    DOCUMENT = "document"
    """All batches of one document."""
    RUN = "run"
    """Everything, in as few jobs as the provider's limits allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How full a job under construction is."""

    requests: int = 0
    size_bytes: int = 0
    last_document: DocumentKey | None = None


def belongs_in(fill: Fill, *, document: DocumentKey, size_bytes: int, jobs_per: JobsPer, limits: Limits) -> bool:
    """Say whether a request of `size_bytes` (with its separator) may join the job that is filled so far."""
    if fill.requests == 0:
        return True
    if fill.requests + 1 > limits.max_requests or fill.size_bytes + size_bytes > limits.max_bytes:
        return False
    return jobs_per is JobsPer.RUN or (jobs_per is JobsPer.DOCUMENT and document == fill.last_document)


def extended(batches: Sequence[BatchRef], batch: BatchRef) -> BatchRef | None:
    """Return the last batch with `batch` appended where both are runs of single items that meet; else None.

    Items with digests of their own stay apart: there is none of the run that could be compared later.
    """
    if not batches or not batch.per_item:
        return None
    last = batches[-1]
    meets = last.item_ids[-1] + 1 == batch.item_ids[0]
    alike = (last.group, last.document, last.digest) == (batch.group, batch.document, batch.digest)
    if not (last.per_item and meets and alike):
        return None
    return replace(last, item_ids=range(last.item_ids[0], batch.item_ids[-1] + 1))


def batch_at(batches: Sequence[BatchRef], position: int) -> BatchRef:
    """Return the batch that the request at `position` of a job belongs to. Raises `IndexError` beyond the last."""
    first = 0
    for batch in batches:
        if position < first + batch.request_count:
            return batch
        first += batch.request_count
    raise IndexError(f"the job has {first} requests, there is none at {position}")
