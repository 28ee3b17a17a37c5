"""Claims: kernel locks on files, free the moment their holder dies. So others tell who works on something from who did.

Raises `OSError` as the system does; callers say what it was about.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_ONLOOKERS_GONE: Final = 10.0
"""Seconds within which everybody who only looked at a claim has let go of it, on however busy a machine."""
_NEXT_TRY: Final = 0.001


@contextmanager
def claimed(path: Path, *, removed: bool = False) -> Iterator[bool]:
    """Claim the file `path`, which is made where needed, until the block ends.

    The value is false at once where another process, or another thread of this one, has it. With `removed` the file is
    gone afterwards; then everybody has to claim it so.
    """
    handle = _opened(path)
    try:
        held = _take(handle)
        while held and removed and not _is_at(handle, path):  # whoever had it removed it just before it was ours
            os.close(handle)
            handle = _opened(path)
            held = _take(handle)
        yield held
        if held and removed:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def is_claimed(path: Path) -> bool:
    """Return whether somebody who lives has the claim now; whoever acts upon it must take the claim itself."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _take(handle: int) -> bool:
    """Lock `handle` for us alone; false if someone else has it.

    `is_claimed` looks by locking for a moment together with others. Where the exclusive lock is refused and the shared
    one is given, only such an onlooker stood in the way. It lets go as soon as it gets processor time, so it is waited
    for: asking again and again would use up just that.
    """
    until = time.monotonic() + _ONLOOKERS_GONE
    while not _try(handle, fcntl.LOCK_EX):
        if not _try(handle, fcntl.LOCK_SH) or time.monotonic() > until:
            return False
        fcntl.flock(handle, fcntl.LOCK_UN)
        time.sleep(_NEXT_TRY)
    return True


def _try(handle: int, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        return True
    return False
