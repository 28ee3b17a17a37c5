"""Dataset runs and the answers to their rows, in one SQLite database that several processes share.

Two tables: `batch_runs`, a line for each run with the columns of the guide and some of ours behind them, and
`batch_items`, a line for each answered row. An item's key is the run's number and the row's in one integer: SQLite
finds and orders those without a second index, at two thirds of the price of writing a pair (measured). The view
`batch_answers` shows both again, for a person with a SQL prompt.

Write-ahead logging lets others read while a run writes. Answers are committed together, at most `FLUSH_SECONDS` after
they came; a process that is killed loses no more than that, a power cut nothing that was committed before it.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pydantic_core

from batchwright.errors import InputError, TrackingError
from batchwright.run import RowAnswer, RowSet, Run, RunStatus
from batchwright.tracking.durable import make_folder
from batchwright.usage import Usage

FLUSH_SECONDS: Final = 0.25
FLUSH_ANSWERS: Final = 500
BUSY_SECONDS: Final = 30.0
"""How long to wait for another process's commit; each takes milliseconds."""

MAX_ROWS: Final = 2**40
"""Rows of a run, at most; its number is put above these bits."""

_VERSION: Final = 1
_SCHEMA: Final = """
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
    message TEXT
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
CREATE VIEW batch_answers AS
    SELECT batch_runs.id AS run_id, batch_items.key & 1099511627775 AS row, batch_items.*
    FROM batch_items JOIN batch_runs ON batch_runs.number = batch_items.key >> 40;
"""
_RUN_COLUMNS: Final = (
    "id, created_at, input_file, output_file, model, total_prompts, completed_prompts, failed_prompts, status, config, "
    "number, ended_at, stop_requested, message"
)
_ITEM_COLUMNS: Final = (
    "key, failed, response, error, model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, "
    "reasoning_tokens, cost, seconds"
)


# A failure never takes the place of an answer: a job that is fetched late may bring one about a row asked again since.
_CHANGED: Final = ", ".join(f"{name} = excluded.{name}" for name in _ITEM_COLUMNS.split(", ")[1:])
_PUT: Final = (
    f"INSERT INTO batch_items ({_ITEM_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) "  # noqa: S608  (our own column names)
    f"ON CONFLICT (key) DO UPDATE SET {_CHANGED} WHERE excluded.failed = 0 OR batch_items.failed = 1"
)


