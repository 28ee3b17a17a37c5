"""What arrived and what was answered, as JSON lines in one append-only file. Keys and query strings never enter it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchwright.emulator.vendor import Vendor


class Journal:
    """The log file. One write per entry, so that entries of several threads do not mix and a kill loses none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def close(self) -> None:
        """Close the file; nothing can be written any more."""
        os.close(self._file)

    def clear(self) -> None:
        """Forget everything."""
        os.ftruncate(self._file, 0)

    def write(self, at: float, vendor: Vendor, kind: str, **what: Any) -> None:
        """Append an entry; `at` in seconds of the emulator's clock."""
        os.write(self._file, to_json({"at": at, "provider": str(vendor), "kind": kind, **what}) + b"\n")

    def entries(self) -> Iterator[dict[str, Any]]:
        """All entries, oldest first."""
        with self._path.open("rb") as file:
            for line in file:
                # A line without its end is being written at this moment.
                if line.endswith(b"\n"):
                    yield from_json(line)
