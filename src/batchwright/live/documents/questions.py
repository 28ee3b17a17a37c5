"""What is asked about documents, and what is asked again after an answer. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchwright.job import BatchRef
from batchwright.result import FinishReason, Result
from batchwright.tasks.planning import DocumentKey

MAX_RETRIES = 2
"""How often items without a usable answer are asked again, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One batch to ask about, by one request."""

    batch: BatchRef
    complaint: str | None = None
    """Why an earlier answer could not be used; the model is told."""
    tries: int = 0
    """How often these items were asked before, in this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked about one document; the batches are made when they are drawn."""

    key: DocumentKey
    items: int
    batches: Iterable[Question]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Items to ask about again, on their own."""

    item_ids: tuple[int, ...]
    complaint: str | None


def retries(
    question: Question, result: Result, left: Sequence[int], *, complaint: str, max_retries: int
) -> tuple[Retry, ...]:
    """Decide what is asked again, given the items that an answer `left` without a row; nothing if none is.

    A failed request is not asked again: the engine tried what may be mended by that, anything else fails the same way.
    An answer that was cut at the output limit would be cut again, so its items are asked in two halves.
    """
    if not left or not result.succeeded or question.tries >= max_retries:
        return ()
    if result.finish_reason is FinishReason.LENGTH and len(left) > 1:
        middle = (len(left) + 1) // 2
        return tuple(Retry(item_ids=tuple(half), complaint=None) for half in (left[:middle], left[middle:]))
    return (Retry(item_ids=tuple(left), complaint=complaint),)
