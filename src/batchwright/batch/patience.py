"""The one place where calls are retried: reads only. A create is never sent twice."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from batchwright.clock import Clock
from batchwright.errors import LLMProviderError

log = logging.getLogger(__name__)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long to wait for a provider that cannot answer right now. Durations in seconds."""

    tries: int = 4
    first: float = 1.0
    longest: float = 30.0
    ceiling: float = 60.0
    """The longest wait a provider may ask for by Retry-After; beyond it, the call fails and a later look asks again."""
    draw: Callable[[], float] = random.random
    """A number in [0, 1) that decides the jitter."""

    def wait(self, failures: int, retry_after: float | None) -> float | None:
        """Return the wait after the given number of failures in a row (1 or more), or None to give up."""
        if failures >= self.tries or (retry_after is not None and retry_after > self.ceiling):
            return None
        steady = min(self.longest, self.first * 2.0 ** (failures - 1))
        return max(steady * (0.5 + self.draw() / 2), retry_after or 0.0)


def patiently(call: Callable[[], Value], *, clock: Clock, patience: Patience) -> Value:
    """Return `call()`, trying again while it fails in a way that waiting mends. Raises its last error."""
    failures = 0
    while True:
        try:
            return call()
        except LLMProviderError as error:
            failures += 1
            wait = patience.wait(failures, error.retry_after) if error.retryable else None
            if wait is None:
                raise
            log.info("read retried", extra={"event": "read.retried", "failures": failures, "wait": wait})
        clock.sleep(wait)
