"""What settings can be."""

import asyncio
import math

import pytest

from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import MockAgent, run_virtual


def test_the_defaults_are_the_guides():
    config = ProcessorConfig()
    assert (config.max_workers, config.timeout_per_item, config.progress_interval, config.max_queue_size) == (
        5,
        120,
        10,
        0,
    )
    retry = config.retry
    assert (retry.max_attempts, retry.initial_wait, retry.max_wait, retry.exponential_base, retry.jitter) == (
        3,
        1,
        60,
        2,
        True,
    )
    limit = config.rate_limit
    assert (limit.cooldown_seconds, limit.slow_start_items, limit.backoff_multiplier) == (300, 50, 1.5)
    assert (limit.slow_start_initial_delay, limit.slow_start_final_delay) == (2, 0.1)
    config.validate()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (ProcessorConfig(max_workers=0), "max_workers"),
        (ProcessorConfig(max_workers=-3), "max_workers"),
        (ProcessorConfig(max_workers="many"), "max_workers"),
        (ProcessorConfig(max_workers=2.5), "max_workers"),
        (ProcessorConfig(timeout_per_item=0), "timeout_per_item"),
        (ProcessorConfig(timeout_per_item=math.nan), "timeout_per_item"),
        (ProcessorConfig(progress_interval=-1), "progress_interval"),
        (ProcessorConfig(max_queue_size=-1), "max_queue_size"),
        (ProcessorConfig(retry=RetryConfig(max_attempts=0)), "max_attempts"),
        (ProcessorConfig(rate_limit=RateLimitConfig(cooldown_seconds=-1)), "cooldown_seconds"),
    ],
)
def test_what_cannot_be_is_named_by_validate_and_refused_by_the_processor(config, name):
    with pytest.raises(ValueError, match=name):
        config.validate()
    with pytest.raises(ValueError, match=name):
        ParallelBatchProcessor(config)


@pytest.mark.parametrize(
    "values",
    [{"initial_wait": -1}, {"initial_wait": 5, "max_wait": 4}, {"exponential_base": 0.5}, {"max_attempts": -1}],
)
def test_retries_that_cannot_be(values):
    with pytest.raises(ValueError, match="must be at least"):
        RetryConfig(**values).validate()


@pytest.mark.parametrize(
    "values",
    [
        {"slow_start_items": -1},
        {"slow_start_final_delay": -0.1},
        {"slow_start_initial_delay": 0.05},
        {"backoff_multiplier": 0.9},
        {"max_cooldowns": -1},
        {"max_cooldown_seconds": 10},
    ],
)
def test_rate_limits_that_cannot_be(values):
    with pytest.raises(ValueError, match="must be at least"):
        RateLimitConfig(**values).validate()


def test_workers_may_be_left_to_the_processor():
    async def scene():
        processor = ParallelBatchProcessor(ProcessorConfig(max_workers="auto"))
        for number in range(100):
            await processor.add_work(LLMWorkItem(item_id=str(number), agent=MockAgent(latency=1.0)))
        return await processor.process_all(), asyncio.get_running_loop().time()

    batch, seconds = run_virtual(scene())
    assert batch.succeeded == 100
    assert 1 < seconds < 20  # several at once, and not all before it was known how many the provider takes
