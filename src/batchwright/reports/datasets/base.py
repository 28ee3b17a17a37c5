"""What an answer to a row is, and the contract of whoever knows how one format lays it out."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

RESPONSE: Final = "response"
"""The column of an answer's text."""
ERROR: Final = "error"
"""The column of a failed row's reason."""


class Format(StrEnum):
    """The formats there are."""

    CSV = "csv"
    """The columns of the input and one for the answer, or one for each field of a schema."""
    JSON = "json"
    """A list of objects, one a line."""
    JSONL = "jsonl"
    """An object a line."""
    PARQUET = "parquet"
    """The columns of CSV, with their types. Needs the extra `parquet`."""


class Outcome(NamedTuple):
    """What became of a row; a named tuple as `Row` is. `error` is None exactly where it was answered."""

    text: str | None = None
    """The answer as the model gave it; also of a failed row, where there is one that could not be used."""
    value: Any = None
    """The answer that a schema made of it."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which columns a file has."""

    columns: tuple[str, ...] = ()
    """Of the input. CSV and Parquet have these and no others; the rest has whatever a row has."""
    fields: tuple[str, ...] = ()
    """Of the answer, where a schema makes it an object."""
    csv_safe: bool = False
    """Whether what a spreadsheet would run as a formula is written as text."""
    byte_order_mark: bool = False
    """Whether CSV begins with one, as some spreadsheets want."""

    def named(self, name: str) -> str:
        """Return `name`, or with a number behind it where the input has such a column already."""
        return free(name, {*self.columns, *self.fields} if name in {RESPONSE, ERROR} else self.columns)


class Layout(ABC):
    """One format. Says which bytes stand for a row; where they go is not its business."""

    @abstractmethod
    def head(self) -> bytes:
        """Return what comes before the first row."""

    @abstractmethod
    def encode(self, cells: Mapping[str, Any], outcome: Outcome) -> bytes:
        """Return what is appended for the next row. Called once for each, in order."""

    @abstractmethod
    def tail(self) -> bytes:
        """Return what comes after the last row."""

    def fits_failures(self) -> bool:
        """Whether a failed row can be written as the file is now; if not, it is `widened` first."""
        return True

    def widened(self, present: BinaryIO) -> Iterator[bytes]:
        """Yield the file so far in a form in which failed rows fit; later rows are encoded in that form."""
        raise NotImplementedError

    def finish(self, part: Path) -> Path:
        """Return the file that people get, made of the file of all rows; for most formats it is that."""
        return part


def free(name: str, taken: Collection[str]) -> str:
    """Return the first of `name`, `name_2`, `name_3`, ... that is not taken."""
    candidate = name
    number = 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