class RunStore:
    """The runs of one database file; made when first needed. Safe to use from several threads and processes.

    Every method raises `TrackingError` naming the file when it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the database; it opens again when it is used again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def create(self, run: Run) -> Run:
        """Remember a new run and return it with its number. Raises `InputError` when its id is taken."""
        with self._used("write") as db:
            taken = db.execute("SELECT 1 FROM batch_runs WHERE id = ?", [run.run_id]).fetchone()
            if taken:
                raise InputError(f"there is a run {run.run_id} already; choose another --batch-id, or give --resume")
            (number,) = db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM batch_runs").fetchone()
            marks = ", ".join("?" * len(_RUN_COLUMNS.split(", ")))
            db.execute(f"INSERT INTO batch_runs ({_RUN_COLUMNS}) VALUES ({marks})", _run_row(run, number))  # noqa: S608
        return self.get(run.run_id)

    def get(self, run_id: str) -> Run:
        """Return a run by its id. Raises `TrackingError` when there is none."""
        with self._used("read") as db:
            row = db.execute(f"SELECT {_RUN_COLUMNS} FROM batch_runs WHERE id = ?", [run_id]).fetchone()  # noqa: S608
        if row is None:
            raise TrackingError(f"no run {run_id!r} in {self.path}; see: batch list")
        return _run(row)

    def runs(self, *, limit: int | None = None) -> list[Run]:
        """Return the runs, newest first."""
        with self._used("read") as db:
            rows = db.execute(
                f"SELECT {_RUN_COLUMNS} FROM batch_runs ORDER BY number DESC LIMIT ?",  # noqa: S608
                [-1 if limit is None else limit],
            ).fetchall()
        return [_run(row) for row in rows]

    def update(self, run_id: str, **columns: Any) -> Run:
        """Set columns of a run (`status`, `message`, `total_prompts`, `output_file`, …) and return it."""
        values = {name: _stored(value) for name, value in columns.items()}
        names = ", ".join(f"{name} = ?" for name in values)
        with self._used("write") as db:
            db.execute(f"UPDATE batch_runs SET {names} WHERE id = ?", [*values.values(), run_id])  # noqa: S608
        return self.get(run_id)

    def request_stop(self, run_id: str) -> None:
        """Ask the process that works on a run to stop; it looks every second or so."""
        self.update(run_id, stop_requested=True)

    def answers(self, run: Run, *, failed: bool | None = None) -> Iterator[RowAnswer]:
        """Yield the answers of a run in the order of its rows; only those that failed, or did not, if asked for."""
        condition = "" if failed is None else f" AND failed = {int(failed)}"
        low, high = _keys(run.number)
        with self._reader() as db:
            yield from map(
                _answer,
                db.execute(
                    f"SELECT {_ITEM_COLUMNS} FROM batch_items WHERE key >= ? AND key < ?{condition} ORDER BY key",  # noqa: S608
                    [low, high],
                ),
            )

    def answer(self, run: Run, row: int) -> RowAnswer | None:
        """Return what came back for one row, or None where nothing has."""
        with self._used("read") as db:
            found = db.execute(
                f"SELECT {_ITEM_COLUMNS} FROM batch_items WHERE key = ?",  # noqa: S608
                [_keys(run.number)[0] + row],
            ).fetchone()
        return None if found is None else _answer(found)

    def answered(self, run: Run) -> RowSet:
        """Return the rows of a run that have an answer."""
        low, high = _keys(run.number)
        with self._reader() as db:
            found = db.execute("SELECT key FROM batch_items WHERE key >= ? AND key < ? AND failed = 0", [low, high])
            return RowSet(key - low for (key,) in found)

    def forget_failures(self, run: Run) -> int:
        """Remove the rows of a run that failed, so that they are asked again; return how many there were."""
        low, high = _keys(run.number)
        with self._used("write") as db:
            gone = db.execute("DELETE FROM batch_items WHERE key >= ? AND key < ? AND failed = 1", [low, high]).rowcount
            db.execute("UPDATE batch_runs SET failed_prompts = 0 WHERE number = ?", [run.number])
        return int(gone)

    def spent(self, run: Run) -> tuple[Usage, Decimal, int]:
        """Return a run's tokens, its dollars, and how many of its answers have no known price."""
        usage, cost, unpriced = Usage(), Decimal(0), 0
        for answer in self.answers(run):
            usage += answer.usage
            if answer.cost is None:
                unpriced += bool(answer.usage.total_tokens)
            else:
                cost += answer.cost
        return usage, cost, unpriced

    @contextmanager
    def writer(self, run: Run) -> Iterator["AnswerWriter"]:
        """Write answers of a run, from one thread; they and the run's counts are committed when the block ends."""
        writer = AnswerWriter(self, run)
        try:
            yield writer
        finally:
            writer.flush()
            self._recount(run)

    def _recount(self, run: Run) -> None:
        low, high = _keys(run.number)
        with self._used("write") as db:
            total, failed = db.execute(
                "SELECT COUNT(*), COALESCE(SUM(failed), 0) FROM batch_items WHERE key >= ? AND key < ?", [low, high]
            ).fetchone()
            db.execute(
                "UPDATE batch_runs SET completed_prompts = ?, failed_prompts = ? WHERE number = ?",
                [total - failed, failed, run.number],
            )

    def write(self, run: Run, rows: list[tuple[Any, ...]], *, failed: int) -> None:
        """Commit a writer's rows and count them."""
        with self._used("write") as db:
            db.executemany(_PUT, rows)
            db.execute(
                "UPDATE batch_runs SET completed_prompts = completed_prompts + ?, failed_prompts = failed_prompts + ? "
                "WHERE number = ?",
                [len(rows) - failed, failed, run.number],
            )

    @contextmanager
    def _used(self, action: str) -> Iterator[sqlite3.Connection]:
        """Work on the database in one transaction."""
        with self._lock, _explained(action, self.path):
            db = self._open()
            db.execute("BEGIN IMMEDIATE" if action == "write" else "BEGIN")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Read on a connection of one's own, so that a long reading holds up no writer."""
        with self._lock, _explained("read", self.path):
            self._open()
        with _explained("read", self.path):
            db = _connect(self.path)
            try:
                yield db
            finally:
                db.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            make_folder(self.path.parent)
            connection = _connect(self.path)
            try:
                _prepare(connection, self.path)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


