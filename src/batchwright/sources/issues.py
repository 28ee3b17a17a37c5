"""The language checker's report: a CSV with one line an issue, about many documents of several subjects.

Columns `Subject`, `Filename`, `Issue` and `Highlighted Context` must be there: without them nothing can be asked, or
matched later. `Page`, `Rule ID`, `Type`, `Message`, `Suggestions` and `Pass Code` help and may be missing. Their order
is free, their names are matched but for case and spaces, and other columns are ignored.
"""

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchwright.errors import InputError
from batchwright.sources.files import read_utf8
from batchwright.sources.names import unsafe

REQUIRED = ("Subject", "Filename", "Issue", "Highlighted Context")
"""Columns without which the report is refused."""
OPTIONAL = ("Page", "Rule ID", "Type", "Message", "Suggestions", "Pass Code")
"""Columns that read as empty where they are missing."""

_PAGE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One finding of the checker. Texts are as in the report, but for white space at their ends in the short ones."""

    issue_id: int
    """Its place among the issues of its document, from 0."""
    page: int | None
    """The page as the report counts, from 1; None where it says nothing usable."""
    rule_id: str
    type: str
    issue: str
    """The words complained about."""
    message: str
    suggestions: str
    highlighted_context: str
    """Some forty characters to each side, the words themselves between `**`."""
    pass_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDocument:
    """One document and its issues, `issues[n].issue_id == n`."""

    subject: str
    filename: str
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueReport:
    """A whole report, documents in the order in which they first appear."""

    path: Path
    documents: tuple[IssueDocument, ...]
    byte_order_mark: bool
    notices: tuple[str, ...] = ()
    """What a person should know though nothing failed."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One record of the CSV: where it begins and its cells by column."""

    number: int
    cells: dict[str, str]


def read_report(path: Path) -> IssueReport:
    """Read a report.

    Raises `InputError`, with the path and (where it is about one) the line, for a report that is missing, not UTF-8,
    not CSV, without a needed column or without issues, and for a subject or file name that would not be safe in a path.
    """
    file = read_utf8(path, "the issue report")
    found: dict[tuple[str, str], list[Issue]] = {}
    pageless: list[tuple[int, str]] = []
    for line in _lines(path, file.text):
        key = (_name(path, line, "Subject"), _name(path, line, "Filename"))
        page_text = line.cells["Page"].strip()
        page = _page(page_text)
        if page is None and page_text:
            pageless.append((line.number, page_text))
        issues = found.setdefault(key, [])
        issues.append(_issue(line.cells, len(issues), page))
    if not found:
        raise InputError(f"the issue report has no issues: {path}")
    return IssueReport(
        path=path,
        documents=tuple(IssueDocument(subject=s, filename=f, issues=tuple(i)) for (s, f), i in found.items()),
        byte_order_mark=file.byte_order_mark,
        notices=_page_notice(path, pageless),
    )


def _lines(path: Path, text: str) -> Iterator[_Line]:
    # strict: a quote that is never closed must not swallow the rest of the report in silence.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    places: dict[str, int] | None = None
    width = 0
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if places is None:
                    places, width = _header(path, cells), len(cells)
                else:
                    yield _Line(begins, _cells(path, begins, cells, places, width))
            begins = reader.line_num + 1
    except csv.Error as exc:
        raise InputError(f"the issue report is not valid CSV: {path}, line {begins}: {exc}") from exc
    if places is None:
        raise InputError(f"the issue report is empty: {path}")


def _header(path: Path, cells: Sequence[str]) -> dict[str, int]:
    """Return the place of each known column."""
    spelled = ["".join(cell.split()).casefold() for cell in cells]
    places: dict[str, int] = {}
    for column in (*REQUIRED, *OPTIONAL):
        name = "".join(column.split()).casefold()
        if spelled.count(name) > 1:
            raise InputError(f"the issue report has the column {column!r} twice: {path}")
        if name in spelled:
            places[column] = spelled.index(name)
    missing = [column for column in REQUIRED if column not in places]
    if missing:
        needed = ", ".join(repr(column) for column in missing)
        there = ", ".join(repr(cell) for cell in cells)
        columns = "column" if len(missing) == 1 else "columns"
        raise InputError(f"the issue report has no {columns} {needed}: {path}; its columns are {there}")
    return places


def _cells(path: Path, number: int, cells: Sequence[str], places: dict[str, int], width: int) -> dict[str, str]:
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        raise InputError(
            f"the issue report has {len(cells)} cells where its header has {width}: {path}, line {number}; "
            "a cell with a comma or a line break in it needs quotes"
        )
    return {column: cells[places[column]] if column in places else "" for column in (*REQUIRED, *OPTIONAL)}


def _name(path: Path, line: _Line, column: str) -> str:
    # Only blanks are taken off: a name that ends in a tab or a line break is refused, not repaired.
    name = line.cells[column].strip(" ")
    reason = unsafe(name)
    if reason is not None:
        raise InputError(f"the {column} {name!r} {reason}: {path}, line {line.number}")
    return sys.intern(name)


def _page(text: str) -> int | None:
    if _PAGE.fullmatch(text) is None:
        return None
    return int(text) or None


def _issue(cells: dict[str, str], issue_id: int, page: int | None) -> Issue:
    return Issue(
        issue_id=issue_id,
        page=page,
        rule_id=sys.intern(cells["Rule ID"].strip()),
        type=sys.intern(cells["Type"].strip()),
        issue=cells["Issue"],
        message=sys.intern(cells["Message"].strip()),
        suggestions=cells["Suggestions"].strip(),
        highlighted_context=cells["Highlighted Context"],
        pass_code=sys.intern(cells["Pass Code"].strip()),
    )


def _page_notice(path: Path, pageless: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    if not pageless:
        return ()
    number, text = pageless[0]
    notice = (
        f"{path}: {len(pageless)} issue(s) have a page that is not a number from 1 (the first: {text[:40]!r}, "
        f"line {number}); they are treated as having none"
    )
    return (notice,)
