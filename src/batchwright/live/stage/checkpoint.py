"""Which pages are done: a file that survives whatever ends the program.

The file is a line of JSON for each page, only ever added to, so that a mark costs the same for the first page and for
the hundred-thousandth. A line is on disk before `mark_completed` returns; one that a crash cut off counts as unwritten.
"""

import fcntl
import operator
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from batchwright.errors import InputError
from batchwright.tracking.durable import make_folder, sync_folder

_HEAD = b'{"batchwright_checkpoint":1}\n'
_NAME = b'{"batchwright_checkpoint":'
_ANY = ""
"""The stage of a page that was marked outside of every stage: it counts for all of them."""

_current: ContextVar[str] = ContextVar("batchwright_stage", default=_ANY)


class Checkpoint:
    """The pages that are completed, kept in `file` (made, with its folder, by the first mark).

    A page is anything JSON can say: a number, a text, a path. Pages are kept for each stage, so that the stages of a
    pipeline can share a file; inside a handler, the stage is the one that runs. Raises `InputError` where the file
    cannot be read or written, or is not a checkpoint. Several threads and processes may use the same file; what other
    processes mark is seen when a new `Checkpoint` is made.
    """

    def __init__(self, file: str | PathLike[str]) -> None:
        self.file = Path(file)
        self._lock = threading.Lock()
        self._done: dict[str, set[bytes]] = {}
        for stage, key in _read(self.file):
            self._done.setdefault(stage, set()).add(key)
        self._handle: int | None = None

    def mark_completed(self, page: Any, *, stage: str | None = None) -> None:
        """Remember that `page` is done; marking it again changes nothing."""
        key, name = _key(page), _current.get() if stage is None else stage
        with self._lock:
            done = self._done.setdefault(name, set())
            if key in done:
                return
            self._append(b'{"stage":%b,"page":%b}\n' % (to_json(name), key))
            done.add(key)

    def is_completed(self, page: Any, *, stage: str | None = None) -> bool:
        """Say whether `page` is done in `stage`; see `remaining`."""
        key = _key(page)
        with self._lock:
            return any(key in done for done in self._of(stage))

    def remaining(self, pages: Iterable[Any], *, stage: str | None = None) -> list[Any]:
        """Return the pages that are not done, in their order.

        Without `stage`, the stage is the one that runs, or the only one that the file knows. Raises `ValueError` where
        it knows several.
        """
        with self._lock:
            known = self._of(stage)
            return [page for page in pages if not any(_key(page) in done for done in known)]

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of which a page is done."""
        return tuple(sorted(name for name, done in list(self._done.items()) if name != _ANY and done))

    def close(self) -> None:
        """Close the file; the next mark opens it again."""
        with self._lock:
            self._close()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):  # not where reading the file failed
            self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Let marks and questions that name no stage be about `stage`."""
        token = _current.set(stage)
        try:
            yield
        finally:
            _current.reset(token)

    def _of(self, stage: str | None) -> list[set[bytes]]:
        name = stage if stage is not None else _current.get()
        if name == _ANY and len(self.stages) > 1:
            raise ValueError(
                f"{self.file} knows several stages ({', '.join(map(repr, self.stages))}); say which: stage=…"
            )
        names = self.stages if name == _ANY else (name,)
        return [self._done.get(entry, set()) for entry in (*names, _ANY)]

    def _append(self, line: bytes) -> None:
        try:
            if self._handle is None:
                self._handle = _open(self.file)
            _write(self._handle, line)
            os.fsync(self._handle)
        except OSError as exc:
            self._close()  # the next mark opens it again, and ends a line of which only a part was written
            raise InputError(f"the checkpoint {self.file} cannot be written: {exc.strerror or exc}") from exc


def _open(file: Path) -> int:
    """Open for adding lines, the first time with a head; a line that a crash cut off is ended first."""
    make_folder(file.parent)
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # until the head is written: two processes may begin together
        size = os.fstat(handle).st_size
        if size < len(_HEAD):
            os.ftruncate(handle, 0)
            _write(handle, _HEAD)
            sync_folder(file.parent)
        elif os.pread(handle, 1, size - 1) != b"\n":
            _write(handle, b"\n")
        fcntl.flock(handle, fcntl.LOCK_UN)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _write(handle: int, data: bytes) -> None:
    """Write in one call, so that lines of several processes do not mix; a full disk may take a part only."""
    written = os.write(handle, data)
    if written != len(data):
        raise OSError(f"only {written} of {len(data)} bytes were written; the disk may be full")


def _read(file: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (stage, page) of every whole line. Raises `InputError` for a file that is something else."""
    try:
        with file.open("rb") as lines:
            head = next(lines, b"")
            if _HEAD.startswith(head):  # also one that a crash cut off before its end
                yield from (entry for line in lines if (entry := _entry(line)))
                return
    except FileNotFoundError:
        return
    except OSError as exc:
        raise InputError(f"the checkpoint {file} cannot be read: {exc.strerror or exc}") from exc
    if head.startswith(_NAME):
        raise InputError(f"the checkpoint {file} was written by a newer version of batchwright; update it")
    raise InputError(f"{file} is not a checkpoint of batchwright; choose another file for it")


def _entry(line: bytes) -> tuple[str, bytes] | None:
    """Return (stage, page) of a line, or None where a crash cut it off."""
    try:
        entry = from_json(line)
        return entry["stage"], _key(entry["page"])
    except (ValueError, KeyError, TypeError):
        return None


def _key(page: Any) -> bytes:
    """Return a page as JSON; numbers of numpy are numbers. Raises `TypeError` for what JSON cannot say."""
    try:
        return to_json(page, fallback=operator.index)
    except (PydanticSerializationError, TypeError, ValueError) as exc:
        raise TypeError(f"a page is a number, a text or a path for a checkpoint to keep, not {page!r}") from exc