class AnswerWriter:
    """Takes a run's answers one by one and commits them together, often enough."""

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store = store
        self._run = run
        self._base = _keys(run.number)[0]
        self._rows: list[tuple[Any, ...]] = []
        self._failed = 0
        self._since = 0.0

    def put(self, answer: RowAnswer) -> None:
        """Keep an answer; a later one for the same row takes its place. Raises `TrackingError`."""
        usage = answer.usage
        if not self._rows:
            self._since = time.monotonic()
        self._failed += answer.failed
        self._rows.append(
            (
                self._base + answer.row,
                int(answer.failed),
                answer.response,
                answer.error,
                answer.model,
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_tokens or None,
                usage.cache_write_tokens or None,
                usage.reasoning_tokens or None,
                None if answer.cost is None else str(answer.cost),
                answer.seconds,
            )
        )
        if len(self._rows) >= FLUSH_ANSWERS:
            self.flush()

    @property
    def overdue(self) -> bool:
        """Whether answers have waited for a commit as long as they may."""
        return bool(self._rows) and time.monotonic() - self._since >= FLUSH_SECONDS

    def flush(self) -> None:
        """Commit what was put so far."""
        if self._rows:
            self._store.write(self._run, self._rows, failed=self._failed)
            self._rows, self._failed = [], 0


def _connect(path: Path) -> sqlite3.Connection:
    # Transactions are begun and ended by hand; one connection is used by one thread at a time, under a lock.
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none. Raises `TrackingError` for a database of a newer version."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        _check_version(version, path)
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _check_version(version: int, path: Path) -> None:
    if version > _VERSION:
        raise TrackingError(f"{path} was made by a newer batchwright (version {version}); update, or use another file")


def _keys(number: int) -> tuple[int, int]:
    return number * MAX_ROWS, (number + 1) * MAX_ROWS


def _run_row(run: Run, number: int) -> list[Any]:
    return [
        run.run_id,
        _stored(run.created_at),
        run.input_file,
        run.output_file,
        run.model,
        run.total,
        run.completed,
        run.failed,
        str(run.status),
        _stored(run.config),
        number,
        _stored(run.ended_at),
        int(run.stop_requested),
        run.message,
    ]


def _run(row: Iterable[Any]) -> Run:
    (run_id, created, source, output, model, total, completed, failed, status, config, number, ended, stop, why) = row
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
    )


def _answer(row: tuple[Any, ...]) -> RowAnswer:
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


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return pydantic_core.to_json(value).decode()
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, (StrEnum, Decimal)) else value


@contextmanager
def _explained(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise TrackingError(
            f"cannot {action} the run database {path}: {exc}; nothing in it was changed; "
            "make room or the folder writable, or choose another with --database"
        ) from exc
    except OSError as exc:
        raise TrackingError(
            f"cannot {action} the run database {path}: {exc.strerror or exc}; choose another with --database"
        ) from exc
