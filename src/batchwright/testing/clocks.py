"""A clock that waits for nobody."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When a `FakeClock` begins."""


class FakeClock:
    """A clock that moves only when told to, or when somebody sleeps on it. Safe to use from several threads."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.naps: list[float] = []
        """Every sleep asked for, in seconds."""

    def now(self) -> datetime:
        """Return the present moment of this clock."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return seconds since the epoch of this clock."""
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        """Move on without waiting."""
        self.naps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
