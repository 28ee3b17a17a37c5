"""Spans and measurements, read back through the SDK's own exporters."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from batchwright.errors import LLMQuotaError, LLMRateLimitError
from batchwright.live.engine.answering import Ask, LiveEngine, QuotaPolicy
from batchwright.live.metrics.telemetry import OpenTelemetryObserver
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.request import Message, Request
from batchwright.testing import FakeProvider, run_virtual

OVER: dict[str, Any] = {
    "worker_id": 1,
    "item_id": "page-7",
    "duration": 1.5,
    "attempts": 2,
    "input_tokens": 1200,
    "output_tokens": 80,
}


class Backend:
    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider(metric_readers=[self._reader])

    def observer(self, **options: Any) -> OpenTelemetryObserver:
        return OpenTelemetryObserver(
            tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options
        )

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def points(self, name: str) -> dict[frozenset[tuple[str, Any]], Any]:
        data = self._reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return {
            frozenset(point.attributes.items()): point
            for metric in metrics
            if metric.name == name
            for point in metric.data.data_points
        }


def tell(observer: OpenTelemetryObserver, event: ProcessingEvent, **data: Any) -> None:
    asyncio.run(observer.on_event(event, data))


def test_an_item_is_a_client_span_with_the_conventions_names_as_long_as_its_attempts_took() -> None:
    backend = Backend()
    observer = backend.observer(provider_name="openai", model="gpt-5.4-mini")
    tell(
        observer,
        ProcessingEvent.ITEM_COMPLETED,
        **OVER,
        response_model="gpt-5.4-mini-2026-03-05",
        finish_reasons=["stop"],
    )

    (span,) = backend.spans()
    assert (span.name, span.kind, span.status.status_code) == (
        "chat gpt-5.4-mini",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4-mini",
        "gen_ai.response.model": "gpt-5.4-mini-2026-03-05",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
        "gen_ai.response.finish_reasons": ("stop",),
        "batchwright.item_id": "page-7",
        "batchwright.attempts": 2,
    }
    assert span.end_time is not None
    assert span.start_time is not None
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(1.5)


def test_tokens_and_seconds_are_measured_under_the_conventions_names() -> None:
    backend = Backend()
    observer = backend.observer(provider_name="gemini", model="gemini-3")
    for _ in range(3):
        tell(observer, ProcessingEvent.ITEM_COMPLETED, **OVER)

    who = {
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "gcp.gemini"),
        ("gen_ai.request.model", "gemini-3"),
    }
    tokens = backend.points("gen_ai.client.token.usage")
    assert tokens[frozenset(who | {("gen_ai.token.type", "input")})].sum == 3600
    assert tokens[frozenset(who | {("gen_ai.token.type", "output")})].sum == 240
    seconds = backend.points("gen_ai.client.operation.duration")[frozenset(who)]
    assert (seconds.count, seconds.sum) == (3, pytest.approx(4.5))


def test_a_failure_carries_its_kind_and_no_text_of_the_request() -> None:
    backend = Backend()
    tell(backend.observer(), ProcessingEvent.ITEM_FAILED, **OVER, error_type="timeout", error="Timeout: my secret text")

    (span,) = backend.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "timeout"
    assert "secret" not in span.to_json()


def test_what_the_event_says_goes_before_what_the_observer_was_made_with() -> None:
    backend = Backend()
    observer = backend.observer(provider_name="openai", model="a")
    tell(observer, ProcessingEvent.ITEM_COMPLETED, **OVER, provider_name="anthropic", model="b")

    (span,) = backend.spans()
    assert span.name == "chat b"
    assert (span.attributes or {})["gen_ai.provider.name"] == "anthropic"


def test_every_item_of_a_live_run_is_a_span_with_what_only_its_engine_knows() -> None:
    backend = Backend()

    async def scene() -> None:
        async with LiveEngine([FakeProvider(name="openai", model="m")], observers=[backend.observer()]) as engine:
            async for _ in engine.answer(asks):
                pass

    asks = [Ask(request=Request(custom_id=f"r{n}", messages=(Message.text("my secret"),))) for n in range(10)]
    run_virtual(scene())

    spans = backend.spans()
    assert {(span.attributes or {})["batchwright.item_id"] for span in spans} == {f"r{n}" for n in range(10)}
    assert {span.name for span in spans} == {"chat m"}
    assert {(span.attributes or {})["gen_ai.provider.name"] for span in spans} == {"openai"}
    assert {(span.attributes or {})["gen_ai.response.finish_reasons"] for span in spans} == {("stop",)}
    assert not any("secret" in span.to_json() for span in spans)


def test_nobody_asked_is_no_span_and_neither_is_anything_but_an_end() -> None:
    backend = Backend()
    observer = backend.observer()
    tell(observer, ProcessingEvent.ITEM_FAILED, **(OVER | {"attempts": 0, "duration": 0.0}))
    tell(observer, ProcessingEvent.ITEM_STARTED, item_id="a", worker_id=1)
    tell(observer, ProcessingEvent.BATCH_COMPLETED, total=1, succeeded=1, failed=0, duration=1.0)

    assert backend.spans() == ()


def test_an_item_that_was_only_ever_refused_for_its_rate_was_asked_and_is_a_span() -> None:
    backend = Backend()

    async def scene() -> None:
        async def refuse(_attempt: int, _seconds: float) -> tuple[str, None]:
            await asyncio.sleep(0.5)
            raise LLMRateLimitError("429", status_code=429)

        processor = ParallelBatchProcessor(
            ProcessorConfig(rate_limit=RateLimitConfig(max_cooldowns=2)), observers=[backend.observer()]
        )
        await processor.add_work(LLMWorkItem(item_id="a", direct_call=refuse))
        await processor.process_all()

    run_virtual(scene())
    (span,) = backend.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "rate_limit"


def test_requests_that_a_run_which_had_ended_never_sent_are_no_spans() -> None:
    backend = Backend()

    async def scene() -> None:
        def refuse(_text: str) -> str:
            raise LLMQuotaError("used up")

        provider = FakeProvider(name="openai", model="m", answer=refuse)
        async with LiveEngine([provider], observers=[backend.observer()], on_quota=QuotaPolicy.FAIL) as engine:
            asks = [Ask(request=Request(custom_id=f"r{n}", messages=(Message.text("hi"),))) for n in range(50)]
            assert len([answered async for answered in engine.answer(asks)]) == 50

    run_virtual(scene())
    assert 1 <= len(backend.spans()) <= 5


def test_without_an_sdk_it_does_nothing() -> None:
    program = """
import asyncio, sys
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.metrics.telemetry import OpenTelemetryObserver
observer = OpenTelemetryObserver(provider_name="openai", model="m")
asyncio.run(observer.on_event(ProcessingEvent.ITEM_COMPLETED, {"attempts": 1, "input_tokens": 5, "duration": 1.0}))
print("done", any(name.startswith("opentelemetry.sdk") for name in sys.modules))
"""
    assert output_of(program) == "done False"


def test_without_even_the_api_it_does_nothing() -> None:
    program = """
import asyncio, sys
sys.modules["opentelemetry"] = None
from batchwright.errors import LLMQuotaError, LLMRateLimitError
from batchwright.live.engine.answering import Ask, LiveEngine, QuotaPolicy
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.metrics.telemetry import OpenTelemetryObserver
asyncio.run(OpenTelemetryObserver().on_event(ProcessingEvent.ITEM_COMPLETED, {"attempts": 1}))
print("done")
"""
    assert output_of(program) == "done"


def output_of(program: str) -> str:
    """What a program says that must not fail."""
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ended.stderr == ""
    return ended.stdout.strip()
