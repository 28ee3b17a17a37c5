"""Answers of earlier runs, by what was asked: a run with `--cache` pays only for what nobody has asked before.

The table lies in the run database. What is kept is what a model said, so a key has to cover everything that it was
told, and who it was.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchwright.closing import Closing
from batchwright.errors import TrackingError
from batchwright.tracking.durable import make_folder
from batchwright.tracking.run_database import BUSY_SECONDS

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS batch_cache (
    key BLOB PRIMARY KEY,
    response TEXT NOT NULL,
    model TEXT,
    kept_at TEXT DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """What a model said when it was asked the same before."""

    response: str
    model: str | None


class AnswerCache(Closing):
    """Answers by the digest of what was asked; for one thread. Raises `TrackingError` where the file cannot be used.

    What is put is committed by `flush`.
    """

    def __init__(self, database: Path) -> None:
        self._path = database
        with self._explained():
            make_folder(database.parent)
            self._db = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(_TABLE)
        self._new: dict[bytes, CachedAnswer] = {}

    def get(self, key: bytes) -> CachedAnswer | None:
        """Return what was answered to this, or None."""
        if key in self._new:
            return self._new[key]
        with self._explained():
            row = self._db.execute("SELECT response, model FROM batch_cache WHERE key = ?", [key]).fetchone()
        return None if row is None else CachedAnswer(response=row[0], model=row[1])

    def put(self, key: bytes, response: str, model: str | None) -> None:
        """Keep an answer; a newer one takes its place."""
        self._new[key] = CachedAnswer(response=response, model=model)

    def flush(self) -> None:
        """Commit what was put."""
        if not self._new:
            return
        rows = [(key, answer.response, answer.model) for key, answer in self._new.items()]
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR REPLACE INTO batch_cache (key, response, model) VALUES (?, ?, ?)", rows)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        self._new.clear()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.flush()
        finally:
            self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            raise TrackingError(f"cannot use the answers kept in {self._path}: {exc}; leave --cache out") from exc
