"""The run database as a file: opened, its tables made, and what is wrong with it said in our words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchwright.errors import TrackingError
from batchwright.tracking.run_codec import SCHEMA, VERSION

BUSY_SECONDS: Final = 30.0
"""How long to wait for another process's commit; each takes milliseconds."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection whose transactions are begun and ended by hand; for one thread at a time, under a lock."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none. Raises `TrackingError` for a database of a newer version."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        _check_version(version, path)
        if version == 0:
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _check_version(version: int, path: Path) -> None:
    if version > VERSION:
        raise TrackingError(f"{path} was made by a newer batchwright (version {version}); update, or use another file")


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Use the database; what goes wrong with it leaves as a `TrackingError` that names it."""
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
