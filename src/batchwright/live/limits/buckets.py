"""The arithmetic of a rate limit: a bucket that fills steadily and may be overdrawn once. Pure: time is handed in."""

from dataclasses import dataclass

_DUST = 1e-6
"""Timers fire a little early and floats round; less than this is not worth waking for twice."""


@dataclass(slots=True)
class Bucket:
    """So many units a second, with room for `capacity` of them while nobody takes any.

    An amount above the capacity waits for a full bucket and leaves a debt that later ones wait out, so that the rate
    holds on average whatever the amounts are. All times are seconds of one clock.
    """

    per_second: float
    capacity: float
    level: float
    at: float
    """When `level` was true."""

    @classmethod
    def of(cls, per_minute: float, *, burst_seconds: float, now: float) -> "Bucket":
        """Return a full bucket that holds what `burst_seconds` bring, and one unit at the least."""
        capacity = _capacity(per_minute, burst_seconds)
        return cls(per_second=per_minute / 60, capacity=capacity, level=capacity, at=now)

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may be taken; 0 means now."""
        self._fill(now)
        lacking = min(amount, self.capacity) - self.level
        return lacking / self.per_second if lacking > _DUST else 0.0

    def take(self, amount: float) -> None:
        """Take `amount`, also what is not there yet."""
        self.level -= amount

    def give_back(self, amount: float) -> None:
        """Put `amount` back (a negative one is charged); what the bucket has no room for is lost."""
        self.level = min(self.capacity, self.level + amount)

    def drain_to(self, level: float, now: float) -> None:
        """Hold at most `level`: the provider counts less than we do, because others draw on the same account."""
        self._fill(now)
        self.level = min(self.level, level)

    def change(self, per_minute: float, *, burst_seconds: float, now: float) -> None:
        """Fill at another rate from now on; what is there stays as far as there is room."""
        self._fill(now)
        self.per_second = per_minute / 60
        self.capacity = _capacity(per_minute, burst_seconds)
        self.level = min(self.level, self.capacity)

    def _fill(self, now: float) -> None:
        if now > self.at:
            self.level = min(self.capacity, self.level + (now - self.at) * self.per_second)
            self.at = now


def _capacity(per_minute: float, burst_seconds: float) -> float:
    return max(1.0, per_minute / 60 * burst_seconds)
