"""What the emulator remembers across a restart: jobs, files, unfinished uploads, counters. SQLite plus plain files."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from batchwright.emulator.engine import History
from batchwright.emulator.faults.rules import Fault, parse_faults
from batchwright.emulator.scenario import Settings, settings_from_json, settings_to_json
from batchwright.emulator.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, vendor TEXT NOT NULL, created_at REAL NOT NULL,
    listed_at REAL NOT NULL, polls INTEGER NOT NULL DEFAULT 0, polled_out_at REAL, cancel_at REAL,
    deleted INTEGER NOT NULL DEFAULT 0,
    spec TEXT NOT NULL, settings TEXT NOT NULL, faults TEXT NOT NULL, examined TEXT, settled TEXT);
CREATE INDEX IF NOT EXISTS jobs_by_vendor ON jobs (vendor, seq);
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, vendor TEXT NOT NULL, created_at REAL NOT NULL,
    expires_at REAL, name TEXT NOT NULL, purpose TEXT NOT NULL, bytes INTEGER NOT NULL, path TEXT NOT NULL,
    extra TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, extra TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (
    vendor TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (vendor, name));
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL, occasions INTEGER NOT NULL DEFAULT 0,
    strikes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_TABLES = ("jobs", "files", "uploads", "counters", "faults", "settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A stored job.

    `spec` holds what the vendor's create call said; `examined` and `settled` remember what was found in the input and
    what became of it, once somebody has needed to know.
    """

    seq: int = 0
    id: str
    vendor: Vendor
    history: History
    settings: Settings
    spec: dict[str, Any]
    examined: dict[str, Any] | None = None
    settled: dict[str, Any] | None = None
    deleted: bool = False
    faults: tuple[Fault, ...] = ()
    """What struck the job when it was created."""

    def struck_by(self, name: str) -> bool:
        """Whether the fault of this name struck the job."""
        return any(fault.name == name for fault in self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file as a vendor's file API shows it; `path` is relative to the data directory."""

    seq: int = 0
    id: str
    vendor: Vendor
    created_at: float
    expires_at: float | None
    name: str
    purpose: str
    bytes: int
    path: str
    extra: dict[str, Any] = field(default_factory=dict)


class Store:
    """The database. Safe to call from several threads; every call is one short transaction.

    `now` gives the emulator's time in seconds: jobs that come into being later are not seen.
    """

    def __init__(self, path: Path, *, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # The emulator survives a killed process; a power failure is not among its promises.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; the store cannot be used any more."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several calls as one step that other threads see whole."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction():
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant

    # Jobs

    def add_job(self, job: Job, *, listed_at: float) -> None:
        """Remember a new job, which lists show from `listed_at` on."""
        settings = to_json(settings_to_json(job.settings)).decode()
        self._rows(
            "INSERT INTO jobs (id, vendor, created_at, listed_at, spec, settings, faults, examined) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(job.id, str(job.vendor), job.history.created_at, listed_at, to_json(job.spec).decode(), settings),
            to_json([fault.to_json() for fault in job.faults]).decode(),
            to_json(job.examined).decode() if job.examined else None,
        )

    def job(self, vendor: Vendor, job_id: str) -> Job | None:
        """The job, or None where there is none (any more)."""
        sql = "SELECT * FROM jobs WHERE id = ? AND vendor = ? AND NOT deleted AND created_at <= ?"
        row = self._row(sql, job_id, str(vendor), self._now())
        return _job(row) if row else None

    def any_job(self, job_id: str) -> Job | None:
        """The job of whichever vendor, also when its owner deleted it."""
        row = self._row("SELECT * FROM jobs WHERE id = ?", job_id)
        return _job(row) if row else None

    def jobs(
        self, vendor: Vendor, *, limit: int = -1, before: int | None = None, after: int | None = None
    ) -> list[Job]:
        """Jobs newest first: those older than the job with number `before`, or those just newer than `after`."""
        shown = "SELECT * FROM jobs WHERE vendor = ? AND NOT deleted AND listed_at <= ?"
        values = (str(vendor), self._now())
        if after is not None:
            rows = self._rows(f"{shown} AND seq > ? ORDER BY seq LIMIT ?", *values, after, limit)
            return [_job(row) for row in reversed(rows)]
        rows = self._rows(
            f"{shown} AND (? IS NULL OR seq < ?) ORDER BY seq DESC LIMIT ?", *values, before, before, limit
        )
        return [_job(row) for row in rows]

    def all_jobs(self, vendor: Vendor) -> list[Job]:
        """Every job that is not deleted, seen or not."""
        return [_job(row) for row in self._rows("SELECT * FROM jobs WHERE vendor = ? AND NOT deleted", str(vendor))]

    def unborn_jobs(self, vendor: Vendor) -> list[Job]:
        """Jobs whose create takes effect only later."""
        rows = self._rows("SELECT * FROM jobs WHERE vendor = ? AND created_at > ?", str(vendor), self._now())
        return [_job(row) for row in rows]

    def forget_job(self, job_id: str) -> None:
        """Forget the job, as if nobody had ever asked for it."""
        self._rows("DELETE FROM jobs WHERE id = ?", job_id)

    def count_poll(self, job_id: str, now: float, *, ends_at: int | None) -> None:
        """One GET of the job more, unless it was cancelled; `ends_at` is the number of the poll that ends it."""
        self._rows("UPDATE jobs SET polls = polls + 1 WHERE id = ? AND cancel_at IS NULL", job_id)
        if ends_at is not None:
            sql = "UPDATE jobs SET polled_out_at = ? WHERE id = ? AND polls >= ? AND polled_out_at IS NULL"
            self._rows(sql, now, job_id, ends_at)

    def cancel_job(self, job_id: str, now: float) -> None:
        """Remember that a cancel was asked for; a second request changes nothing."""
        self._rows("UPDATE jobs SET cancel_at = ? WHERE id = ? AND cancel_at IS NULL", now, job_id)

    def delete_job(self, job_id: str) -> None:
        """Hide the job from its owner."""
        self._rows("UPDATE jobs SET deleted = 1 WHERE id = ?", job_id)

    def remember_examined(self, job_id: str, examined: dict[str, Any]) -> None:
        """What was found when the input was looked at."""
        self._rows("UPDATE jobs SET examined = ? WHERE id = ?", to_json(examined).decode(), job_id)

    def remember_settled(self, job_id: str, settled: dict[str, Any]) -> None:
        """What became of the requests."""
        self._rows("UPDATE jobs SET settled = ? WHERE id = ?", to_json(settled).decode(), job_id)

    # Files

    def add_file(self, file: StoredFile) -> None:
        """Remember a file, in place of one of the same name (which has expired, or it would have been refused)."""
        self._rows(
            "INSERT OR REPLACE INTO files (id, vendor, created_at, expires_at, name, purpose, bytes, path, extra)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(file.id, str(file.vendor), file.created_at, file.expires_at, file.name, file.purpose, file.bytes),
            *(file.path, to_json(file.extra).decode()),
        )

    def file(self, vendor: Vendor, file_id: str, now: float) -> StoredFile | None:
        """The file, or None where there is none, it was deleted, or it has expired at `now`."""
        row = self._row(
            "SELECT * FROM files WHERE id = ? AND vendor = ? AND (expires_at IS NULL OR expires_at > ?)",
            *(file_id, str(vendor), now),
        )
        return _file(row) if row else None

    def files(self, vendor: Vendor, now: float) -> list[StoredFile]:
        """All files that exist at `now`, newest first."""
        rows = self._rows(
            "SELECT * FROM files WHERE vendor = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY seq DESC",
            *(str(vendor), now),
        )
        return [_file(row) for row in rows]

    def delete_file(self, file_id: str) -> None:
        """Forget the file; jobs keep their own link to what they read."""
        self._rows("DELETE FROM files WHERE id = ?", file_id)

    # Uploads in several requests

    def put_upload(self, upload_id: str, extra: dict[str, Any]) -> None:
        """Remember how far an upload has come."""
        self._rows("INSERT OR REPLACE INTO uploads (id, extra) VALUES (?, ?)", upload_id, to_json(extra).decode())

    def upload(self, upload_id: str) -> dict[str, Any] | None:
        """What `put_upload` remembered."""
        row = self._row("SELECT extra FROM uploads WHERE id = ?", upload_id)
        return from_json(row["extra"]) if row else None

    def drop_upload(self, upload_id: str) -> None:
        """The upload is over."""
        self._rows("DELETE FROM uploads WHERE id = ?", upload_id)

    # Counters and settings

    def count(self, vendor: Vendor, name: str, by: int = 1) -> None:
        """Add to a counter."""
        self._rows(
            "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            *(str(vendor), name, by),
        )

    def counters(self) -> dict[tuple[str, str], int]:
        """All counters by (vendor, name)."""
        return {(row["vendor"], row["name"]): row["value"] for row in self._rows("SELECT * FROM counters")}

    # Faults

    def faults(self) -> list[tuple[int, dict[str, Any], int, int]]:
        """Number, JSON form, occasions and strikes of each fault that is set, in order."""
        rows = self._rows("SELECT * FROM faults ORDER BY number")
        return [(row["number"], from_json(row["fault"]), row["occasions"], row["strikes"]) for row in rows]

    def add_fault(self, document: dict[str, Any]) -> int:
        """Remember a fault after all others; its number."""
        rows = self._rows("INSERT INTO faults (fault) VALUES (?) RETURNING number", to_json(document).decode())
        number: int = rows[0]["number"]
        return number

    def count_fault(self, number: int, occasions: int, strikes: int) -> None:
        """Remember how often a fault could have struck, and has."""
        self._rows("UPDATE faults SET occasions = ?, strikes = ? WHERE number = ?", occasions, strikes, number)

    def drop_fault(self, number: int) -> None:
        """Forget a fault."""
        self._rows("DELETE FROM faults WHERE number = ?", number)

    def put_setting(self, name: str, value: Any) -> None:
        """Remember a value of the emulator itself."""
        self._rows("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, to_json(value).decode())

    def setting(self, name: str) -> Any:
        """What `put_setting` remembered, or None."""
        row = self._row("SELECT value FROM settings WHERE name = ?", name)
        return from_json(row["value"]) if row else None


def _job(row: sqlite3.Row) -> Job:
    examined = from_json(row["examined"]) if row["examined"] else None
    return Job(
        seq=row["seq"],
        id=row["id"],
        vendor=Vendor(row["vendor"]),
        history=History(
            created_at=row["created_at"],
            polls=row["polls"],
            polled_out_at=row["polled_out_at"],
            cancel_at=row["cancel_at"],
            refused=bool(examined and examined["errors"]),
        ),
        settings=settings_from_json(from_json(row["settings"])),
        spec=from_json(row["spec"]),
        examined=examined,
        settled=from_json(row["settled"]) if row["settled"] else None,
        deleted=bool(row["deleted"]),
        faults=parse_faults(from_json(row["faults"])),
    )


def _file(row: sqlite3.Row) -> StoredFile:
    return StoredFile(
        seq=row["seq"],
        id=row["id"],
        vendor=Vendor(row["vendor"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        name=row["name"],
        purpose=row["purpose"],
        bytes=row["bytes"],
        path=row["path"],
        extra=from_json(row["extra"]),
    )
