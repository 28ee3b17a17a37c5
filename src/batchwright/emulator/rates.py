"""How much may be asked live in a minute. Pure; time is handed in."""

from __future__ import annotations

import threading
from dataclasses import dataclass

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """An allowance of a minute after a call: what is left of it, and when all of it is back."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a live call found; an allowance that is not limited is None."""

    requests: Level | None
    tokens: Level | None
    wait_s: float
    """Seconds until the call would have been taken; 0 = it was."""
    short_of: str
    """`requests` or `tokens`, where it was not."""


class Allowances:
    """What one vendor's account has left; it comes back evenly, and never more than a minute's worth is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, *, requests_per_minute: int, tokens_per_minute: int, tokens: int, now: float) -> Standing | None:
        """Take a call of so many tokens, or nothing at all where it is too much; 0 = no limit, None without any.

        A call larger than a minute's tokens is taken when all of them are there.
        """
        wanted = {
            "requests": (requests_per_minute, 1),
            "tokens": (tokens_per_minute, min(tokens, tokens_per_minute)),
        }
        limited = {name: pair for name, pair in wanted.items() if pair[0]}
        if not limited:
            return None
        with self._lock:
            left = {name: self._left_now(name, limit, now) for name, (limit, _) in limited.items()}
            waits = {
                name: max(0.0, (amount - left[name]) * MINUTE_S / limit) for name, (limit, amount) in limited.items()
            }
            short_of = max(waits, key=lambda name: waits[name])
            if not waits[short_of]:
                left = {name: left[name] - amount for name, (_, amount) in limited.items()}
            self._left |= {name: (amount, now) for name, amount in left.items()}
        levels = {name: _level(limit, left[name]) for name, (limit, _) in limited.items()}
        return Standing(
            requests=levels.get("requests"), tokens=levels.get("tokens"), wait_s=waits[short_of], short_of=short_of
        )

    def _left_now(self, name: str, limit: int, now: float) -> float:
        left, at = self._left.get(name, (float(limit), now))
        return min(float(limit), left + max(0.0, now - at) * limit / MINUTE_S)


def _level(limit: int, left: float) -> Level:
    return Level(limit=limit, remaining=int(left), reset_s=(limit - left) * MINUTE_S / limit)
