"""How fast to go on after the provider said that requests come too fast. Pure: time is handed in.

A pause alone mends nothing where the configured rate is more than the provider allows: it would be refused again as
soon as everybody is back. So the rate goes down with each pause, stays near there for most of the time in which it may
come back, ten times the pause, and then rises faster and faster: a limit that is not met again was a passing trouble.
"""

import math
from dataclasses import dataclass

_FIRST = 0.7
"""Share of the rate that is kept while it is not known how much is too much."""
_AGAIN = 0.85
"""Share that is kept when the rate begun with had been fine, and only its rise was too much."""
_FINE = 1.01
"""Risen by so much, a rate has been fine for a while."""
_PATIENCE = 10.0
"""Times a pause that pass before the rate is tried again at which it was refused: at most a tenth is spent pausing."""
_LEAST_S = 300.0
"""However short the pause was."""
_WINDOW_S = 5.0
"""Over how many seconds the flow is looked at."""
_BEND = 256.0
"""How late the rise is: after half of the time, a sixteenth of it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A rate a minute that grows with time."""

    ceiling: float
    """The rate that was refused."""
    floor: float
    """The rate that is begun again with."""
    since: float
    """When, in the caller's seconds."""
    regain: float
    """Seconds from the floor to the ceiling."""

    def at(self, now: float) -> float:
        """Return the rate of this moment; a while after `regain` it is beyond any limit."""
        periods = min(10.0, max(0.0, now - self.since) / self.regain)
        return self.floor + (self.ceiling - self.floor) * (math.pow(_BEND, periods) - 1.0) / (_BEND - 1.0)


def slower(rate: float, *, pause: float, now: float, before: Pace | None) -> Pace:
    """Return the pace after `rate` was refused and everybody paused for `pause` seconds.

    `before` is the pace that held until now, if one did.
    """
    kept = _AGAIN if before is not None and rate >= before.floor * _FINE else _FIRST
    return Pace(ceiling=rate, floor=rate * kept, since=now, regain=max(_LEAST_S, _PATIENCE * pause))


class Flow:
    """How many requests a minute went out lately, where no rate is set that would tell."""

    __slots__ = ("_before", "_began", "_count")

    def __init__(self) -> None:
        self._began: float | None = None
        self._count = 0
        self._before: float | None = None

    def count(self, now: float) -> None:
        """Take note of a request."""
        if self._began is None:
            self._began = now
        elif now - self._began >= _WINDOW_S:
            self._before = self._rate(now)
            self._began, self._count = now, 0
        self._count += 1

    def per_minute(self, now: float) -> float | None:
        """Return the rate of the last seconds before `now`; None before anything was counted."""
        if self._began is None:
            return None
        young = now - self._began < _WINDOW_S / 5
        return self._before if young and self._before is not None else self._rate(now)

    def _rate(self, now: float) -> float:
        assert self._began is not None, "something was counted"
        return self._count / max(_WINDOW_S / 5, now - self._began) * 60
