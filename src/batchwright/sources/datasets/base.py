"""What a dataset is made of, and the contract of whoever reads one format.

Memory stays flat: rows are read one after another and none is kept.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import pydantic_core

from batchwright.errors import InputError

PROMPT_COLUMN: Final = "prompt"
"""The column of a row that is only a prompt: a line of text, or a string in a JSON list."""

LARGEST_ROW: Final = 16 * 1024 * 1024
"""Characters a row may have. A quote or bracket that is never closed would otherwise swallow the rest of the file."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_NAMED: Final = 5
"""Bad rows whose places are kept for a message; the rest is counted."""


class Row(NamedTuple):
    """One row. A named tuple, not a dataclass: a million of them are made, and it costs a third."""

    cells: Mapping[str, Any]
    """Column to value: text, or what JSON knows (numbers, booleans, None, lists, objects)."""
    line: int
    """The line it begins on, from 1; of a workbook or a Parquet file, its number as people see it there."""
    source: str
    """The file, as it was named."""

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return f"{self.source}, line {self.line}"


class Kind(StrEnum):
    """The formats there are."""

    TEXT = "text"
    """A prompt a line; blank lines are skipped."""
    CSV = "csv"
    """Cells separated by commas, tabs, semicolons or bars; the first line names the columns."""
    JSON = "json"
    """A list of objects or of prompts, an object that holds such a list, or one object: one row."""
    JSONL = "jsonl"
    """A JSON object, or a prompt as a JSON string, on each line."""
    EXCEL = "excel"
    """One sheet of a workbook; its first row names the columns. Needs the extra `excel`."""
    PARQUET = "parquet"
    """Needs the extra `parquet`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file to read."""

    path: Path
    name: str
    """What messages and rows call it: the path as it was given, or `standard input`."""
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read, where the file does not say it itself."""

    encoding: str = "utf-8"
    delimiter: str | None = None
    """Of CSV; None means: see from the file."""
    sheet: str | None = None
    """Of a workbook; None means the first."""
    skip_bad_rows: bool = False
    """Whether a row that cannot be read is left out and counted, instead of ending the run."""


@dataclass(slots=True)
class BadRows:
    """The rows that were left out in one reading."""

    skip: bool
    count: int = 0
    named: list[str] = field(default_factory=list)
    """The first few, with their places and reasons."""

    def add(self, place: str, reason: str) -> None:
        """Note a row that cannot be used. Raises `InputError` unless such rows are to be skipped."""
        if not self.skip:
            raise InputError(f"{place}: {reason}; --skip-bad-rows leaves such rows out")
        self.count += 1
        if len(self.named) < _NAMED:
            self.named.append(f"{place}: {reason}")


class Reader(Protocol):
    """Reads one format. What each module of this folder offers as `read_...`."""

    def __call__(self, source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
        """Yield the rows of a source. Raises `InputError` naming file and line, `ConfigurationError` for an extra."""
        ...


def cell_text(value: Any) -> str:
    """Return a value as it stands in a prompt or a cell: nothing for None, JSON for lists, objects and booleans."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (bool, list, dict)):
        return pydantic_core.to_json(value).decode()
    return str(value)


def row_from_json(value: Any) -> dict[str, Any] | None:
    """Return the cells that a JSON value makes, or None if it makes no row: a number, say, or a list."""
    if isinstance(value, dict):
        return value
    return {PROMPT_COLUMN: value} if isinstance(value, str) else None


def without_surrogates(value: Any) -> Any:
    """Return JSON with halves of surrogate pairs, which no UTF-8 can hold, written as U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(name): without_surrogates(item) for name, item in value.items()}
    return value
