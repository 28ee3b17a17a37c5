"""The pause that everybody shares after a rate limit, and the slow start after it. Pure: the caller brings the time.

Each request is sent with a ticket, the number of cooldowns so far. Fifty requests in flight that are refused together
carry the same ticket, so the first begins a cooldown and the others join it.
"""

from collections.abc import Callable
from enum import StrEnum


class Verdict(StrEnum):
    """What a refused request does to everybody."""

    BEGIN = "begin"
    """A cooldown begins now; whoever got this verdict says how long it is, by `last`."""
    JOIN = "join"
    """It was sent before the latest cooldown began: nothing new was learned from it."""
    GIVE_UP = "give_up"
    """As many cooldowns as allowed have passed without a single success."""


class Cooldown:
    """Whether everybody pauses, until when, and how many pauses there were without a success in between."""

    __slots__ = ("_max_cooldowns", "consecutive", "cooling", "epoch", "given_up", "until")

    def __init__(self, *, max_cooldowns: int) -> None:
        self._max_cooldowns = max_cooldowns
        self.epoch = 0
        """Cooldowns so far; the ticket of whatever is sent now."""
        self.consecutive = 0
        """Cooldowns since the last success."""
        self.cooling = False
        self.until = 0.0
        """When the cooldown ends, in the caller's time."""
        self.given_up = False

    def refused(self, ticket: int) -> Verdict:
        """Take note that a request sent with `ticket` was refused for coming too fast."""
        if self.cooling or ticket != self.epoch:
            return Verdict.JOIN
        if self.given_up or self.consecutive >= self._max_cooldowns:
            self.given_up = True
            return Verdict.GIVE_UP
        self.epoch += 1
        self.consecutive += 1
        self.cooling = True
        return Verdict.BEGIN

    def last(self, now: float, seconds: float) -> None:
        """Let the cooldown last for `seconds` from now at least; it is never shortened."""
        self.until = max(self.until, now + seconds)

    def resume(self) -> None:
        """End the cooldown."""
        self.cooling = False

    def succeeded(self, ticket: int) -> None:
        """Take note of a success; one that was sent before the latest cooldown proves nothing about now."""
        if ticket == self.epoch:
            self.consecutive = 0


class SlowStart:
    """Spaces out the requests after a cooldown: each gets its own moment to go, one after the other.

    `delay_of` says, by the number of requests since the cooldown, whether the next is held back and for how many
    seconds after the one before it. Those that come meanwhile and are more than it counts follow at its last delay:
    together they would be the very surge that it is to prevent. Whoever comes after its last request goes at once, be
    there some that still wait: what was let go may go on, or many workers would for ever be as slow as a few.
    """

    __slots__ = ("_delay", "_delay_of", "_latest", "_over", "active", "started")

    def __init__(self, delay_of: Callable[[int], tuple[bool, float]]) -> None:
        self._delay_of = delay_of
        self._delay = 0.0
        self._latest = 0.0
        """The latest moment that was given to a request."""
        self._over = 0.0
        """The moment of the last request that was counted."""
        self.active = False
        self.started = 0
        """Requests that were given their moment since the last cooldown."""

    def begin(self, now: float) -> None:
        """Begin again, at the end of a cooldown."""
        self.active = True
        self.started = 0
        self._latest = self._over = now

    def reserve(self, now: float) -> float:
        """Return the seconds from now until the next request may go; this moment is then taken."""
        applies, delay = self._delay_of(self.started)
        if applies:
            self.started += 1
            self._delay = max(0.0, delay)
            self._latest = self._over = max(now, self._latest + self._delay)
        elif now < self._over:
            self._latest += self._delay
        else:
            self.active = now < self._latest
            return 0.0
        return self._latest - now
