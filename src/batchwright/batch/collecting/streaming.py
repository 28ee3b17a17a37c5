"""Take a job's answers into a task's own store as they arrive, in one pass and in flat memory.

Nothing is written down in between: an answer is kept, or the whole job is downloaded again, and keeping one twice
changes nothing.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate

from batchwright.batch.collecting.answers import absent_result, tally_of
from batchwright.batch.lifecycle import position_of
from batchwright.job import BatchRef, JobRecord, Tally
from batchwright.result import Result, ResultStatus
from batchwright.tasks.base import Document, StreamingTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What one pass over a job's answers brought."""

    batches: tuple[BatchRef, ...]
    """The job's, with what is unanswered."""
    tally: Tally
    answered: int
    empty: bool
    """Whether nothing at all came back; then nothing was kept either."""


def stream_answers(
    record: JobRecord,
    results: Iterable[Result],
    task: StreamingTask,
    *,
    may_be_empty: bool,
    price: Callable[[Result], Decimal | None],
) -> Streamed:
    """Hand every answer to the task's store; the first for an id counts. `price` is asked once about each of those.

    What a request without an answer is told is how the job ended; unless nothing at all came and `may_be_empty` is
    false, for then the answers may still come. Raises what `results` raises: answers that came before that are kept.
    """
    item_at = _items(record.batches)
    seen = bytearray(record.request_count)
    counts = dict.fromkeys(ResultStatus, 0)
    unanswered: set[int] = set()
    tag = record.tag or ""
    answered, duplicates, unknown = ResultStatus.SUCCEEDED, 0, 0
    succeeded = 0  # counted apart: nearly all are, and an enum's hash is a call
    with task.answering(record.batches[0]) as sink:
        for result in results:
            position = position_of(tag, result.custom_id)
            if position is None or position >= len(seen):
                unknown += 1
            elif seen[position]:
                duplicates += 1
            else:
                seen[position] = 1
                if result.status is answered:
                    succeeded += 1
                else:
                    counts[result.status] += 1
                item = item_at(position)
                if not sink.put(item, result, price(result)):
                    unanswered.add(item)
        empty = not unknown and 1 not in seen
        if not empty or may_be_empty:
            absent = absent_result(record.state)
            for position in _zeros(seen):
                counts[absent.status] += 1
                item = item_at(position)
                if not sink.put(item, absent, None):
                    unanswered.add(item)
    counts[answered] += succeeded
    if unanswered:  # some may have been answered by a later job
        unanswered.difference_update(task.answered(_document(record)))
    return Streamed(
        batches=tuple(
            replace(
                batch, unanswered=tuple(item for item in batch.item_ids if item in unanswered) if unanswered else ()
            )
            for batch in record.batches
        ),
        tally=tally_of(counts, duplicates=duplicates, unknown=unknown),
        answered=len(seen) - len(unanswered),
        empty=empty,
    )


def _document(record: JobRecord) -> Document:
    batch = record.batches[0]
    return Document(group=batch.group, name=batch.document, item_ids=batch.item_ids)


def _items(batches: Sequence[BatchRef]) -> Callable[[int], int]:
    """Return what tells which item the n-th request of a job is about."""
    if len(batches) == 1:
        return batches[0].item_ids.__getitem__
    firsts = [0, *accumulate(len(batch.item_ids) for batch in batches)][:-1]

    def item_at(position: int) -> int:
        number = bisect_right(firsts, position) - 1
        return batches[number].item_ids[position - firsts[number]]

    return item_at


def _zeros(seen: bytearray) -> Iterator[int]:
    place = seen.find(0)
    while place >= 0:
        yield place
        place = seen.find(0, place + 1)
