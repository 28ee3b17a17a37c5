"""CSV in any dialect: what separates and quotes is seen from the file."""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchwright.errors import InputError
from batchwright.sources.datasets.base import LARGEST_ROW, BadRows, ReadOptions, Row, Source
from batchwright.sources.datasets.encodings import opened_text

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS: Final = (",", "\t", ";", "|")
"""What may separate cells; where two fit equally well, the earlier."""
_SAMPLE_LINES: Final = 200
_SAMPLE_CHARACTERS: Final = 1 << 18
_DIRECTIVE: Final = "sep="
"""Excel's own first line that names the delimiter."""
_QUOTES: Final = "a cell with a delimiter in it needs quotes"
_CUT_OFF: Final = "unexpected end"
"""In the library's message where the text ends inside quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a file separates and quotes."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    """`\\` where quotes inside cells are escaped by it instead of doubled."""
    space_after: bool = False
    """Whether a blank follows each delimiter."""

    def reader(self, lines: Iterator[str]) -> "Reader":
        """Return a reader in this dialect. Strict: a quote that is never closed must not swallow rows in silence."""
        if csv.field_size_limit() < LARGEST_ROW:  # one limit for the whole process, and 131,072 at first
            csv.field_size_limit(LARGEST_ROW)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.space_after,
            strict=True,
        )


def read_delimited(source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
    """Yield the rows of a CSV file by the names in its first line. Raises `InputError`."""
    with opened_text(source, options.encoding, newline="") as text:
        head = _head(text)
        declared = _declared(head[0]) if head else None
        if declared:
            del head[0]
        dialect = sniffed(head, options.delimiter or declared)
        yield from _rows(dialect.reader(itertools.chain(head, text)), source, bad, 1 if declared else 0)


def sniffed(sample: Sequence[str], delimiter: str | None = None) -> Dialect:
    """Return the dialect in which a file's first lines make the most even table; commas where nothing does. Pure.

    `sample` is whole lines. A table counts as even by the part of its records that have as many cells as the header;
    one of a single column is no table.
    """
    candidates = [
        Dialect(delimiter=separator, escape=escape)
        for escape in ((None, "\\") if any('\\"' in line for line in sample) else (None,))
        for separator in ((delimiter,) if delimiter else DELIMITERS)
    ]
    best = max(candidates, key=lambda dialect: _evenness(sample, dialect))  # of equals, the first
    return _finished(best, sample[0] if sample else "")


def _head(text: Iterator[str]) -> list[str]:
    head: list[str] = []
    size = 0
    for line in itertools.islice(text, _SAMPLE_LINES):
        head.append(line)
        size += len(line)
        if size > _SAMPLE_CHARACTERS:
            break
    return head


def _declared(line: str) -> str | None:
    """Return the delimiter that a line declares, if that is all it does."""
    line = line.rstrip("\r\n").strip('"')
    delimiter = line[len(_DIRECTIVE) :]
    return delimiter if line[: len(_DIRECTIVE)].lower() == _DIRECTIVE and len(delimiter) == 1 else None


def _evenness(sample: Sequence[str], dialect: Dialect) -> float:
    widths = []
    doubt = 1.0
    try:
        for cells in dialect.reader(iter(sample)):
            if cells:
                widths.append(len(cells))  # noqa: PERF401  (what was read before an error counts)
    except csv.Error as exc:
        # A sample may end inside a quoted cell; any other error speaks against the dialect.
        doubt = 1.0 if _CUT_OFF in str(exc) else 0.5
    if not widths or widths[0] == 1:
        return 0.0
    return doubt * sum(width == widths[0] for width in widths) / len(widths)


def _finished(dialect: Dialect, header: str) -> Dialect:
    """Return a dialect with what only the header shows: another quote, blanks after delimiters."""
    cells = [cell for cell in header.rstrip("\r\n").split(dialect.delimiter) if cell]
    single = all(len(cell.strip()) > 1 and cell.strip()[0] == "'" == cell.strip()[-1] for cell in cells)
    return Dialect(
        delimiter=dialect.delimiter,
        quote="'" if cells and single else '"',
        escape=dialect.escape,
        space_after=len(cells) > 1 and all(cell.startswith(" ") for cell in cells[1:]),
    )


def _rows(reader: "Reader", source: Source, bad: BadRows, skipped: int) -> Iterator[Row]:
    columns: list[str] = []
    width = 0
    begins = 1 + skipped
    name, new = source.name, tuple.__new__
    while True:
        try:
            for cells in reader:
                if len(cells) == width and any(cells):
                    # What `Row(...)` does, without the call in Python in between: there are millions.
                    yield new(Row, (dict(zip(columns, cells)), begins, name))  # noqa: B905  (just compared)
                elif any(cell.strip() for cell in cells):
                    if not columns:
                        columns = column_names(cells, f"{name}, line {begins}")
                        width = len(columns)
                    elif len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                        yield Row(dict(zip(columns, cells, strict=False)), begins, name)
                    else:
                        bad.add(f"{name}, line {begins}", f"{ragged(len(cells), width)}; {_QUOTES}")
                begins = reader.line_num + 1 + skipped
        except csv.Error as exc:
            ends = reader.line_num + skipped
            place = f"{name}, line {begins}" if not columns or ends <= begins else f"{name}, lines {begins}-{ends}"
            if not columns:
                raise InputError(f"{place}: not valid CSV: {exc}") from exc
            bad.add(place, _broken(exc))
            begins = ends + 1
        else:
            break


def column_names(cells: Sequence[str], place: str) -> list[str]:
    """Return a header's names: blanks at their ends and empty cells at its end taken off, a gap named by its place.

    Raises `InputError` where a name stands twice.
    """
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    names = [name or f"column_{number}" for number, name in enumerate(names, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{place}: the header has {', '.join(map(repr, twice))} twice; give each column its own name")
    return names


def ragged(cells: int, width: int) -> str:
    """Return what is wrong with a row that has not as many cells as the header."""
    return f"the row has {cells} cell(s) where the header has {width}"


def _broken(error: csv.Error) -> str:
    if _CUT_OFF in str(error):
        return "a quote is opened and never closed"
    if "field larger" in str(error):
        return f"a cell has more than {LARGEST_ROW:,} characters; is a quote never closed?"
    return f"not valid CSV: {error}"
