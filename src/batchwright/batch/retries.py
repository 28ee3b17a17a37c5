"""What of a collected job is worth asking again. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from batchwright.job import BatchRef, JobRecord, JobState
from batchwright.result import Result, ResultStatus
from batchwright.tasks.planning import DocumentKey

MAX_RETRIES = 3
"""How often the same items are asked again, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A request that is worth sending again, for the items it left open."""

    batch: BatchRef
    position: int
    """Of the request in the job that is retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A request that is not sent again, and why."""

    batch: BatchRef
    reason: str


def retries_of(parent: JobRecord) -> int:
    """Return the number of a retry of `parent`, counted from 1; an expired job used up no try."""
    return parent.retries if parent.state is JobState.EXPIRED else parent.retries + 1


def open_requests(record: JobRecord, settled: Mapping[DocumentKey, Collection[int]]) -> Iterator[Again]:
    """Yield the requests of a collected job with items that nobody answered since and no live job will bring."""
    position = 0
    for batch in record.batches:
        done = settled.get((batch.group, batch.document), ())
        left = tuple(item for item in batch.unanswered or () if item not in done)
        if batch.per_item:
            for item in left:
                yield Again(batch=replace(batch, item_ids=(item,)), position=position + batch.item_ids.index(item))
        elif left:
            yield Again(batch=replace(batch, item_ids=left), position=position)
        position += batch.request_count


def judge(again: Again, result: Result | None, *, retry: int, max_retries: int, include_invalid: bool) -> Again | Left:
    """Decide whether a request is sent again, by what came back for it (None: nothing did)."""
    if retry > max_retries:
        reason = f"asked {retry} times already; --max-retries {retry} asks once more"
        return Left(batch=again.batch, reason=reason)
    failure = result.failure if result is not None and result.status is ResultStatus.ERRORED else None
    if failure is not None and not failure.retryable and not include_invalid:
        reason = f"would fail again unchanged: {failure.message}; --include-invalid asks all the same"
        return Left(batch=again.batch, reason=reason)
    return again
