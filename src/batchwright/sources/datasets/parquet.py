"""Parquet files, by duckdb with a memory limit."""

import datetime as dt
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import BadRows, ReadOptions, Row, Source

MISSING: Final = "Parquet needs the extra `parquet`: pip install 'batchwright[parquet]'"
_MEMORY: Final = "256MB"
"""What duckdb may hold: a few row groups of an ordinary file."""
_AT_ONCE: Final = 1000
_JSON_TYPES: Final = frozenset(
    {"BOOLEAN", "VARCHAR"}
    | {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG")}
    | {"INTEGER", "UINTEGER"}
)
"""Column types whose values are JSON's already; a floating-point number may be none."""


def connection() -> Any:
    """Return a duckdb connection that keeps to the limit. Raises `ConfigurationError` without duckdb."""
    try:
        import duckdb  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(MISSING) from exc
    return duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1})


def read_parquet(source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
    """Yield the rows of a Parquet file, numbered from 1, in its order.

    Dates and times become ISO 8601, decimals text, bytes hexadecimal. Raises `InputError`, and `ConfigurationError`
    without duckdb.
    """
    del options, bad
    with connection() as database:
        import duckdb  # noqa: PLC0415  (an extra; it is there, or `connection` had failed)

        try:
            result = database.execute("SELECT * FROM read_parquet($1)", [literal_path(source.path)])
            columns = [name for name, *_ in result.description]
            plain = _converter([str(kind) for _, kind, *_ in result.description])
            number = 0
            while rows := result.fetchmany(_AT_ONCE):
                for number, cells in enumerate(rows, start=number + 1):  # noqa: B020  (it goes on counting)
                    yield Row(dict(zip(columns, plain(cells), strict=True)), number, source.name)
        except duckdb.Error as exc:
            raise InputError(f"{source.name} cannot be read as Parquet: {_first_line(exc)}") from exc


def _first_line(error: Exception) -> str:
    """The rest of duckdb's message is about our query."""
    return str(error).partition("\n")[0]


def literal_path(path: Path) -> str:
    """Return a path as duckdb takes it for one file: brackets and asterisks would make it a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def _converter(kinds: list[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if all(kind in _JSON_TYPES for kind in kinds):
        return lambda cells: cells
    return lambda cells: tuple(map(_plain, cells))


def _plain(value: Any) -> Any:
    match value:
        case dt.date() | dt.time():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else None
        case Decimal() | UUID() | dt.timedelta():
            return str(value)
        case bytes():
            return value.hex()
        case _:
            return _plain_inside(value)


def _plain_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
