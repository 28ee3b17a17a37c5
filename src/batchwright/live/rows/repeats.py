"""Prompts that were asked before, and what came back for them. Memory stays flat: a file that nobody sees has both."""

import hashlib
import sqlite3
from dataclasses import dataclass, replace
from typing import Final

from batchwright.closing import Closing
from batchwright.live.engine.asking import Answered
from batchwright.result import Result
from batchwright.tracking.prompt_index import PromptIndex
from batchwright.tracking.result_codec import decode_result, encode_result
from batchwright.usage import Usage

_DIGEST_BYTES: Final = 16
_CACHE_KIB: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What came back for an equal prompt before."""

    result: Result
    """Without usage: that was paid for then."""
    provider_name: str
    model: str


class Repeats(Closing):
    """The first of equal prompts and its answer; for one thread. A context manager."""

    def __init__(self) -> None:
        self._index = PromptIndex()
        self._db = sqlite3.connect("", isolation_level=None)  # a temporary file without a name
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE answers (number INTEGER PRIMARY KEY, result BLOB, provider TEXT, model TEXT)")

    def first(self, prompt: str, number: int) -> int:
        """Return the number of the first prompt that was this: `number` itself, where none was."""
        digest = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
        return self._index.first(digest, number)

    def keep(self, number: int, answered: Answered) -> None:
        """Remember what became of a first one."""
        row = (number, encode_result(answered.result), answered.provider_name, answered.model)
        self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", row)

    def again(self, number: int) -> Again:
        """Return what became of a first one that is kept; it costs nothing more."""
        found = self._db.execute("SELECT result, provider, model FROM answers WHERE number = ?", (number,)).fetchone()
        line, provider_name, model = found
        return Again(result=replace(decode_result(line), usage=Usage()), provider_name=provider_name, model=model)

    def close(self) -> None:
        """Delete what was remembered."""
        self._index.close()
        self._db.close()
