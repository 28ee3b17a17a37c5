"""The task seam: what to ask, and what to do with the answers. Neither engine knows more about a use than this."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Protocol

from batchwright.job import BatchRef
from batchwright.reports.base import ReportSpec, Row
from batchwright.request import OutputSchema, Request
from batchwright.result import Result

__all__ = ["AnswerSink", "Document", "Handled", "Kept", "ReportSpec", "Row", "StreamingTask", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document with items to ask about."""

    group: str
    name: str
    item_ids: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What one answer gave: rows to write, and what a person should know. An item without a row is unanswered."""

    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()


class Task(ABC):
    """One use of batchwright. Subclasses set the attributes and implement the six methods."""

    name: str
    """Lower case; a job remembers its task by it."""
    items_word: str = "items"
    """What a person calls the items, in the plural."""
    report: ReportSpec
    output_schema: OutputSchema | None

    @abstractmethod
    def documents(self) -> Sequence[Document]:
        """Return every document there is, in the order of the input. Raises `InputError`."""

    @abstractmethod
    def make_batch(self, document: Document, index: int, item_ids: Sequence[int]) -> BatchRef:
        """Return a batch of items with the digest of their present text. Raises `ChangedInputError` for unknown ids."""

    @abstractmethod
    def build_request(self, batch: BatchRef, custom_id: str) -> Request:
        """Return the request that asks about `batch`. Raises `InputError` naming the document if it cannot be read."""

    @abstractmethod
    def handle_result(self, batch: BatchRef, result: Result) -> Handled:
        """Turn an answer into rows. A bad answer is a `Handled` with warnings, never an exception."""

    @abstractmethod
    def identify(self, document: Document) -> Mapping[int, Row]:
        """Return the identity columns of each item, to tell whether a report row is about the item of that id."""

    @abstractmethod
    def report_path(self, group: str, document: str) -> Path:
        """Return where the document's report belongs. Raises `InputError` for a name that would leave the workspace."""


class AnswerSink(Protocol):
    """Takes answers one by one, in any order."""

    def put(self, item: int, result: Result, cost: Decimal | None, /) -> bool:
        """Keep what came back for an item and return whether that answers it; no failure takes an answer's place.

        `cost` is in dollars, None where that is unknown.
        """
        ...


class Kept(NamedTuple):
    """What a task keeps of an answer to one of its items."""

    item: int
    result: Result
    error: str | None
    """Why it is no answer; None where it is."""


class StreamingTask(Task):
    """A task of so many items, each one request, that neither they nor their answers are ever held together.

    Its prompts differ in one text only, as a rule. Its answers go to a store of its own as they arrive, and its output
    is made of that store. So `identify` and `handle_result` are for single items, and `report_path` is the output's.
    """

    @abstractmethod
    def texts(self, document: Document, besides: Collection[int] = ()) -> Iterator[tuple[int, str]]:
        """Yield each item's id and text, in order, but for `besides` and for what gets another item's answer.

        Raises `InputError`.
        """

    @abstractmethod
    def pattern(self, document: Document) -> Request | None:
        """Return a request as all of the document's are but for its text; None where they differ in more than that."""

    @abstractmethod
    def requests(self, document: Document, besides: Collection[int] = ()) -> Iterator[tuple[int, Request]]:
        """Yield the same with each item's request in the text's place; the requests' own ids mean nothing.

        For documents without a pattern. Raises `InputError`.
        """

    @abstractmethod
    def answered(self, document: Document) -> AbstractSet[int]:
        """Return the ids of the items that have an answer."""

    @abstractmethod
    def answering(self, batch: BatchRef) -> AbstractContextManager[AnswerSink]:
        """Take answers to items of a batch; what was put is durable when the block ends, also by an error."""

    def kept(self, batch: BatchRef) -> Iterator[Kept]:
        """Yield what is kept about a batch's items, in their order; nothing about those that nothing came back for."""
        del batch
        return iter(())

    @abstractmethod
    def publish(self) -> Sequence[Path]:
        """Write out what got answers since it was last written, and return the files. Raises `InputError`."""

    def conclude(self, document: Document) -> None:
        """Take note that no job will bring anything more about a document; items may be left without an answer."""
        del document
