"""Rows whose turn has not come: answers arrive in any order, files are written in the input's."""

import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

IN_MEMORY: Final = 4 * 1024 * 1024
"""Bytes of rows that wait in memory; the rest waits in a file."""
_NOWHERE: Final = -1


class Waiting:
    """Lines of bytes by position. Beyond the first megabytes, a position costs eight bytes of memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._here: dict[int, bytes] = {}
        self._here_bytes = 0
        self._offsets = array("q")
        self._spilled = 0
        self._end = 0
        self._files: tuple[BinaryIO, BinaryIO] | None = None

    def __len__(self) -> int:
        return len(self._here) + self._spilled

    def put(self, position: int, line: bytes) -> None:
        """Keep a line, which ends with the only line feed in it. Raises `OSError` where there is no room for it."""
        if self._here_bytes + len(line) <= IN_MEMORY:
            self._here[position] = line
            self._here_bytes += len(line)
            return
        missing = position + 1 - len(self._offsets)
        if missing > 0:
            self._offsets.extend([_NOWHERE] * missing)
        self._offsets[position] = self._end
        self._writer().write(line)
        self._end += len(line)
        self._spilled += 1

    def take(self, position: int) -> bytes | None:
        """Return the line of a position and keep it no longer; None if there is none."""
        line = self._here.pop(position, None)
        if line is not None:
            self._here_bytes -= len(line)
            return line
        if position >= len(self._offsets) or self._offsets[position] == _NOWHERE:
            return None
        offset, self._offsets[position] = self._offsets[position], _NOWHERE
        self._spilled -= 1
        return self._read(offset)

    def holds(self, position: int) -> bool:
        """Whether there is a line for a position."""
        return position in self._here or (position < len(self._offsets) and self._offsets[position] != _NOWHERE)

    def rest(self) -> Iterator[bytes]:
        """Take all lines there are, in the order of their positions."""
        last = max(self._here, default=-1)
        for position in range(max(last + 1, len(self._offsets))):
            line = self.take(position)
            if line is not None:
                yield line

    def close(self) -> None:
        """Give back what the file took."""
        for file in self._files or ():
            file.close()

    def _writer(self) -> BinaryIO:
        if self._files is None:
            handle, name = tempfile.mkstemp(prefix=".batchwright-", dir=self._folder)
            self._files = os.fdopen(handle, "wb"), Path(name).open("rb")  # noqa: SIM115  (`close` closes them)
            Path(name).unlink()  # it is there as long as it is open, and leaves nothing behind a killed run
        return self._files[0]

    def _read(self, offset: int) -> bytes:
        assert self._files is not None
        writer, reader = self._files
        reader.seek(offset)
        line = reader.readline()
        if not line.endswith(b"\n"):  # it is not, or not wholly, on disk yet
            writer.flush()
            reader.seek(offset)
            line = reader.readline()
        return line
