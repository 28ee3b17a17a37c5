"""Our own names of jobs: `job-` and 12 characters that sort by time."""

import hashlib
import re
import secrets
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


def new_job_id(now: datetime, draw: Callable[[int], int] = secrets.randbelow) -> str:
    """Return a job id: nine characters of milliseconds, three random ones. `draw(n)` gives an int in [0, n)."""
    return new_job_ids(now, 1, draw)[0]


def new_job_ids(now: datetime, count: int, draw: Callable[[int], int] = secrets.randbelow) -> tuple[str, ...]:
    """Return `count` job ids that differ and sort in the order given, as needed for jobs planned at one moment."""
    first = int(now.timestamp() * 1000) * _TAIL + draw(_TAIL)
    return tuple(_job_id(first + offset) for offset in range(count))


def hashed_job_id(job_name: str) -> str:
    """Return the job id of a job that was never given one: every process makes the same of the same name."""
    digest = hashlib.sha256(job_name.encode("utf-8", "surrogatepass")).digest()
    return _job_id(int.from_bytes(digest[:8], "big"))


def _job_id(value: int) -> str:
    return _PREFIX + "".join(ALPHABET[(value >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
