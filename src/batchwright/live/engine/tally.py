"""How far a live run is: counts, rate, tokens, cost, time left. Pure: time is handed in."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from batchwright.pricing.rates import EXACT
from batchwright.usage import Usage

_SAMPLES = 31
_SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run at one moment."""

    done: int
    """Requests that are over, failed ones included."""
    failed: int
    total: int | None
    """None where nobody knows how many will come."""
    seconds: float
    """Since the run began."""
    rate: float
    """Requests a second, over the last half minute."""
    seconds_left: float | None
    """At that rate; None while it cannot be told."""
    usage: Usage
    cost: Decimal
    """Dollars of everything that has a known price."""
    unpriced: int
    """Requests whose price is unknown; while it is not 0, `cost` is not the whole."""
    over: bool = False
    """Whether this is the last report."""


@dataclass(slots=True)
class Tally:
    """Counts one run; `began` and every `now` are seconds of one clock."""

    began: float
    total: int | None = None
    done: int = 0
    failed: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    _input: int = 0
    _output: int = 0
    _cached: int = 0
    _cache_write: int = 0
    _reasoning: int = 0
    _samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    def add(self, usage: Usage, cost: Decimal | None, *, succeeded: bool) -> None:
        """Count one request that is over."""
        self.done += 1
        self.failed += not succeeded
        self._input += usage.input_tokens
        self._output += usage.output_tokens
        self._cached += usage.cached_tokens
        self._cache_write += usage.cache_write_tokens
        self._reasoning += usage.reasoning_tokens
        if cost is None:
            self.unpriced += 1
        else:
            self.cost = EXACT.add(self.cost, cost)

    @property
    def usage(self) -> Usage:
        """Tokens so far; kept as numbers, for a new sum an answer costs more than all else here."""
        return Usage(
            input_tokens=self._input,
            output_tokens=self._output,
            cached_tokens=self._cached,
            cache_write_tokens=self._cache_write,
            reasoning_tokens=self._reasoning,
        )

    def report(self, now: float, *, over: bool = False) -> Progress:
        """Return how far the run is."""
        rate = self._rate(now)
        left = None if self.total is None or not rate else max(0, self.total - self.done) / rate
        return Progress(
            done=self.done,
            failed=self.failed,
            total=self.total,
            seconds=now - self.began,
            rate=rate,
            seconds_left=left,
            usage=self.usage,
            cost=self.cost,
            unpriced=self.unpriced,
            over=over,
        )

    def _rate(self, now: float) -> float:
        if not self._samples:
            self._samples.append((self.began, 0))
        since, before = self._samples[0]
        if now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, self.done))
        return (self.done - before) / (now - since) if now > since else 0.0
