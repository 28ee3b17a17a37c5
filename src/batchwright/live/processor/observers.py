"""What happens while the processor works, for whoever wants to hear of it."""

from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol


class ProcessingEvent(StrEnum):
    """What happened. `data` has `worker_id` and `item_id` wherever there is a worker or an item."""

    ITEM_STARTED = "item_started"
    """A worker took an item."""
    ITEM_COMPLETED = "item_completed"
    """Data: `duration` (seconds that its attempts took), `attempts`, `input_tokens`, `output_tokens`."""
    ITEM_FAILED = "item_failed"
    """Data: as for ITEM_COMPLETED, and `error_type` (a category) and `error` (a message)."""
    RATE_LIMIT_HIT = "rate_limit_hit"
    """Once for all requests refused together. Data: `consecutive` (since a success), `suggested_wait` (or None)."""
    COOLDOWN_STARTED = "cooldown_started"
    """Data: `duration` (seconds it is going to last), `consecutive`."""
    COOLDOWN_ENDED = "cooldown_ended"
    """Data: `duration` (seconds it lasted)."""
    WORKER_STARTED = "worker_started"
    WORKER_STOPPED = "worker_stopped"
    BATCH_STARTED = "batch_started"
    """Data: `total` (None where nobody can know), `max_workers`."""
    BATCH_COMPLETED = "batch_completed"
    """Data: `total`, `succeeded`, `failed`, `duration` (seconds)."""


def was_asked(over: Mapping[str, Any]) -> bool:
    """Whether anybody was asked about an item, by what its end says; one only refused for its rate has no attempts."""
    return bool(over.get("attempts") or over.get("duration"))


class Observer(Protocol):
    """Hears of every event. What it raises is logged and disturbs nobody."""

    async def on_event(self, event: ProcessingEvent, data: dict[str, Any], /) -> None:
        """Take note; the worker goes on when this returns. A plain function will do as well as a coroutine."""
        ...


class MetricsObserver:
    """Counts what happens.

    Everything runs in one event loop and nothing here waits in the middle of an update, so no lock is needed. Of the
    processing times the latest `keep_times` are kept; the average is over all.
    """

    def __init__(self, *, keep_times: int = 10_000) -> None:
        self._succeeded = 0
        self._failed = 0
        self._rate_limits = 0
        self._cooldown_seconds = 0.0
        self._times: deque[float] = deque(maxlen=keep_times)
        self._times_count = 0
        self._times_sum = 0.0
        self._errors: Counter[str] = Counter()

    async def on_event(self, event: ProcessingEvent, data: Mapping[str, Any], /) -> None:
        """Take note of an event."""
        if event is ProcessingEvent.ITEM_COMPLETED:
            self._succeeded += 1
            self._note_time(data)
        elif event is ProcessingEvent.ITEM_FAILED:
            self._failed += 1
            self._errors[str(data.get("error_type", "unknown"))] += 1
            self._note_time(data)
        elif event is ProcessingEvent.RATE_LIMIT_HIT:
            self._rate_limits += 1
        elif event is ProcessingEvent.COOLDOWN_ENDED:
            self._cooldown_seconds += data.get("duration", 0.0)

    async def get_metrics(self) -> dict[str, Any]:
        """Return the counts as they are now: a copy, with rates from 0 to 1 and times in seconds."""
        processed = self._succeeded + self._failed
        return {
            "items_processed": processed,
            "items_succeeded": self._succeeded,
            "items_failed": self._failed,
            "rate_limits_hit": self._rate_limits,
            "total_cooldown_time": self._cooldown_seconds,
            "processing_times": list(self._times),
            "error_counts": dict(self._errors),
            "avg_processing_time": self._times_sum / self._times_count if self._times_count else 0.0,
            "success_rate": self._succeeded / processed if processed else 0.0,
        }

    def _note_time(self, data: Mapping[str, Any]) -> None:
        seconds = data.get("duration")
        if seconds is not None:
            self._times.append(seconds)
            self._times_count += 1
            self._times_sum += seconds
