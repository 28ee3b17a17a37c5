"""Dataset runs and the answers to their rows, in one SQLite database that several processes share.

Three tables: `batch_runs`, a line for each run with the columns of the guide and some of ours behind them;
`batch_items`, a line for each answered row; `batch_copies`, the rows whose prompt is another's. An item's key is the
run's number and the row's in one integer: SQLite finds and orders those without a second index, at two thirds of the
price of writing a pair (measured). The view `batch_answers` shows both again, for a person with a SQL prompt.

Write-ahead logging lets others read while a run writes. Answers are committed together, at most `FLUSH_SECONDS` after
they came; a process that is killed loses no more than that, a power cut nothing that was committed before it.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from batchwright.errors import InputError, TrackingError
from batchwright.run import RowAnswer, RowSet, Run
from batchwright.tracking.durable import make_folder
from batchwright.tracking.run_codec import (
    ADD_ANSWER,
    COUNT_COPIES,
    FILL_COPIES,
    ITEM_COLUMNS,
    MAX_ROWS,
    PUT_ANSWER,
    RUN_COLUMNS,
    decode_answer,
    decode_run,
    encode_run,
    keys_of,
    stored,
)
from batchwright.tracking.run_database import connect, explained, prepare
from batchwright.usage import Usage

FLUSH_SECONDS: Final = 0.25
FLUSH_ANSWERS: Final = 1000


class RunStore:
    """The runs of one database file; made when first needed. Safe to use from several threads and processes.

    Every method raises `TrackingError` naming the file when it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._counted: set[int] = set()
        """Numbers of runs whose counts were compared with their answers; from then on they are kept."""

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
            marks = ", ".join("?" * len(RUN_COLUMNS.split(", ")))
            db.execute(f"INSERT INTO batch_runs ({RUN_COLUMNS}) VALUES ({marks})", encode_run(run, number))  # noqa: S608
        return self.get(run.run_id)

    def get(self, run_id: str) -> Run:
        """Return a run by its id. Raises `TrackingError` when there is none."""
        with self._used("read") as db:
            row = db.execute(f"SELECT {RUN_COLUMNS} FROM batch_runs WHERE id = ?", [run_id]).fetchone()  # noqa: S608
        if row is None:
            raise TrackingError(f"no run {run_id!r} in {self.path}; see: batch list")
        return decode_run(row)

    def runs(self, *, limit: int | None = None) -> list[Run]:
        """Return the runs, newest first."""
        with self._used("read") as db:
            rows = db.execute(
                f"SELECT {RUN_COLUMNS} FROM batch_runs ORDER BY number DESC LIMIT ?",  # noqa: S608
                [-1 if limit is None else limit],
            ).fetchall()
        return [decode_run(row) for row in rows]

    def update(self, run_id: str, **columns: Any) -> Run:
        """Set columns of a run (`status`, `message`, `total_prompts`, `output_file`, …) and return it."""
        values = {name: stored(value) for name, value in columns.items()}
        names = ", ".join(f"{name} = ?" for name in values)
        with self._used("write") as db:
            db.execute(f"UPDATE batch_runs SET {names} WHERE id = ?", [*values.values(), run_id])  # noqa: S608
        return self.get(run_id)

    def request_stop(self, run_id: str) -> None:
        """Ask the process that works on a run to stop; it looks every second or so."""
        self.update(run_id, stop_requested=True)

    def answers(
        self, run: Run, *, failed: bool | None = None, first: int = 0, last: int | None = None
    ) -> Iterator[RowAnswer]:
        """Yield the answers of a run in the order of its rows; only those that failed, or did not, if asked for.

        Those of the rows from `first` to `last`, both included.
        """
        condition = "" if failed is None else f" AND failed = {int(failed)}"
        low, high = keys_of(run.number)
        low, high = low + first, high if last is None else low + last + 1
        with self._reader() as db:
            yield from map(
                decode_answer,
                db.execute(
                    f"SELECT {ITEM_COLUMNS} FROM batch_items WHERE key >= ? AND key < ?{condition} ORDER BY key",  # noqa: S608
                    [low, high],
                ),
            )

    def outcomes(self, run: Run) -> Iterator[tuple[int, str | None, str | None]]:
        """Yield each row that something came back for, in order, with its response and its error: all of an output."""
        low, high = keys_of(run.number)
        with self._reader() as db:
            yield from db.execute(
                "SELECT key - ?, response, error FROM batch_items WHERE key >= ? AND key < ? ORDER BY key",
                [low, low, high],
            )

    def answer(self, run: Run, row: int) -> RowAnswer | None:
        """Return what came back for one row, or None where nothing has."""
        with self._used("read") as db:
            found = db.execute(
                f"SELECT {ITEM_COLUMNS} FROM batch_items WHERE key = ?",  # noqa: S608
                [keys_of(run.number)[0] + row],
            ).fetchone()
        return None if found is None else decode_answer(found)

    def answered(self, run: Run) -> RowSet:
        """Return the rows of a run that have an answer."""
        low, high = keys_of(run.number)
        with self._reader() as db:
            found = db.execute("SELECT key FROM batch_items WHERE key >= ? AND key < ? AND failed = 0", [low, high])
            return RowSet(key - low for (key,) in found)

    def add_copies(self, run: Run, pairs: Iterable[tuple[int, int]]) -> None:
        """Remember rows that are not asked about themselves, each with the row whose answer is also theirs."""
        low, _ = keys_of(run.number)
        with self._used("write") as db:
            db.executemany(
                "INSERT OR REPLACE INTO batch_copies (key, first) VALUES (?, ?)",
                ((low + row, low + first) for row, first in pairs),
            )

    def copies(self, run: Run) -> Iterator[tuple[int, int]]:
        """Yield those pairs in the order of the rows."""
        low, high = keys_of(run.number)
        with self._reader() as db:
            yield from db.execute(
                "SELECT key - ?, first - ? FROM batch_copies WHERE key >= ? AND key < ? ORDER BY key",
                [low, low, low, high],
            )

    def fill_copies(self, run: Run, *, among: tuple[int, int] | None = None) -> None:
        """Give the copies among a run's rows what came back for the rows they are of; it was paid once and is so noted.

        Only copies of the rows from `among[0]` to `among[1]`, both included; None means of any, and all are counted
        anew. A copy that has an answer keeps it.
        """
        low, high = keys_of(run.number)
        first, last = among or (0, MAX_ROWS - 1)
        places = {"low": low, "high": high, "first": low + first, "last": low + last}
        with self._used("write") as db:
            filled, failed, failed_before = db.execute(COUNT_COPIES, places).fetchone()
            if filled:
                db.execute(FILL_COPIES, places)
                _count_in(db, run, completed=filled - failed, failed=failed - failed_before)
        if filled and among is None:
            self._recount(run)

    def forget_failures(self, run: Run) -> int:
        """Remove the rows of a run that failed, so that they are asked again; return how many there were."""
        low, high = keys_of(run.number)
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
        with self._lock:
            if run.number not in self._counted:  # a writer of an earlier version, killed, may have left them wrong
                self._recount(run)
                self._counted.add(run.number)
        writer = AnswerWriter(self, run)
        try:
            yield writer
        finally:
            writer.flush()

    def _recount(self, run: Run) -> None:
        low, high = keys_of(run.number)
        with self._used("write") as db:
            total, failed = db.execute(
                "SELECT COUNT(*), COALESCE(SUM(failed), 0) FROM batch_items WHERE key >= ? AND key < ?", [low, high]
            ).fetchone()
            db.execute(
                "UPDATE batch_runs SET completed_prompts = ?, failed_prompts = ? WHERE number = ?",
                [total - failed, failed, run.number],
            )

    def write(self, run: Run, rows: list[tuple[Any, ...]], *, failed: int) -> None:
        """Commit a writer's rows and what they change in the run's counts: to count all of them takes ever longer."""
        with self._used("write") as db:
            db.execute("SAVEPOINT added")
            more = len(rows)
            if db.executemany(ADD_ANSWER, rows).rowcount < more:  # some rows were answered before: seldom
                db.execute("ROLLBACK TO added")
                more, failed = _replaced(db, rows)
            _count_in(db, run, completed=more - failed, failed=failed)

    @contextmanager
    def _used(self, action: str) -> Iterator[sqlite3.Connection]:
        """Work on the database in one transaction."""
        with self._lock, explained(action, self.path):
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
        with self._lock, explained("read", self.path):
            self._open()
        with explained("read", self.path):
            db = connect(self.path)
            try:
                yield db
            finally:
                db.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            make_folder(self.path.parent)
            connection = connect(self.path)
            try:
                prepare(connection, self.path)
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
        self._base = keys_of(run.number)[0]
        self._rows: list[tuple[Any, ...]] = []
        self._failed = 0
        self._since = 0.0
        self._seen: tuple[int, int] | None = None

    def put(self, answer: RowAnswer) -> None:
        """Keep an answer; a later one for the same row takes its place. Raises `TrackingError`."""
        self.keep(
            answer.row,
            answer.response,
            answer.error,
            model=answer.model,
            usage=answer.usage,
            cost=answer.cost,
            seconds=answer.seconds,
        )

    def keep(
        self,
        row: int,
        response: str | None,
        error: str | None,
        *,
        model: str | None,
        usage: Usage,
        cost: Decimal | None,
        seconds: float | None = None,
    ) -> None:
        """Keep what `put` would of an answer in these words, without the price of making one of millions."""
        if not self._rows:
            self._since = time.monotonic()
        failed = error is not None
        self._failed += failed
        self._rows.append(
            (
                self._base + row,
                int(failed),
                response,
                error,
                model,
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_tokens,  # 0, not NULL: it takes no more room, and for a None sqlite3 looks for an adapter
                usage.cache_write_tokens,
                usage.reasoning_tokens,
                None if cost is None else str(cost),
                seconds,
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
            keys = [row[0] for row in self._rows]
            low, high = min(keys) - self._base, max(keys) - self._base
            self._seen = (low, high) if self._seen is None else (min(low, self._seen[0]), max(high, self._seen[1]))
            self._rows, self._failed = [], 0

    def fill_copies(self) -> None:
        """Give the copies of the rows that were put what came back for these."""
        self.flush()
        if self._seen is not None:
            self._store.fill_copies(self._run, among=self._seen)


def _count_in(db: sqlite3.Connection, run: Run, *, completed: int, failed: int) -> None:
    db.execute(
        "UPDATE batch_runs SET completed_prompts = completed_prompts + ?, failed_prompts = failed_prompts + ? "
        "WHERE number = ?",
        [completed, failed, run.number],
    )


def _replaced(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> tuple[int, int]:
    """Put rows that may be there already; return how many more of them are answered or failed now, and failed alone."""
    keys = ",".join({str(row[0]) for row in rows})
    count = f"SELECT COUNT(*), COALESCE(SUM(failed), 0) FROM batch_items WHERE key IN ({keys})"  # noqa: S608  (numbers)
    before, failed_before = db.execute(count).fetchone()
    db.executemany(PUT_ANSWER, rows)
    after, failed_after = db.execute(count).fetchone()
    return after - before, failed_after - failed_before
