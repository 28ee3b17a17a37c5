"""Spans and measurements by OpenTelemetry's conventions for generative AI.

Only the API is used: where no SDK is set up, or not even the API is installed, all of it does nothing.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchwright.live.processor.observers import ProcessingEvent, was_asked
from batchwright.providers.conventions import conventional_name

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_SCOPE = "batchwright"
_TOKEN_BUCKETS = [4.0**power for power in range(14)]
_SECOND_BUCKETS = [0.01 * 2.0**power for power in range(14)]
"""Both as the conventions advise."""


class OpenTelemetryObserver:
    """An observer that makes a span of every item that was asked, and measures its tokens and seconds.

    A span is as long as the item's attempts took together and ends with the last of them: what an item waited for a
    limit, a cooldown or its next attempt is not the provider's time. `provider_name` and `model` are put where the
    events do not say it themselves, as those of `LiveEngine` do. Without providers of your own, the global ones count.
    """

    def __init__(
        self,
        *,
        provider_name: str = "",
        model: str = "",
        operation: str = "chat",
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
    ) -> None:
        self._provider_name = provider_name
        self._model = model
        self._operation = operation
        self._ready = False
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415  (only who observes pays for the import)
        except ImportError:
            return
        self._kind = trace.SpanKind.CLIENT
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS,
        )
        self._seconds = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECOND_BUCKETS,
        )
        self._ready = True

    async def on_event(self, event: ProcessingEvent, data: Mapping[str, Any], /) -> None:
        """Take note of an item that is over."""
        over = event in (ProcessingEvent.ITEM_COMPLETED, ProcessingEvent.ITEM_FAILED)
        if self._ready and over and was_asked(data):  # else it was skipped, or the run had ended
            self._note(data)

    def _note(self, data: Mapping[str, Any]) -> None:
        shared = self._shared(data)
        seconds = float(data.get("duration", 0.0))
        self._trace(data, shared, seconds)
        self._seconds.record(seconds, shared)
        for kind in ("input", "output"):
            tokens = data.get(f"{kind}_tokens")
            if tokens:
                self._tokens.record(tokens, {**shared, "gen_ai.token.type": kind})

    def _trace(self, data: Mapping[str, Any], shared: Mapping[str, str], seconds: float) -> None:
        now = time.time_ns()
        name = f"{self._operation} {shared.get('gen_ai.request.model', '')}".rstrip()
        span = self._tracer.start_span(name, kind=self._kind, start_time=now - int(seconds * 1e9))
        if span.is_recording():
            span.set_attributes({**shared, **_of_item(data)})
            if "error.type" in shared:
                span.set_status(self._failed)
        span.end(now)

    def _shared(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Return what spans and measurements have in common: few values each, so that series stay few."""
        shared = {
            "gen_ai.operation.name": self._operation,
            "gen_ai.provider.name": conventional_name(data.get("provider_name") or self._provider_name),
            "gen_ai.request.model": data.get("model") or self._model,
            "gen_ai.response.model": data.get("response_model"),
            "error.type": data.get("error_type"),
        }
        return {key: str(value) for key, value in shared.items() if value}


def _of_item(data: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        "gen_ai.usage.input_tokens": data.get("input_tokens"),
        "gen_ai.usage.output_tokens": data.get("output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": data.get("cached_tokens"),
        "gen_ai.usage.reasoning.output_tokens": data.get("reasoning_tokens"),
        "gen_ai.response.id": data.get("request_id"),
        "gen_ai.response.finish_reasons": data.get("finish_reasons"),
        "batchwright.item_id": data.get("item_id"),
        "batchwright.attempts": data.get("attempts"),
    }
    return {key: value for key, value in attributes.items() if value is not None}
