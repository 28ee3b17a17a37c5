"""The CSV report of one document: rows of answers, merged by item into whatever a person has made of the file.

Only the columns of the report's `ReportSpec` are ours. Columns a person added, their order, rows we cannot tell, the
byte-order mark and the kind of line ends all stay.
"""

import csv
import errno
import hashlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchwright.errors import InputError
from batchwright.reports.base import ReportSpec, Row
from batchwright.reports.cells import clean, disarm, key_of, line, same_text
from batchwright.tracking.durable import make_folder, replace_durably
from batchwright.tracking.locks import locked

_BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOutcome:
    """What a merge did to a report."""

    path: Path
    saved: int
    """Rows handed in, all of them in the file now."""
    added: int
    """Those among them whose key the report did not have."""
    total: int
    """Rows the report has now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which items a report answers."""

    answered: frozenset[int]
    """Ids with an answer for the very item that has the id now."""
    changed: frozenset[int]
    """Ids with an answer that was given about another item: the ids have moved since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    columns: list[str]
    rows: list[list[str]]
    byte_order_mark: bool
    line_end: str

    def column(self, name: str) -> int | None:
        """Return the place of the first column called `name`."""
        return self.columns.index(name) if name in self.columns else None


def read_rows(path: Path, spec: ReportSpec) -> tuple[Row, ...]:
    """Return the rows of a report as they stand; none if there is no file. Raises `InputError`.

    All columns are there, a person's too; of several with the same name the first, which is also the one `merge_rows`
    writes.
    """
    return tuple(_rows(path, spec))


def _rows(path: Path, spec: ReportSpec) -> Iterator[Row]:
    table = _read(path, spec)
    if table is None:
        return
    places = {name: place for place, name in reversed(list(enumerate(table.columns)))}
    yield from ({name: row[place] for name, place in places.items()} for row in table.rows)


def examine(path: Path, spec: ReportSpec, identity_by_id: Mapping[int, Row]) -> Coverage:
    """Compare a report with the items as they are now: id to identity columns. Raises `InputError`.

    A row answers an item when its answer cell is filled and its identity columns say the same, white space folded.
    """
    answered: set[int] = set()
    changed: set[int] = set()
    for row in _rows(path, spec):
        key = key_of(row[spec.key])
        if key is None or key not in identity_by_id or not row.get(spec.answer, "").strip():
            continue
        item = identity_by_id[key]
        same = all(same_text(row.get(name, ""), item.get(name, "")) for name in spec.identity)
        (answered if same else changed).add(key)
    return Coverage(answered=frozenset(answered), changed=frozenset(changed - answered))


def answered_ids(path: Path, spec: ReportSpec, identity_by_id: Mapping[int, Row]) -> frozenset[int]:
    """Return the ids that `examine` finds answered."""
    return examine(path, spec, identity_by_id).answered


def merge_rows(
    path: Path, spec: ReportSpec, rows: Iterable[Row], *, lock_folder: Path, csv_safe: bool = False
) -> MergeOutcome:
    """Put `rows` into the report at `path`, made if need be; a row takes over our columns of the row with its key.

    The file is replaced whole and is on disk when this returns; other processes that merge into the same report wait
    for their turn by a lock file in `lock_folder`. Sorted by key; rows whose key is no number stay at the end. With
    `csv_safe`, what a spreadsheet would run as a formula is written as text.

    Raises `InputError` if the present file is not such a report, or cannot be replaced (read-only, held open by another
    program, disk full), `TrackingError` if the lock cannot be had; in all cases nothing was changed.
    """
    wanted = {_checked_key(spec, row): row for row in rows}
    with _explained(path):
        make_folder(path.parent)
        make_folder(lock_folder)
        with locked(lock_folder / _lock_name(path), path):
            table = _read(path, spec) or _new_table(spec)
            before = len(table.rows)
            merged = _merged(table, spec, wanted, csv_safe=csv_safe)
            replace_durably(path, _text(merged))
    return MergeOutcome(path=path, saved=len(wanted), added=len(merged.rows) - before, total=len(merged.rows))


def refuse_unwritable(path: Path) -> None:
    """Raise `InputError` where a report could not be written: for those who are about to pay for its rows.

    It is a look ahead, no promise; `merge_rows` raises the same in any case.
    """
    folder = next(parent for parent in path.parents if parent.exists())
    with _explained(path):
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
        for place in (path, folder):
            if place.exists() and not os.access(place, os.W_OK):
                raise PermissionError(errno.EACCES, f"{place} is read-only")


def _merged(table: _Table, spec: ReportSpec, wanted: Mapping[int, Row], *, csv_safe: bool) -> _Table:
    columns = table.columns + [name for name in spec.columns if table.column(name) is None]
    wide = _Table(columns=columns, rows=[], byte_order_mark=table.byte_order_mark, line_end=table.line_end)
    places = [(name, place) for name in spec.columns if (place := wide.column(name)) is not None]
    key_place = dict(places)[spec.key]
    missing = dict(wanted)
    padding = [""] * (len(columns) - len(table.columns))
    for present in table.rows:
        key = key_of(present[key_place])
        cells = present + padding
        if key is not None and key in wanted:
            _fill(cells, places, wanted[key], csv_safe=csv_safe)
            missing.pop(key, None)
        wide.rows.append(cells)
    for row in missing.values():
        cells = [""] * len(columns)
        _fill(cells, places, row, csv_safe=csv_safe)
        wide.rows.append(cells)
    wide.rows.sort(key=lambda cells: _order(cells[key_place]))
    return wide


def _fill(cells: list[str], places: Sequence[tuple[str, int]], row: Row, *, csv_safe: bool) -> None:
    for name, place in places:
        text = clean(row.get(name, ""))
        cells[place] = disarm(text) if csv_safe else text


def _order(key_cell: str) -> tuple[bool, int]:
    key = key_of(key_cell)
    return key is None, key or 0


def _checked_key(spec: ReportSpec, row: Row) -> int:
    key = key_of(row[spec.key])
    unknown = row.keys() - set(spec.columns)
    if key is None or unknown:
        raise ValueError(f"a row needs a whole number as {spec.key} and no columns like {sorted(unknown)}: {dict(row)}")
    return key


def _new_table(spec: ReportSpec) -> _Table:
    return _Table(columns=list(spec.columns), rows=[], byte_order_mark=spec.byte_order_mark, line_end="\n")


def _read(path: Path, spec: ReportSpec) -> _Table | None:
    """Parse a report; None if there is none, or an empty file. Raises `InputError` saying what is wrong where."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as exc:
        raise _refused(path, f"it is not UTF-8 text (byte {exc.start})") from exc
    except OSError as exc:
        raise InputError(f"cannot read {path}: {exc.strerror or exc}") from exc
    if not text.strip(_BYTE_ORDER_MARK + "\r\n\t "):
        return None
    byte_order_mark = text.startswith(_BYTE_ORDER_MARK)
    line_end = "\r\n" if text[: text.find("\n") + 1].endswith("\r\n") else "\n"
    del text  # as large as the file, and taken apart from its bytes
    columns, *rows = _cells(path, data)
    table = _Table(columns=columns, rows=rows, byte_order_mark=byte_order_mark, line_end=line_end)
    if table.column(spec.key) is None:
        raise _refused(path, f"it has no column {spec.key}, separated by commas")
    return table


