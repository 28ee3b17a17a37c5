"""Turns between processes for one file. Held for a read and a write of that file, never across the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchwright.errors import TrackingError

LOCK_TIMEOUT = 30.0
"""Seconds to wait for the other processes' turns; each takes milliseconds."""

_POLL = 0.01


@contextmanager
def locked(lock_path: Path, guarded: Path, *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock `lock_path` that guards the file `guarded`.

    It is a kernel lock: when the holder dies, however, it is free at once; the lock file staying behind means nothing.
    Raises `TrackingError` when the lock cannot be had within `timeout` seconds, or its file cannot be made.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  (slow to import, and reading needs no lock)

    lock = FileLock(lock_path, timeout=timeout)
    try:
        lock.acquire(poll_interval=_POLL)
    except Timeout as exc:
        raise TrackingError(
            f"{guarded} has been in use by another process for {timeout:g} s (lock {lock_path}); "
            "nothing was changed; try again when that process is done"
        ) from exc
    except OSError as exc:
        raise TrackingError(
            f"cannot lock {guarded}: {exc.strerror or exc} ({lock_path}); nothing was changed; "
            "make the folder writable or choose another place for the file"
        ) from exc
    try:
        yield
    finally:
        lock.release()
