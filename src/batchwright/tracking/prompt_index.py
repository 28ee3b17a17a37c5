"""Which rows of a run have the same prompt. Memory stays flat: SQLite keeps the index in a file that nobody sees.

Digests come in no order, so one insertion each would read and write another page of a large index. They are held back
and inserted together, sorted; and a filter of a few megabytes says of nearly every new one that it is not in the file.
"""

import sqlite3
from typing import Final

from batchwright.closing import Closing

HELD: Final = 10_000
"""Digests in memory, at most, before they go to the file."""
_CACHE_KIB: Final = 8_192
"""Of the index in memory; the rest is in the file, which goes with the connection."""
_FILTER_BITS: Final = 1 << 26
"""Eight megabytes: of a million digests in the file, one in a thousand new ones is looked for there in vain."""
_MASK: Final = _FILTER_BITS - 1


class PromptIndex(Closing):
    """The first row of each prompt; for one thread. A context manager."""

    def __init__(self, *, held: int = HELD) -> None:
        self._most = held
        self._held: dict[bytes, int] = {}
        self._filter = bytearray(_FILTER_BITS // 8)
        self._db = sqlite3.connect("", isolation_level=None)  # a temporary file without a name
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE prompts (digest BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID")

    def first(self, digest: bytes, row: int) -> int:
        """Return the first row that had this digest: `row` itself, where none had it before."""
        found = self._held.get(digest)
        if found is None and self._may_be_in_file(digest):
            stored = self._db.execute("SELECT row FROM prompts WHERE digest = ?", (digest,)).fetchone()
            found = None if stored is None else int(stored[0])
        if found is not None:
            return found
        self._held[digest] = row
        if len(self._held) >= self._most:
            self._write()
        return row

    def close(self) -> None:
        """Delete the index."""
        self._db.close()

    def _may_be_in_file(self, digest: bytes) -> bool:
        mixed, bits = hash(digest), self._filter
        one, other = mixed & _MASK, mixed >> 32 & _MASK
        return bool(bits[one >> 3] >> (one & 7) & bits[other >> 3] >> (other & 7) & 1)

    def _write(self) -> None:
        bits = self._filter
        for digest in self._held:
            mixed = hash(digest)
            for place in (mixed & _MASK, mixed >> 32 & _MASK):
                bits[place >> 3] |= 1 << (place & 7)
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO prompts VALUES (?, ?)", sorted(self._held.items()))
        self._db.execute("COMMIT")
        self._held.clear()
