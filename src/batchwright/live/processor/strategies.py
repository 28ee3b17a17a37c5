"""How long the pause after a rate limit is, and how slowly requests start again."""

import inspect
import logging
import math
from typing import Protocol

from batchwright.live.processor.settings import RateLimitConfig

log = logging.getLogger(__name__)


class RateLimitStrategy(Protocol):
    """What the processor asks when the provider does not say how long to wait."""

    def on_rate_limit(self, worker_id: int, consecutive: int, /) -> float:
        """Return the pause in seconds; `consecutive` counts pauses since the last success, this one included."""
        ...

    def should_apply_slow_start(self, items_since_resume: int, /) -> tuple[bool, float]:
        """Return whether the next request is held back, and for how many seconds after the one before."""
        ...


class ExponentialBackoffStrategy:
    """Pauses that grow while nothing succeeds, and a start whose steps shrink evenly; the defaults of the settings."""

    def __init__(
        self,
        cooldown_seconds: float = 300.0,
        backoff_multiplier: float = 1.5,
        slow_start_items: int = 50,
        slow_start_initial_delay: float = 2.0,
        slow_start_final_delay: float = 0.1,
        max_cooldown_seconds: float = 3600.0,
    ) -> None:
        self._config = RateLimitConfig(
            cooldown_seconds=cooldown_seconds,
            backoff_multiplier=backoff_multiplier,
            slow_start_items=slow_start_items,
            slow_start_initial_delay=slow_start_initial_delay,
            slow_start_final_delay=slow_start_final_delay,
            max_cooldown_seconds=max(max_cooldown_seconds, cooldown_seconds),
        )
        self._config.validate()

    @classmethod
    def of(cls, config: RateLimitConfig) -> "ExponentialBackoffStrategy":
        """Return the strategy of the given settings."""
        return cls(
            cooldown_seconds=config.cooldown_seconds,
            backoff_multiplier=config.backoff_multiplier,
            slow_start_items=config.slow_start_items,
            slow_start_initial_delay=config.slow_start_initial_delay,
            slow_start_final_delay=config.slow_start_final_delay,
            max_cooldown_seconds=config.max_cooldown_seconds,
        )

    def on_rate_limit(self, worker_id: int, consecutive: int, /) -> float:  # noqa: ARG002  (the seam's)
        """Return the pause: the first one's length, multiplied once for each pause before it."""
        config = self._config
        try:
            pause = config.cooldown_seconds * config.backoff_multiplier ** (consecutive - 1)
        except OverflowError:
            pause = config.max_cooldown_seconds
        return min(pause, config.max_cooldown_seconds)

    def should_apply_slow_start(self, items_since_resume: int, /) -> tuple[bool, float]:
        """Return the delay on an even way from the initial to the final one."""
        config = self._config
        if items_since_resume >= config.slow_start_items:
            return False, 0.0
        way = items_since_resume / max(1, config.slow_start_items - 1)
        first, last = config.slow_start_initial_delay, config.slow_start_final_delay
        return True, first + (last - first) * way


class FixedDelayStrategy:
    """The same pause each time, and then the same short delay between the first few requests."""

    def __init__(
        self, cooldown_seconds: float = 300.0, slow_start_items: int = 0, slow_start_delay: float = 0.0
    ) -> None:
        self._cooldown_seconds = cooldown_seconds
        self._slow_start_items = slow_start_items
        self._slow_start_delay = slow_start_delay

    def on_rate_limit(self, worker_id: int, consecutive: int, /) -> float:  # noqa: ARG002  (the seam's)
        """Return the pause."""
        return self._cooldown_seconds

    def should_apply_slow_start(self, items_since_resume: int, /) -> tuple[bool, float]:
        """Return the delay, or that there is none any more."""
        applies = items_since_resume < self._slow_start_items
        return applies, self._slow_start_delay if applies else 0.0


class SafeStrategy:
    """Somebody's strategy; where that raises, or says nothing that can be done, `otherwise` says it instead.

    A mistake there is logged: it must not cost the answers that a run has paid for.
    """

    def __init__(self, strategy: RateLimitStrategy, *, otherwise: RateLimitStrategy) -> None:
        self._strategy = strategy
        self._otherwise = otherwise

    async def pause(self, worker_id: int, consecutive: int) -> float:
        """Return the pause in seconds; the strategy may be asynchronous."""
        try:
            said = self._strategy.on_rate_limit(worker_id, consecutive)
            return _seconds(await said if inspect.isawaitable(said) else said)
        except Exception:
            log.exception("a rate limit strategy failed", extra={"event": "live.hook_failed"})
            return self._otherwise.on_rate_limit(worker_id, consecutive)

    def slow_start(self, items_since_resume: int) -> tuple[bool, float]:
        """Return whether the next request is held back, and for how many seconds after the one before."""
        try:
            applies, delay = self._strategy.should_apply_slow_start(items_since_resume)
            return bool(applies), _seconds(delay)
        except Exception:
            log.exception("a rate limit strategy failed", extra={"event": "live.hook_failed"})
            return self._otherwise.should_apply_slow_start(items_since_resume)


def _seconds(said: float) -> float:
    """Return seconds that somebody can wait. Raises `ValueError`, or `TypeError`."""
    seconds = float(said)
    if not math.isfinite(seconds):
        raise ValueError(f"nobody can wait for {seconds} seconds")
    return seconds
