"""The metrics."""

import asyncio

from batchwright.live.processor.observers import MetricsObserver, ProcessingEvent


def metrics_after(*events, **more):
    async def go():
        metrics = MetricsObserver(**more)
        for event, data in events:
            await metrics.on_event(event, data)
        return await metrics.get_metrics()

    return asyncio.run(go())


def test_nothing_happened_is_no_division_by_zero():
    metrics = metrics_after()
    assert metrics == {
        "items_processed": 0,
        "items_succeeded": 0,
        "items_failed": 0,
        "rate_limits_hit": 0,
        "total_cooldown_time": 0.0,
        "processing_times": [],
        "error_counts": {},
        "avg_processing_time": 0.0,
        "success_rate": 0.0,
    }


def test_events_are_counted():
    metrics = metrics_after(
        (ProcessingEvent.BATCH_STARTED, {"total": 4}),
        (ProcessingEvent.ITEM_STARTED, {}),
        (ProcessingEvent.ITEM_COMPLETED, {"duration": 1.0}),
        (ProcessingEvent.ITEM_COMPLETED, {"duration": 2.0}),
        (ProcessingEvent.ITEM_FAILED, {"duration": 6.0, "error_type": "timeout"}),
        (ProcessingEvent.ITEM_FAILED, {}),
        (ProcessingEvent.RATE_LIMIT_HIT, {}),
        (ProcessingEvent.COOLDOWN_STARTED, {"duration": 60}),
        (ProcessingEvent.COOLDOWN_ENDED, {"duration": 61.5}),
    )
    assert metrics["items_processed"] == 4
    assert metrics["items_succeeded"] == metrics["items_failed"] == 2
    assert metrics["success_rate"] == 0.5
    assert metrics["processing_times"] == [1.0, 2.0, 6.0]
    assert metrics["avg_processing_time"] == 3.0
    assert metrics["error_counts"] == {"timeout": 1, "unknown": 1}
    assert metrics["rate_limits_hit"] == 1
    assert metrics["total_cooldown_time"] == 61.5


def test_the_latest_times_are_kept_and_the_average_is_over_all():
    events = [(ProcessingEvent.ITEM_COMPLETED, {"duration": float(n)}) for n in range(10)]
    metrics = metrics_after(*events, keep_times=3)
    assert metrics["processing_times"] == [7.0, 8.0, 9.0]
    assert metrics["avg_processing_time"] == 4.5


def test_what_was_given_out_does_not_change_any_more():
    async def go():
        metrics = MetricsObserver()
        before = await metrics.get_metrics()
        await metrics.on_event(ProcessingEvent.ITEM_FAILED, {"duration": 1.0, "error_type": "server"})
        return before

    before = asyncio.run(go())
    assert before["processing_times"] == []
    assert before["error_counts"] == {}
