"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods), by python-calamine.

It reads a sheet whole and offers no less; only the rows that are made of it come one by one.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import BadRows, ReadOptions, Row, Source, cell_text
from batchwright.sources.datasets.delimited import column_names, ragged

MISSING = "reading workbooks needs the extra `excel`: pip install 'batchwright[excel]'"


def read_excel(source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
    """Yield the rows of one sheet by the names in its first row that is not empty; empty rows are left out.

    Numbers and booleans stay such (whole numbers without a fraction), dates become ISO 8601, a formula is the value
    that was saved with it. Raises `InputError`, and `ConfigurationError` without python-calamine.
    """
    columns: list[str] | None = None
    for number, cells in _numbered_rows(source, options.sheet):
        if all(cell == "" for cell in cells):
            continue
        if columns is None:
            columns = column_names([cell_text(cell) for cell in cells], f"{source.name}, line {number}")
            continue
        if len(cells) > len(columns) and (filled := _filled(cells)) > len(columns):
            bad.add(f"{source.name}, line {number}", ragged(filled, len(columns)))
            continue
        row = dict(zip(columns, map(_plain, cells), strict=False))
        if any(value != "" for value in row.values()):
            yield Row(row, number, source.name)


def _numbered_rows(source: Source, wanted: str | None) -> Iterator[tuple[int, list[Any]]]:
    try:
        from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(MISSING) from exc
    try:
        with CalamineWorkbook.from_path(source.path) as workbook:
            names = workbook.sheet_names
            if wanted is not None and wanted not in names:
                raise InputError(f"{source.name} has no sheet {wanted!r}; its sheets are {', '.join(map(repr, names))}")
            if not names:
                raise InputError(f"{source.name} has no sheet")
            sheet = workbook.get_sheet_by_name(wanted or names[0])
            first = sheet.start[0] + 1 if sheet.start else 1
            yield from enumerate(sheet.iter_rows(), start=first)
    except (CalamineError, OSError) as exc:
        raise InputError(f"{source.name} cannot be read as a workbook: {exc}") from exc


def _filled(cells: list[Any]) -> int:
    """Return how many cells a row has up to the last that is not blank."""
    return max((at for at, cell in enumerate(cells, start=1) if cell_text(cell).strip()), default=0)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value) if isinstance(value, dt.timedelta) else value
