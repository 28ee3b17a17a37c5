"""Our own names of jobs: `job-` and 12 characters that sort by time."""

import re
import threading
from collections.abc import Callable
from datetime import datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: sorts as its values do, and has no i, l, o, u to misread."""

JOB_ID = re.compile(r"job-[0-9a-z]{1,32}")
"""What is taken for a job id: safe as a folder's name and short enough to begin a custom_id."""

_PREFIX = "job-"
_LENGTH = 12
_TAIL_BITS = 15  # three random characters after nine of milliseconds, which last until the year 3084
_TAIL = 1 << _TAIL_BITS


def _drawn(below: int) -> int:
    import secrets  # noqa: PLC0415  (commands that only list make no ids)

    return secrets.randbelow(below)


class JobIds:
    """Makes job ids: nine characters of milliseconds, three random ones; each greater than the one before.

    So ids made in one millisecond differ and keep their order, and two processes rarely draw the same. `draw(n)` gives
    an int in [0, n). Safe to use from several threads.
    """

    def __init__(self, now: Callable[[], datetime], draw: Callable[[int], int] = _drawn) -> None:
        self._now = now
        self._draw = draw
        self._last = -1
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Return a new id."""
        with self._lock:
            self._last = max(self._last + 1, int(self._now().timestamp() * 1000) * _TAIL + self._draw(_TAIL))
            return _job_id(self._last)


def hashed_job_id(job_name: str) -> str:
    """Return the job id of a job that was never given one: every process makes the same of the same name."""
    import hashlib  # noqa: PLC0415  (first generation only)

    digest = hashlib.sha256(job_name.encode("utf-8", "surrogatepass")).digest()
    return _job_id(int.from_bytes(digest[:8], "big"))


def _job_id(value: int) -> str:
    return _PREFIX + "".join(ALPHABET[(value >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
