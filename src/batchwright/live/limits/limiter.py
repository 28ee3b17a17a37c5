"""Whose turn it is: requests and tokens a minute, kept together and first come, first served.

What may be taken when is decided by `live/limits/buckets.py`; here is the waiting. Everything runs in one event loop,
so nothing is locked.
"""

import asyncio
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from batchwright.live.limits.buckets import Bucket
from batchwright.live.limits.pace import Flow, Pace, slower
from batchwright.providers.base import Rates

_FORGOTTEN = 4.0
"""Times the refused rate, from which on a pace holds nobody back any more."""
_PACE_SECONDS = 1.0
"""How often a pace that grows is looked at."""


class Limiter(Protocol):
    """What the pool asks before each attempt."""

    async def acquire(self, tokens: int) -> None:
        """Wait for the turn of one request of about `tokens` tokens."""
        ...

    def settle(self, estimated: int, used: int) -> None:
        """Say what a request that acquired `estimated` tokens has really used."""
        ...

    def paused(self, seconds: float, consecutive: int) -> None:
        """Say that requests came too fast and everybody paused; `consecutive` counts pauses since the last success."""
        ...


@dataclass(slots=True, eq=False)
class _Waiter:
    tokens: int
    turn: asyncio.Future[None] = field(repr=False)


class RateLimiter:
    """Requests and tokens a minute, smooth, in the order of asking.

    None means no limit of ours; what the provider's headers say (`learn`) holds then, and below ours in any case.
    `burst_seconds` is how much of the allowance may be used at once after a pause, or at the start; 60 allows the
    whole minute. Raises `ValueError` for a limit that is not above 0.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        burst_seconds: float = 1.0,
    ) -> None:
        for what, value in (
            ("requests_per_minute", requests_per_minute),
            ("tokens_per_minute", tokens_per_minute),
            ("burst_seconds", burst_seconds),
        ):
            if value is not None and not value > 0:
                raise ValueError(f"{what} is {value}; it must be above 0, or None for no limit")
        self._flow = Flow()
        self._requests = _Limit(requests_per_minute, burst_seconds)
        self._tokens = _Limit(tokens_per_minute, burst_seconds)
        self._queue: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limited(self) -> bool:
        """Whether anything is limited at this moment."""
        return self._requests.per_minute is not None or self._tokens.per_minute is not None

    @property
    def requests_per_minute(self) -> float | None:
        """The limit in force, ours or the provider's."""
        return self._requests.per_minute

    @property
    def tokens_per_minute(self) -> float | None:
        """The limit in force, ours or the provider's."""
        return self._tokens.per_minute

    async def acquire(self, tokens: int) -> None:
        """Wait for the turn of one request of about `tokens` tokens. One cancelled while waiting takes nothing."""
        loop = asyncio.get_running_loop()
        if not self.limited:
            self._flow.count(loop.time())
            return
        if not self._queue and not self._wait(tokens, loop.time()):
            self._take(tokens)
            return
        waiter = _Waiter(tokens=tokens, turn=loop.create_future())
        self._queue.append(waiter)
        if len(self._queue) == 1:
            self._serve(loop)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._withdraw(waiter, loop)
            raise

    def settle(self, estimated: int, used: int) -> None:
        """Refund what a request was estimated too high, or charge what it used more."""
        if self._tokens.bucket is None or estimated == used:
            return
        self._tokens.bucket.give_back(estimated - used)
        if self._queue:
            self._serve(asyncio.get_running_loop())

    def paused(self, seconds: float, consecutive: int) -> None:
        """Go on more slowly than the rate that was refused, and come back to it in time (`live/limits/pace.py`).

        Pauses without a success in between say nothing new about the rate.
        """
        if consecutive > 1:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        refused = self._requests.per_minute or self._flow.per_minute(now - seconds)
        if refused is not None:
            self._requests.slow_down(refused, seconds, now)
        if self._queue:
            self._serve(loop)

    def learn(self, rates: Rates) -> None:
        """Keep below what the provider says it allows, and never above what was set here."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._requests.learn(rates.requests_per_minute, rates.remaining_requests, now)
        self._tokens.learn(rates.tokens_per_minute, rates.remaining_tokens, now)
        if self._queue:
            self._serve(loop)

    def release(self) -> None:
        """Let everybody go who waits at this moment, without taking anything: they will not ask."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.turn.cancelled():
                waiter.turn.set_result(None)
        self._stop_timer()

    def forget(self) -> None:
        """Drop what was learned: the next requests go to another account."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._requests.forget(now)
        self._tokens.forget(now)
        if self._queue:
            self._serve(loop)

    def _wait(self, tokens: int, now: float) -> float:
        return max(self._requests.wait(1, now), self._tokens.wait(tokens, now))

    def _take(self, tokens: int) -> None:
        self._requests.take(1)
        self._tokens.take(tokens)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go everybody at the head whose turn has come, and wake again when the next one's will."""
        self._stop_timer()
        now = loop.time()
        while self._queue:
            waiter = self._queue[0]
            if waiter.turn.cancelled():
                self._queue.popleft()
                continue
            seconds = self._wait(waiter.tokens, now)
            if seconds:
                self._timer = loop.call_later(seconds, self._serve, loop)
                return
            self._queue.popleft()
            self._take(waiter.tokens)
            waiter.turn.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _withdraw(self, waiter: _Waiter, loop: asyncio.AbstractEventLoop) -> None:
        if waiter.turn.cancelled():
            with suppress(ValueError):  # those behind may have been served past it
                self._queue.remove(waiter)
        else:  # its turn came in the same step in which it was cancelled
            self._requests.give_back(1)
            self._tokens.give_back(waiter.tokens)
        self._serve(loop)


