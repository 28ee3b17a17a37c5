"""A provider that allows half of the rate that was configured: one pause for all against everybody for himself.

In virtual time, both ways against the same provider in one test. Refused requests count against the limit, as OpenAI
documents of its own ("unsuccessful requests contribute to your per-minute limit").
"""

import asyncio
import random
from collections.abc import Iterator

import pytest

from batchwright.errors import LLMRateLimitError
from batchwright.live.limits.buckets import Bucket
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import run_virtual

CONFIGURED = 600
ITEMS = 2000
WORKERS = 50
LATENCY_S = 0.2


class Strict:
    """Answers `per_minute` requests, with room for `burst_seconds` of them, and refuses the others."""

    def __init__(self, per_minute: float, burst_seconds: float) -> None:
        self._bucket = Bucket.of(per_minute, burst_seconds=burst_seconds, now=0.0)
        self.refused = self.served = 0

    async def call(self, _attempt: int, _timeout: float) -> tuple[str, None]:
        await asyncio.sleep(LATENCY_S)
        wait = self._bucket.wait(1, asyncio.get_running_loop().time())
        if self._bucket.level > -self._bucket.capacity:
            self._bucket.take(1)
        if wait:
            self.refused += 1
            raise LLMRateLimitError("slow down", status_code=429)
        self.served += 1
        return "answer", None


async def together(provider: Strict) -> float:
    """All items through the processor; return the seconds it took."""
    limits = RateLimitConfig(cooldown_seconds=10, max_cooldowns=100)
    processor = ParallelBatchProcessor(
        ProcessorConfig(max_workers=WORKERS, rate_limit=limits), limiter=RateLimiter(requests_per_minute=CONFIGURED)
    )
    items = (LLMWorkItem(item_id=str(number), direct_call=provider.call) for number in range(ITEMS))
    results = [result async for result in processor.stream(items)]
    assert all(result.success for result in results)
    return asyncio.get_running_loop().time()


async def each_alone(provider: Strict) -> float:
    """The usual script: so many workers, the same limiter, and each request waits longer after each refusal."""
    numbers = iter(range(ITEMS))
    limiter = RateLimiter(requests_per_minute=CONFIGURED)
    chance = random.Random(7)

    async def answered() -> None:
        for wait in backoff():
            await limiter.acquire(0)
            try:
                await provider.call(1, 0.0)
            except LLMRateLimitError:
                await asyncio.sleep(wait)
            else:
                return

    def backoff() -> Iterator[float]:
        wait = 1.0
        while True:
            yield wait * (0.5 + chance.random() / 2)
            wait = min(60.0, wait * 2)

    async def worker() -> None:
        for _ in numbers:
            await answered()

    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("burst_seconds", [1, 60], ids=["by the second", "by the minute"])
def test_one_pause_for_all_is_refused_a_tenth_as_often_and_is_done_sooner(burst_seconds: float) -> None:
    ours, theirs = Strict(CONFIGURED / 2, burst_seconds), Strict(CONFIGURED / 2, burst_seconds)

    our_seconds = run_virtual(together(ours))
    their_seconds = run_virtual(each_alone(theirs))

    assert ours.served == theirs.served == ITEMS
    assert ours.refused <= theirs.refused / 10
    assert our_seconds < their_seconds
