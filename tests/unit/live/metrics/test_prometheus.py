"""What Prometheus would scrape."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from batchwright.errors import LLMRateLimitError
from batchwright.live.engine.answering import Ask, LiveEngine
from batchwright.live.metrics.prometheus import PrometheusObserver
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.request import Message, Request
from batchwright.result import Result
from batchwright.testing import FakeProvider, run_virtual

OVER: dict[str, Any] = {
    "worker_id": 1,
    "item_id": "a",
    "duration": 0.7,
    "attempts": 1,
    "input_tokens": 100,
    "output_tokens": 10,
}


def tell(observer: PrometheusObserver, *events: tuple[ProcessingEvent, dict[str, Any]]) -> None:
    async def all_of_them() -> None:
        for event, data in events:
            await observer.on_event(event, data)

    asyncio.run(all_of_them())


def test_items_tokens_seconds_and_dollars_are_counted_by_provider_and_model() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(provider_name="openai", model="m", registry=registry)
    tell(
        observer,
        (ProcessingEvent.ITEM_STARTED, {"item_id": "a", "worker_id": 1}),
        (ProcessingEvent.ITEM_COMPLETED, OVER | {"cost": Decimal("0.25")}),
        (ProcessingEvent.ITEM_STARTED, {"item_id": "b", "worker_id": 1}),
        (ProcessingEvent.ITEM_FAILED, OVER | {"error_type": "timeout"}),
        (ProcessingEvent.ITEM_STARTED, {"item_id": "c", "worker_id": 1}),
        (ProcessingEvent.ITEM_COMPLETED, OVER | {"provider_name": "anthropic", "model": "n"}),
    )

    who = {"provider": "openai", "model": "m"}
    value = registry.get_sample_value
    assert value("batchwright_items_total", {**who, "outcome": "succeeded"}) == 1
    assert value("batchwright_items_total", {**who, "outcome": "failed"}) == 1
    assert value("batchwright_items_total", {"provider": "anthropic", "model": "n", "outcome": "succeeded"}) == 1
    assert value("batchwright_errors_total", {**who, "error_type": "timeout"}) == 1
    assert value("batchwright_tokens_total", {**who, "direction": "input"}) == 200
    assert value("batchwright_tokens_total", {**who, "direction": "output"}) == 20
    assert value("batchwright_cost_dollars_total", who) == 0.25
    assert value("batchwright_item_seconds_count", who) == 2
    assert value("batchwright_item_seconds_bucket", {**who, "le": "0.5"}) == 0
    assert value("batchwright_item_seconds_bucket", {**who, "le": "1.0"}) == 2


def test_cooldowns_and_workers_are_seen_while_they_last() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry=registry)
    tell(
        observer,
        (ProcessingEvent.WORKER_STARTED, {"worker_id": 1}),
        (ProcessingEvent.WORKER_STARTED, {"worker_id": 2}),
        (ProcessingEvent.RATE_LIMIT_HIT, {"worker_id": 1, "consecutive": 1}),
        (ProcessingEvent.COOLDOWN_STARTED, {"worker_id": 1, "duration": 30.0}),
    )
    assert registry.get_sample_value("batchwright_workers") == 2
    assert registry.get_sample_value("batchwright_cooling_down") == 1

    tell(
        observer,
        (ProcessingEvent.COOLDOWN_ENDED, {"worker_id": 1, "duration": 30.0}),
        (ProcessingEvent.WORKER_STOPPED, {"worker_id": 1}),
        (ProcessingEvent.WORKER_STOPPED, {"worker_id": 2}),
    )
    assert registry.get_sample_value("batchwright_workers") == 0
    assert registry.get_sample_value("batchwright_cooling_down") == 0
    assert registry.get_sample_value("batchwright_rate_limits_total") == 1
    assert registry.get_sample_value("batchwright_cooldown_seconds_total") == 30


def test_a_live_run_is_counted_with_what_only_its_engine_knows() -> None:
    registry = CollectorRegistry()

    async def scene() -> None:
        async with LiveEngine([FakeProvider(model="m")], observers=[PrometheusObserver(registry=registry)]) as engine:
            async for _ in engine.answer(asks(20)):
                pass

    run_virtual(scene())
    who = {"provider": "fake", "model": "m"}
    assert registry.get_sample_value("batchwright_items_total", {**who, "outcome": "succeeded"}) == 20
    assert registry.get_sample_value("batchwright_items_in_flight") == 0
    assert registry.get_sample_value("batchwright_workers") == 0


def test_a_cancelled_run_leaves_no_gauge_behind() -> None:
    registry = CollectorRegistry()
    seen: list[float | None] = []

    async def scene() -> None:
        engine = LiveEngine([Refusing()], observers=[PrometheusObserver(registry=registry)])
        task = asyncio.create_task(anext(engine.answer(asks(20))))
        await asyncio.sleep(10)
        seen.extend(registry.get_sample_value(f"batchwright_{name}") for name in gauges)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    gauges = ("workers", "items_in_flight", "cooling_down")
    run_virtual(scene())
    assert seen == [5, 5, 1]
    assert [registry.get_sample_value(f"batchwright_{name}") for name in gauges] == [0, 0, 0]


class Refusing(FakeProvider):
    async def complete(self, request: Request) -> Result:
        raise LLMRateLimitError("slow down", retry_after=1000.0)


def asks(number: int) -> Iterator[Ask]:
    return (Ask(request=Request(custom_id=f"r{n}", messages=(Message.text("hello"),))) for n in range(number))


def test_every_run_may_have_its_own_observer_of_one_registry() -> None:
    registry = CollectorRegistry()
    for model in ("a", "b"):
        tell(PrometheusObserver(model=model, registry=registry), (ProcessingEvent.ITEM_COMPLETED, OVER))

    text = generate_latest(registry).decode()
    assert 'batchwright_items_total{model="a",outcome="succeeded",provider=""} 1.0' in text
    assert 'batchwright_items_total{model="b",outcome="succeeded",provider=""} 1.0' in text


def test_where_the_extra_is_missing_the_error_says_how_to_install_it() -> None:
    program = """
import sys
sys.modules["prometheus_client"] = None
from batchwright.errors import ConfigurationError
from batchwright.live.metrics.prometheus import PrometheusObserver
try:
    PrometheusObserver()
except ConfigurationError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said == "Prometheus metrics need the extra `metrics`: pip install 'batchwright[metrics]'\n"