class _Limit:
    """One limit: what was set, what was learned, how fast is too fast, and the bucket of the smallest of them."""

    __slots__ = ("_burst_seconds", "_learned", "_look", "_own", "_pace", "bucket", "per_minute")

    def __init__(self, own: float | None, burst_seconds: float) -> None:
        self._own = own
        self._learned: float | None = None
        self._pace: Pace | None = None
        self._look = math.inf
        self._burst_seconds = burst_seconds
        self.per_minute = own
        self.bucket: Bucket | None = None

    def wait(self, amount: float, now: float) -> float:
        if now >= self._look:
            self._apply(now)
        if self.per_minute is None:
            return 0.0
        if self.bucket is None:
            self.bucket = Bucket.of(self.per_minute, burst_seconds=self._burst_seconds, now=now)
        return self.bucket.wait(amount, now)

    def take(self, amount: float) -> None:
        if self.bucket is not None:
            self.bucket.take(amount)

    def give_back(self, amount: float) -> None:
        if self.bucket is not None:
            self.bucket.give_back(amount)

    def learn(self, per_minute: float | None, remaining: float | None, now: float) -> None:
        if per_minute is not None and per_minute > 0 and per_minute != self._learned:
            self._learned = per_minute
            self._apply(now)
        if remaining is not None and self.bucket is not None:
            self.bucket.drain_to(remaining, now)

    def slow_down(self, refused: float, pause: float, now: float) -> None:
        self._pace = slower(refused, pause=pause, now=now, before=self._pace)
        self._apply(now)

    def forget(self, now: float) -> None:
        self._learned = self._pace = None
        self._apply(now)

    def _apply(self, now: float) -> None:
        """Put the smallest of the rates in force."""
        set_rate = min((rate for rate in (self._own, self._learned) if rate is not None), default=math.inf)
        paced = math.inf if self._pace is None else self._pace.at(now)
        if self._pace is not None and paced >= min(set_rate, self._pace.ceiling * _FORGOTTEN):
            self._pace, paced = None, math.inf
        self._look = math.inf if self._pace is None else now + _PACE_SECONDS
        rate = min(set_rate, paced)
        self.per_minute = None if rate == math.inf else rate
        if self.per_minute is None:
            self.bucket = None
        elif self.bucket is None:
            self.bucket = Bucket.of(self.per_minute, burst_seconds=self._burst_seconds, now=now)
        else:
            self.bucket.change(self.per_minute, burst_seconds=self._burst_seconds, now=now)
