"""Parquet: JSON Lines while the run goes on, converted by duckdb at its end, with a memory limit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from batchwright.errors import InputError
from batchwright.reports.datasets.base import ERROR, RESPONSE, Layout, Outcome, Shape
from batchwright.sources.datasets.base import cell_text
from batchwright.sources.datasets.parquet import connection, literal_path
from batchwright.tracking.json_text import to_line

_TYPES: Final[Mapping[type, str]] = {str: "VARCHAR", bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}
_NUMBERS: Final = frozenset({"BIGINT", "DOUBLE"})
_LARGEST: Final = 2**63
_GROUP_BYTES: Final = 4 * 1024 * 1024
"""Of rows that lie together in the file, and so in memory while it is written."""
_GROUP_ROWS: Final = (2048, 122_880)
"""Fewest and most of them: duckdb's own unit, and its default."""
_SMALLEST_BUFFER: Final = 1 << 20


class ParquetLayout(Layout):
    """The input's columns, the answer or its fields, and `error`; each column has the type its values share."""

    def __init__(self, shape: Shape) -> None:
        connection().close()  # without duckdb, say so now and not when everything is paid for
        self._shape = shape
        self._fields = [(name, shape.named(name)) for name in shape.fields]
        self._response = shape.named(RESPONSE)
        self._error = shape.named(ERROR)
        self._types: dict[str, str] = {}
        self._longest = _SMALLEST_BUFFER
        """Bytes of the longest line: duckdb makes room for two of them."""
        self._seen: set[tuple[type, ...]] = set()
        self._rows = 0
        self._bytes = 0
        names = [*shape.columns, *(column for _, column in self._fields), self._response, self._error]
        self._names = tuple(names)

    def head(self) -> bytes:
        """Return nothing."""
        return b""

    def encode(self, cells: Mapping[str, Any], outcome: Outcome) -> bytes:
        """Return the row as a line of JSON; lists and objects in it as text."""
        value = outcome.value if isinstance(outcome.value, Mapping) else {}
        answer = [value.get(name) for name, _ in self._fields]
        text = None if self._fields and outcome.error is None else outcome.text
        row = [_scalar(cell) for cell in [*map(cells.get, self._shape.columns), *answer, text, outcome.error]]
        kinds = tuple(map(type, row))
        if kinds not in self._seen:
            self._seen.add(kinds)
            for name, kind in zip(self._names, kinds, strict=True):
                self._note(name, kind)
        line = to_line(dict(zip(self._names, row, strict=True))) + b"\n"
        self._longest = max(self._longest, len(line))
        self._bytes += len(line)
        self._rows += 1
        return line

    def tail(self) -> bytes:
        """Return nothing."""
        return b""

    def finish(self, part: Path) -> Path:
        """Return a Parquet file made of the JSON Lines. Raises `InputError`; the lines are then still there."""
        import duckdb  # noqa: PLC0415  (an extra; it is there, or this object would not be)

        columns = {name: self._types.get(name, "VARCHAR") for name in self._names}
        if self._fields and self._response not in self._types:
            del columns[self._response]
        made = part.with_name(part.name + ".parquet")
        with connection() as database:
            try:
                database.execute(
                    "COPY (SELECT * FROM read_json($1, format = 'newline_delimited', columns = $2, "  # noqa: S608  (a quoted path)
                    f"maximum_object_size = {self._longest})) TO {_quoted(made)} "
                    f"(FORMAT parquet, ROW_GROUP_SIZE {self._group_rows()})",
                    [literal_path(part), columns],
                )
            except duckdb.Error as exc:
                made.unlink(missing_ok=True)
                raise InputError(
                    f"{part} cannot be made a Parquet file: {exc}; the answers are in it, as JSON"
                ) from exc
        return made

    def _group_rows(self) -> int:
        fewest, most = _GROUP_ROWS
        return min(most, max(fewest, _GROUP_BYTES * self._rows // max(self._bytes, 1)))

    def _note(self, name: str, kind: type) -> None:
        if kind is type(None):
            return
        new = _TYPES[kind]
        known = self._types.setdefault(name, new)
        if known != new:
            self._types[name] = "DOUBLE" if {known, new} <= _NUMBERS else "VARCHAR"


def _scalar(value: Any) -> Any:
    if isinstance(value, (list, dict)) or (isinstance(value, int) and not -_LARGEST <= value < _LARGEST):
        return cell_text(value)
    return value


def _quoted(path: Path) -> str:
    text = str(path).replace("'", "''")
    return f"'{text}'"
