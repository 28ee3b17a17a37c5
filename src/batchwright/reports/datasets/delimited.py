"""CSV and its kin."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

from batchwright.reports.cells import clean, disarm
from batchwright.reports.datasets.base import ERROR, RESPONSE, Layout, Outcome, Shape
from batchwright.sources.datasets.base import LARGEST_ROW, cell_text

_ALL_TEXT: Final = {str}


class DelimitedLayout(Layout):
    """Rows of cells. The column for errors comes with the first error: a run without any has the columns it asked for.

    With a schema, an answer that could not be read as such goes into a column beside the error: it was paid for.
    `wide` has these columns from the beginning: what is printed cannot be written anew.
    """

    def __init__(self, shape: Shape, *, delimiter: str = ",", wide: bool = False) -> None:
        self._shape = shape
        self._columns = shape.columns
        self._fields = shape.fields
        self._csv_safe = shape.csv_safe
        self._delimiter = delimiter
        self._wide = wide

    def head(self) -> bytes:
        """Return the header."""
        mark = codecs.BOM_UTF8 if self._shape.byte_order_mark else b""
        return mark + self._encoded([clean(name) for name in self._header()])

    def encode(self, cells: Mapping[str, Any], outcome: Outcome) -> bytes:
        """Return the row's line: the input's cells as they are, the answer without control characters."""
        row: list[Any] = list(map(cells.get, self._columns))
        if set(map(type, row)) != _ALL_TEXT:
            row = list(map(cell_text, row))
        row += self._answer(outcome)
        return self._encoded(row)

    def tail(self) -> bytes:
        """Return nothing."""
        return b""

    def fits_failures(self) -> bool:
        """Whether there is a column for errors."""
        return self._wide

    def widened(self, present: BinaryIO) -> Iterator[bytes]:
        """Yield the file with the columns of failed rows, empty so far."""
        before = len(self._header())
        self._wide = True
        yield self.head()
        csv.field_size_limit(max(csv.field_size_limit(), LARGEST_ROW))
        with io.TextIOWrapper(present, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, delimiter=self._delimiter, strict=True)
            next(rows)
            more = [""] * (len(self._header()) - before)
            for row in rows:
                yield self._encoded(row + more)

    def _header(self) -> list[str]:
        shape = self._shape
        header = [*shape.columns, *(shape.named(name) for name in shape.fields or (RESPONSE,))]
        if self._wide:
            header += [shape.named(name) for name in ((RESPONSE, ERROR) if shape.fields else (ERROR,))]
        return header

    def _answer(self, outcome: Outcome) -> list[str]:
        if not self._fields:
            return [clean(outcome.text or ""), *self._error(outcome)]
        value = outcome.value
        if type(value) is not dict and not isinstance(value, Mapping):
            value = {}
        # Most are words that are fit to be written: the calls that see to the rest are not made for those.
        fields = [
            found if type(found) is str and found.isprintable() else clean(cell_text(found))
            for found in map(value.get, self._fields)
        ]
        if not self._wide:
            return fields
        unusable = outcome.text or "" if outcome.error is not None else ""
        return [*fields, clean(unusable), *self._error(outcome)]

    def _error(self, outcome: Outcome) -> list[str]:
        return [clean(outcome.error or "")] if self._wide else []

    def _encoded(self, cells: Iterable[str]) -> bytes:
        if self._csv_safe:
            cells = map(disarm, cells)
        delimiter = self._delimiter
        line = delimiter.join([cell if cell.isalnum() else _quoted(cell, delimiter) for cell in cells])
        return (line or '""').encode("utf-8", "replace") + b"\n"


def _quoted(cell: str, delimiter: str) -> str:
    # Not the library's writer, which looks at one character after another: these four are several times as fast.
    if '"' in cell:
        return '"' + cell.replace('"', '""') + '"'
    return f'"{cell}"' if delimiter in cell or "\n" in cell or "\r" in cell else cell
