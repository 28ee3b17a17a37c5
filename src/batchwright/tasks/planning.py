"""What of some documents is left to ask. Pure; both engines plan by it.

The truth is per item: an item is asked about unless its report row is there or a live job will bring it. Batches lie on
a grid of the document's items (batch k holds the ids k·size … (k+1)·size-1), so that an index means the same whatever
is left to do, whichever engine does it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from batchwright.errors import ConfigurationError
from batchwright.job import JobRecord, JobState
from batchwright.tasks.base import Document

_EMPTY_HANDED = frozenset({JobState.FAILED, JobState.LOST})

DocumentKey = tuple[str, str]
"""Group and document name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The items of one batch that are still to be asked about."""

    index: int
    item_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPlan:
    """What is to be asked about one document, and what need not be."""

    document: Document
    batch_size: int
    answered: int
    """Items whose report row is there."""
    pending: int
    """Items a live job will bring."""
    without: frozenset[int] = frozenset()
    """Both of these: the items not to ask about."""
    most: int | None = None
    """How many batches may be asked, where a limit is set."""

    def cells(self) -> Iterator[Cell]:
        """Yield the batches to ask; they are made on the way, so a plan takes no more room for more of them."""
        return islice(grid(self.document.item_ids, self.batch_size, self.without), self.most)


def key_of(document: Document) -> DocumentKey:
    """Return what a document is known by."""
    return document.group, document.name


def plan_documents(
    documents: Iterable[Document],
    *,
    answered: Mapping[DocumentKey, Collection[int]],
    pending: Mapping[DocumentKey, Collection[int]],
    batch_size: int,
    limit: int | None = None,
) -> tuple[DocumentPlan, ...]:
    """Return what is left to ask, at most `limit` batches in all; pass empty mappings to ask everything again.

    Raises `ConfigurationError` for a batch size or limit below 1.
    """
    if batch_size < 1:
        raise ConfigurationError(f"--batch-size is {batch_size}; a batch holds 1 item or more")
    if limit is not None and limit < 1:
        raise ConfigurationError(f"--limit is {limit}; a pilot has 1 batch or more")
    plans = []
    room = limit
    for document in documents:
        done = frozenset(answered.get(key_of(document), ()))
        waiting = frozenset(pending.get(key_of(document), ())) - done
        plan = DocumentPlan(
            document=document,
            batch_size=batch_size,
            answered=len(done),
            pending=len(waiting),
            without=done | waiting,
            most=room,
        )
        if room is not None:
            room -= sum(1 for _ in plan.cells())
        plans.append(plan)
    return tuple(plans)


def grid(item_ids: Sequence[int], batch_size: int, without: Collection[int] = ()) -> Iterator[Cell]:
    """Yield the batches of a document that have items left after `without`."""
    for index, start in enumerate(range(0, len(item_ids), batch_size)):
        wanted = tuple(item for item in item_ids[start : start + batch_size] if item not in without)
        if wanted:
            yield Cell(index=index, item_ids=wanted)


def is_live(record: JobRecord) -> bool:
    """Say whether a job may still bring answers."""
    return record.collected_at is None and record.state not in _EMPTY_HANDED


def pending_items(records: Iterable[JobRecord]) -> dict[DocumentKey, set[int]]:
    """Return the items that live jobs will bring.

    Every job counts that may still bring an answer: also an unresolved one, which may have been paid for, and one whose
    answers are there but could not be written yet.
    """
    pending: dict[DocumentKey, set[int]] = {}
    for record in records:
        if is_live(record):
            for batch in record.batches:
                pending.setdefault((batch.group, batch.document), set()).update(batch.item_ids)
    return pending
