"""What comes after a failed attempt. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from batchwright.live.processor.settings import RetryConfig
from batchwright.providers.classifiers import ErrorInfo


class Step(StrEnum):
    """What happens to an item whose attempt failed."""

    ASK_AGAIN = "ask_again"
    """As its next attempt, after a wait of its own."""
    COOL_DOWN = "cool_down"
    """As the same attempt, after the pause that everybody makes."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The step, and the seconds to wait before it."""

    step: Step
    wait: float = 0.0


_FAIL = Next(step=Step.FAIL)
_COOL_DOWN = Next(step=Step.COOL_DOWN)


def next_step(
    info: ErrorInfo,
    *,
    attempt: int,
    cooldowns: int,
    retry: RetryConfig,
    max_cooldowns: int,
    draw: Callable[[], float] = random.random,
) -> Next:
    """Decide what follows when `attempt` (from 1) failed, of an item that has waited for `cooldowns` pauses so far."""
    if info.is_rate_limit:
        return _COOL_DOWN if cooldowns < max_cooldowns else _FAIL
    if not info.is_retryable or attempt >= retry.max_attempts:
        return _FAIL
    return Next(step=Step.ASK_AGAIN, wait=max(wait_after(attempt, retry, draw), info.suggested_wait or 0.0))


def wait_after(attempt: int, retry: RetryConfig, draw: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after the given attempt failed; with jitter, between half of them and all."""
    try:
        steady = min(retry.max_wait, retry.initial_wait * retry.exponential_base ** (attempt - 1))
    except OverflowError:
        steady = retry.max_wait
    return steady * (0.5 + draw() / 2) if retry.jitter else steady
