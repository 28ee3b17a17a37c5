"""How runs and their answers lie in the run database: its tables, and our nouns as rows of them. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import pydantic_core

from batchwright.run import RowAnswer, Run, RunStatus
from batchwright.usage import Usage

MAX_ROWS: Final = 2**40
"""Rows of a run, at most; its number is put above these bits."""

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE batch_runs (
    id TEXT PRIMARY KEY,
    created_at TEXT,
    input_file TEXT,
    output_file TEXT,
    model TEXT,
    total_prompts INTEGER,
    completed_prompts INTEGER,
    failed_prompts INTEGER,
    status TEXT,
    config JSON,
    number INTEGER UNIQUE,
    ended_at TEXT,
    stop_requested INTEGER DEFAULT 0,
    message TEXT,
    resumed_at TEXT,
    done_before INTEGER DEFAULT 0
);
CREATE TABLE batch_items (
    key INTEGER PRIMARY KEY,
    failed INTEGER,
    response TEXT,
    error TEXT,
    model TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost TEXT,
    seconds REAL
);
CREATE TABLE batch_copies (
    key INTEGER PRIMARY KEY,
    first INTEGER
);
CREATE VIEW batch_answers AS
    SELECT batch_runs.id AS run_id, batch_items.key & 1099511627775 AS row, batch_items.*
    FROM batch_items JOIN batch_runs ON batch_runs.number = batch_items.key >> 40;
"""
RUN_COLUMNS: Final = (
    "id, created_at, input_file, output_file, model, total_prompts, completed_prompts, failed_prompts, status, config, "
    "number, ended_at, stop_requested, message, resumed_at, done_before"
)
ITEM_COLUMNS: Final = (
    "key, failed, response, error, model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, "
    "reasoning_tokens, cost, seconds"
)


# A failure never takes the place of an answer: a job that is fetched late may bring one about a row asked again since.
_CHANGED: Final = ", ".join(f"{name} = excluded.{name}" for name in ITEM_COLUMNS.split(", ")[1:])
_VALUES: Final = f"INTO batch_items ({ITEM_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
ADD_ANSWER: Final = f"INSERT OR IGNORE {_VALUES}"
"""Of a row that has none yet; else nothing happens."""
PUT_ANSWER: Final = (
    f"INSERT {_VALUES} ON CONFLICT (key) DO UPDATE SET {_CHANGED} WHERE excluded.failed = 0 OR batch_items.failed = 1"
)

_COPIES: Final = """
FROM batch_copies
    JOIN batch_items AS found ON found.key = batch_copies.first
    LEFT JOIN batch_items AS own ON own.key = batch_copies.key
WHERE batch_copies.key >= :low AND batch_copies.key < :high AND batch_copies.first BETWEEN :first AND :last
    AND (own.key IS NULL OR own.failed = 1)
"""
COUNT_COPIES: Final = f"SELECT COUNT(*), COALESCE(SUM(found.failed), 0), COUNT(own.key) {_COPIES}"
"""How many copies would be filled, how many of them with a failure, and how many of them have failed already."""
FILL_COPIES: Final = f"""
INSERT INTO batch_items (key, failed, response, error, model, input_tokens, output_tokens)
SELECT batch_copies.key, found.failed, found.response, found.error, found.model, 0, 0
{_COPIES}
ON CONFLICT (key) DO UPDATE SET
    failed = excluded.failed, response = excluded.response, error = excluded.error, model = excluded.model
"""


def keys_of(number: int) -> tuple[int, int]:
    """Return the first key of a run's answers, and the first that is no more one of them."""
    return number * MAX_ROWS, (number + 1) * MAX_ROWS


def encode_run(run: Run, number: int) -> list[Any]:
    """Return a run as a row of `batch_runs`, in the order of `RUN_COLUMNS`."""
    return [
        run.run_id,
        stored(run.created_at),
        run.input_file,
        run.output_file,
        run.model,
        run.total,
        run.completed,
        run.failed,
        str(run.status),
        stored(run.config),
        number,
        stored(run.ended_at),
        int(run.stop_requested),
        run.message,
        stored(run.resumed_at),
        run.done_before,
    ]


def decode_run(row: Iterable[Any]) -> Run:
    """Return the run of such a row."""
    (run_id, created, source, output, model, total, completed, failed, status, config, *rest) = row
    number, ended, stop, why, resumed, before = rest
    return Run(
        run_id=run_id,
        created_at=datetime.fromisoformat(created),
        input_file=source,
        output_file=output,
        model=model,
        total=total,
        completed=completed,
        failed=failed,
        status=RunStatus(status),
        config=pydantic_core.from_json(config),
        number=number,
        ended_at=None if ended is None else datetime.fromisoformat(ended),
        stop_requested=bool(stop),
        message=why,
        resumed_at=None if resumed is None else datetime.fromisoformat(resumed),
        done_before=before,
    )


def decode_answer(row: tuple[Any, ...]) -> RowAnswer:
    """Return the answer of a row of `batch_items`, in the order of `ITEM_COLUMNS`."""
    (key, _failed, response, error, model, read, wrote, cached, cache_write, reasoning, cost, seconds) = row
    return RowAnswer(
        row=key % MAX_ROWS,
        response=response,
        error=error,
        model=model,
        usage=Usage(
            input_tokens=read,
            output_tokens=wrote,
            cached_tokens=cached or 0,
            cache_write_tokens=cache_write or 0,
            reasoning_tokens=reasoning or 0,
        ),
        cost=None if cost is None else Decimal(cost),
        seconds=seconds,
    )


def stored(value: Any) -> Any:
    """Return a value as SQLite keeps it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return pydantic_core.to_json(value).decode()
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, (StrEnum, Decimal)) else value
