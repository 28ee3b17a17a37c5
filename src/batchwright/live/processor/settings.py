"""How the processor works: workers, time, retries, cooldowns. Durations in seconds.

Nothing is checked when a settings object is made; `validate` says what is wrong with it, and the processor calls it.
"""

from dataclasses import dataclass, field
from typing import Literal


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:  # refuses nan as well
        raise ValueError(f"{name} must be at least {least:g}, not {value!r}")


def _more_than_nothing(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be more than 0, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """How often an item is asked, and the pause after each failure."""

    max_attempts: int = 3
    """Including the first."""
    initial_wait: float = 1.0
    """After the first failure."""
    max_wait: float = 60.0
    """No pause is longer, unless the provider asks for it."""
    exponential_base: float = 2.0
    """What each further failure multiplies the pause by."""
    jitter: bool = True
    """Whether a pause is shortened by up to half of it, by chance, so that failures do not come back in step."""

    def validate(self) -> None:
        """Raise `ValueError` if a value cannot be."""
        _at_least("max_attempts", self.max_attempts, 1)
        _at_least("initial_wait", self.initial_wait, 0)
        _at_least("max_wait", self.max_wait, self.initial_wait)
        _at_least("exponential_base", self.exponential_base, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitConfig:
    """What happens when the provider says that requests come too fast: everybody pauses, then starts again slowly."""

    cooldown_seconds: float = 300.0
    """The pause, where the provider does not say how long it should be."""
    slow_start_items: int = 50
    """How many requests after a pause are spaced out."""
    slow_start_initial_delay: float = 2.0
    """Before the first of them."""
    slow_start_final_delay: float = 0.1
    """Before the last of them, and before each that came meanwhile and has to follow."""
    backoff_multiplier: float = 1.5
    """What each further pause without a success in between multiplies the pause by."""
    max_cooldown_seconds: float = 3600.0
    """No pause grows beyond this, unless the provider asks for it."""
    max_cooldowns: int = 10
    """How many pauses an item waits for, and how many without any success the run does, before giving up."""

    def validate(self) -> None:
        """Raise `ValueError` if a value cannot be."""
        _at_least("cooldown_seconds", self.cooldown_seconds, 0)
        _at_least("slow_start_items", self.slow_start_items, 0)
        _at_least("slow_start_final_delay", self.slow_start_final_delay, 0)
        _at_least("slow_start_initial_delay", self.slow_start_initial_delay, self.slow_start_final_delay)
        _at_least("backoff_multiplier", self.backoff_multiplier, 1)
        _at_least("max_cooldown_seconds", self.max_cooldown_seconds, self.cooldown_seconds)
        _at_least("max_cooldowns", self.max_cooldowns, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorConfig:
    """The settings of a `ParallelBatchProcessor`."""

    max_workers: int | Literal["auto"] = 5
    """Requests at the same time; "auto" grows and shrinks with what the provider accepts."""
    timeout_per_item: float = 120.0
    """How long one attempt may take; waiting for a cooldown, a limit or the next attempt does not count."""
    retry: RetryConfig = field(default_factory=RetryConfig)
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    progress_interval: int = 10
    """Progress is told each time so many more items are done; 0: never."""
    max_queue_size: int = 0
    """How many added items may wait before `add_work` starts the workers and waits for room; 0: any number."""

    def validate(self) -> None:
        """Raise `ValueError` if a value cannot be, here or in `retry` and `rate_limit`."""
        workers: object = self.max_workers  # a caller without a type checker may have put anything here
        if workers != "auto" and not (isinstance(workers, int) and workers >= 1):
            raise ValueError(f'max_workers must be a whole number of at least 1, or "auto", not {workers!r}')
        _more_than_nothing("timeout_per_item", self.timeout_per_item)
        _at_least("progress_interval", self.progress_interval, 0)
        _at_least("max_queue_size", self.max_queue_size, 0)
        self.retry.validate()
        self.rate_limit.validate()
