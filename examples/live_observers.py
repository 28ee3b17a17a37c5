"""Hear of everything that happens, and count it."""

import asyncio
from typing import Any

from batchwright import (
    LLMWorkItem,
    MetricsObserver,
    ParallelBatchProcessor,
    ProcessingEvent,
    ProcessorConfig,
    RateLimitConfig,
)
from batchwright.testing import MockAgent

WORTH_SAYING = {ProcessingEvent.COOLDOWN_STARTED, ProcessingEvent.COOLDOWN_ENDED, ProcessingEvent.ITEM_FAILED}


class Reporter:
    """Says what a person would want to know at once."""

    async def on_event(self, event: ProcessingEvent, data: dict[str, Any]) -> None:
        if event in WORTH_SAYING:
            print(f"{event}: {data.get('item_id') or format(data['duration'], '.1f')}")


async def main() -> None:
    metrics = MetricsObserver()
    processor = ParallelBatchProcessor(
        # A real provider needs longer to recover; the defaults are 300 seconds and 50 items.
        ProcessorConfig(max_workers=4, rate_limit=RateLimitConfig(cooldown_seconds=0.2, slow_start_items=0)),
        observers=[metrics, Reporter()],
    )
    agent = MockAgent(latency=0.01, rate_limit_on_call=5)
    for number in range(20):
        await processor.add_work(LLMWorkItem(item_id=f"item-{number}", agent=agent, prompt="How many?"))
    await processor.process_all()

    collected = await metrics.get_metrics()
    for name in ("items_processed", "items_succeeded", "rate_limits_hit", "success_rate"):
        print(f"{name}: {collected[name]}")


if __name__ == "__main__":
    asyncio.run(main())
