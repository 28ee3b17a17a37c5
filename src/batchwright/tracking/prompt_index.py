"""Which rows of a run have the same prompt. Memory stays flat: SQLite keeps the index in a file that nobody sees."""

import sqlite3
from typing import Final

from batchwright.closing import Closing

_CACHE_KIB: Final = 8_192
"""Of the index in memory; the rest is in the file, which goes with the connection."""


class PromptIndex(Closing):
    """The first row of each prompt; for one thread. A context manager."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a temporary file without a name
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE prompts (digest BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID")

    def first(self, digest: bytes, row: int) -> int:
        """Return the first row that had this digest: `row` itself, where none had it before."""
        try:
            self._db.execute("INSERT INTO prompts VALUES (?, ?)", (digest, row))
        except sqlite3.IntegrityError:
            (found,) = self._db.execute("SELECT row FROM prompts WHERE digest = ?", (digest,)).fetchone()
            return int(found)
        return row

    def close(self) -> None:
        """Delete the index."""
        self._db.close()