def _cells(path: Path, data: bytes) -> list[list[str]]:
    if b"\0" in data:
        raise _refused(path, "it holds a NUL character")
    # The library's limit of 131,072 characters a cell is one for the whole process; a report may quote more than that.
    csv.field_size_limit(sys.maxsize)
    # Not a StringIO: it keeps four bytes for each character.
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline=""), strict=True)
    lines: list[list[str]] = []
    try:
        for cells in reader:
            if lines and cells and len(cells) != len(lines[0]):
                raise _refused(path, f"line {reader.line_num} has {len(cells)} cells, the header {len(lines[0])}")
            if cells:
                lines.append(cells)
    except csv.Error as exc:
        raise _refused(path, f"line {reader.line_num}: {exc}") from exc
    return lines


def _text(table: _Table) -> Iterator[bytes]:
    if table.byte_order_mark:
        yield _BYTE_ORDER_MARK.encode("utf-8")
    for cells in (table.columns, *table.rows):
        yield line(cells, table.line_end).encode("utf-8")


def _lock_name(path: Path) -> str:
    return f"report-{hashlib.sha256(str(path.resolve()).encode('utf-8', 'surrogateescape')).hexdigest()[:20]}.lock"


def _refused(path: Path, reason: str) -> InputError:
    return InputError(
        f"the report {path} cannot be merged into: {reason}; it was kept as it is; "
        "mend it, or move it away to have a new one made"
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says while a report is replaced into an error that names it."""
    try:
        yield
    except OSError as exc:
        raise InputError(
            f"cannot write the report {path}: {exc.strerror or exc}; nothing in it was changed; "
            "if another program holds it open, close it there, or make file and folder writable"
        ) from exc
