"""The guide's five race conditions at the guide's sizes. Calls take different times, so that all interleave."""

import asyncio
import random

import pytest

from batchwright.errors import LLMRateLimitError, LLMServerError
from batchwright.live.processor.observers import MetricsObserver, ProcessingEvent
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.processor.strategies import FixedDelayStrategy
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import MockAgent, run_virtual

ONCE = RetryConfig(max_attempts=1)


def agent(**more):
    return MockAgent(lambda prompt: f"<{prompt}>", latency=0.01, **more)


def items(count, made_by):
    return [LLMWorkItem(item_id=f"item_{n}", agent=made_by(n), prompt=str(n), context=n) for n in range(count)]


def process(work, config, **hooks):
    async def go():
        processor = ParallelBatchProcessor(config, **hooks)
        for item in work:
            await processor.add_work(item)
        return await processor.process_all(), await processor.get_stats()

    return run_virtual(go())


class Uneven:
    """An agent whose answers take longer or shorter, by the number of the item."""

    def __init__(self, number, *, fails=False):
        self.number = number
        self.fails = fails

    async def run(self, prompt):
        await asyncio.sleep(random.Random(self.number).random())
        if self.fails:
            raise LLMServerError("down")
        return await agent().run(prompt)


def test_1_many_workers_refused_at_once_make_one_cooldown():
    """50 workers, 100 items: everything in flight is refused in the first second."""

    class Refusing:
        async def run(self, prompt):
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(0.1 + random.Random(prompt).random() / 10)
            if now < 1:
                raise LLMRateLimitError("429")
            return await agent().run(prompt)

    cooldowns = []

    class Listener:
        async def on_event(self, event, data):
            await asyncio.sleep(0.001)  # an observer that waits must not let a second worker in
            if event in {ProcessingEvent.RATE_LIMIT_HIT, ProcessingEvent.COOLDOWN_STARTED}:
                cooldowns.append(event)

    config = ProcessorConfig(max_workers=50, retry=ONCE, rate_limit=RateLimitConfig(slow_start_items=0))
    result, stats = process(items(100, lambda _: Refusing()), config, observers=[Listener()])
    assert result.succeeded == 100
    assert stats["rate_limit_count"] == 1
    assert cooldowns == [ProcessingEvent.RATE_LIMIT_HIT, ProcessingEvent.COOLDOWN_STARTED]


def test_2_concurrent_updates_of_the_stats_lose_nothing():
    """100 items, 10 workers, every third fails."""
    work = items(100, lambda n: Uneven(n, fails=n % 3 == 0))
    result, stats = process(work, ProcessorConfig(max_workers=10, retry=ONCE))
    assert (result.succeeded, result.failed) == (66, 34)
    assert (stats["total"], stats["processed"], stats["succeeded"], stats["failed"]) == (100, 100, 66, 34)
    assert stats["error_counts"] == {"server": 34}


def test_3_no_result_is_lost_and_none_comes_twice():
    """200 items, 20 workers."""
    result, _ = process(items(200, Uneven), ProcessorConfig(max_workers=20))
    assert result.total_items == len(result.results) == 200
    assert sorted(r.context for r in result.results) == list(range(200))
    assert all(r.output == f"<{r.context}>" for r in result.results)


def test_4_the_metrics_are_right_under_concurrent_load():
    """100 items, 10 workers, with failures and a rate limit."""

    async def go():
        metrics = MetricsObserver()
        limited = agent(rate_limit_on_call=5)
        config = ProcessorConfig(
            max_workers=10, retry=ONCE, rate_limit=RateLimitConfig(cooldown_seconds=30, slow_start_items=0)
        )
        processor = ParallelBatchProcessor(config, observers=[metrics])
        for item in items(100, lambda n: limited if n % 2 else Uneven(n, fails=n % 4 == 0)):
            await processor.add_work(item)
        return await processor.process_all(), await metrics.get_metrics()

    result, metrics = run_virtual(go())
    assert metrics["items_processed"] == result.total_items == 100
    assert metrics["items_succeeded"] == result.succeeded == 75
    assert metrics["items_failed"] == result.failed == 25
    assert metrics["success_rate"] == 0.75
    assert metrics["error_counts"] == {"server": 25}
    assert metrics["rate_limits_hit"] == 1
    assert metrics["total_cooldown_time"] == pytest.approx(30)
    assert len(metrics["processing_times"]) == 100
    assert metrics["avg_processing_time"] == pytest.approx(sum(r.seconds for r in result.results) / 100)


def test_5_the_slow_start_counts_every_request():
    """50 items, 10 workers: each of the first 20 after a cooldown asks the strategy with the next number."""
    asked = []

    class Counting(FixedDelayStrategy):
        def should_apply_slow_start(self, items_since_resume, /):
            asked.append(items_since_resume)
            return super().should_apply_slow_start(items_since_resume)

    config = ProcessorConfig(max_workers=10, retry=ONCE)
    limited = agent(rate_limit_on_call=11)
    strategy = Counting(60, slow_start_items=20, slow_start_delay=0.05)
    result, _ = process(items(50, lambda _: limited), config, rate_limit_strategy=strategy)
    assert result.succeeded == 50
    assert asked[:20] == list(range(20))
    assert set(asked[20:]) == {20}


def test_a_snapshot_of_the_stats_is_consistent_at_any_moment():
    """100 items, 10 workers, looked at a thousand times."""

    async def go():
        processor = ParallelBatchProcessor(ProcessorConfig(max_workers=10, retry=ONCE))
        for item in items(100, lambda n: Uneven(n, fails=n % 5 == 0)):
            await processor.add_work(item)
        running = asyncio.create_task(processor.process_all())
        seen = []
        while not running.done():
            stats = await processor.get_stats()
            assert stats["processed"] == stats["succeeded"] + stats["failed"] <= stats["total"]
            assert sum(stats["error_counts"].values()) == stats["failed"]
            seen.append(stats["processed"])
            await asyncio.sleep(0.01)
        return seen

    seen = run_virtual(go())
    assert seen == sorted(seen)
    assert len(set(seen)) > 50


def test_the_post_processor_is_called_exactly_once_for_each_item():
    """200 items, 20 workers."""
    called = []

    async def note(result):
        await asyncio.sleep(random.Random(result.item_id).random())
        called.append(result.item_id)

    process(
        items(200, lambda n: Uneven(n, fails=n % 7 == 0)),
        ProcessorConfig(max_workers=20, retry=ONCE),
        post_processor=note,
    )
    assert sorted(called) == sorted(f"item_{n}" for n in range(200))
