"""Wait for jobs: when to ask again, and the loop that asks."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batchwright.clock import Clock

FIRST_INTERVAL = 30.0
"""Seconds before the second look at a real provider."""
LONGEST_INTERVAL = 600.0
EMULATED_FIRST_INTERVAL = 0.2
EMULATED_LONGEST_INTERVAL = 2.0
GROWTH = 1.5
JITTER = 0.1
"""Part of an interval by which it is drawn shorter or longer, so that many watchers do not ask in step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often to look, in seconds."""

    first: float = FIRST_INTERVAL
    longest: float = LONGEST_INTERVAL
    draw: Callable[[], float] = random.random
    """A number in [0, 1) that decides the jitter."""

    def interval(self, looks: int) -> float:
        """Return the wait after the given number of looks (1 or more): growing, bounded, jittered."""
        steady = min(self.longest, self.first * GROWTH ** min(looks - 1, 64))
        return steady * (1 + JITTER * (2 * self.draw() - 1))


def looks(clock: Clock, pace: Pace, *, timeout: float | None = None) -> Iterator[int]:
    """Yield 1, 2, 3 … when it is time for a look; ends when `timeout` seconds are over.

    The last look is at the end of the timeout, not an interval before it. The caller stops when there is nothing left
    to wait for.
    """
    started = clock.monotonic()
    look = 0
    while True:
        look += 1
        yield look
        wait = pace.interval(look)
        if timeout is not None:
            left = timeout - (clock.monotonic() - started)
            if left <= 0:
                return
            wait = min(wait, left)
        clock.sleep(wait)
