"""Counters of live runs for Prometheus (extra `metrics`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from batchwright.errors import ConfigurationError
from batchwright.live.processor.observers import ProcessingEvent, was_asked

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

MISSING = "Prometheus metrics need the extra `metrics`: pip install 'batchwright[metrics]'"

_SECOND_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_WHO = ("provider", "model")


class PrometheusObserver:
    """An observer that counts into a Prometheus registry (the global one where none is given).

    Observers of one registry share its counters: give every run its own observer. `provider_name` and `model` are
    put where the events do not say it themselves, as those of `LiveEngine` do. Raises `ConfigurationError` where
    prometheus-client is not installed.
    """

    def __init__(
        self, *, provider_name: str = "", model: str = "", registry: "CollectorRegistry | None" = None
    ) -> None:
        self._provider_name = provider_name
        self._model = model
        self._series = _series_of(registry)
        self._counted: dict[tuple[str, str], _Counted] = {}
        self._busy: set[int] = set()
        self._pausing: int | None = None

    async def on_event(self, event: ProcessingEvent, data: Mapping[str, Any], /) -> None:
        """Count an event."""
        worker = data.get("worker_id", -1)
        if event is ProcessingEvent.ITEM_STARTED:
            self._begin_item(worker)
        elif event in (ProcessingEvent.ITEM_COMPLETED, ProcessingEvent.ITEM_FAILED):
            self._end_item(worker)
            self._count(data, failed=event is ProcessingEvent.ITEM_FAILED)
        elif event is ProcessingEvent.RATE_LIMIT_HIT:
            self._series.rate_limits.inc()
        elif event is ProcessingEvent.COOLDOWN_STARTED:
            self._pausing = worker
            self._series.cooling.inc()
        elif event is ProcessingEvent.COOLDOWN_ENDED:
            self._end_pause(worker)
            self._series.cooldown_seconds.inc(max(0.0, data.get("duration", 0.0)))
        elif event is ProcessingEvent.WORKER_STARTED:
            self._series.workers.inc()
        elif event is ProcessingEvent.WORKER_STOPPED:
            self._series.workers.dec()
            self._end_item(worker)  # of a run that was cancelled, nobody tells the end
            self._end_pause(worker)

    def _begin_item(self, worker: int) -> None:
        self._busy.add(worker)
        self._series.in_flight.inc()

    def _end_item(self, worker: int) -> None:
        if worker in self._busy:
            self._busy.remove(worker)
            self._series.in_flight.dec()

    def _end_pause(self, worker: int) -> None:
        if self._pausing == worker:
            self._pausing = None
            self._series.cooling.dec()

    def _count(self, data: Mapping[str, Any], *, failed: bool) -> None:
        who = (data.get("provider_name") or self._provider_name, data.get("model") or self._model)
        counted = self._counted.get(who)
        if counted is None:
            counted = self._counted[who] = _Counted(self._series, who)
        if failed:
            counted.failed.inc()
            self._series.errors.labels(*who, str(data.get("error_type", "unknown"))).inc()
        else:
            counted.succeeded.inc()
        if was_asked(data):
            counted.seconds.observe(data.get("duration", 0.0))
        counted.read.inc(data.get("input_tokens") or 0)
        counted.written.inc(data.get("output_tokens") or 0)
        if data.get("cost"):
            counted.dollars.inc(float(data["cost"]))


class _Series:
    """What is counted in one registry."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415  (an extra)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"batchwright_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"batchwright_{name}", text, registry=registry)

        self.items = counter("items", "Items that are over", (*_WHO, "outcome"))
        self.errors = counter("errors", "Items that failed, by the kind of the last error", (*_WHO, "error_type"))
        self.tokens = counter("tokens", "Tokens of all attempts", (*_WHO, "direction"))
        self.dollars = counter("cost_dollars", "What requests of a known price cost", _WHO)
        self.rate_limits = counter("rate_limits", "Times the provider said that requests come too fast")
        self.cooldown_seconds = counter("cooldown_seconds", "Seconds in which everybody paused")
        self.cooling = gauge("cooling_down", "Runs that pause at this moment")
        self.in_flight = gauge("items_in_flight", "Items that a worker is busy with")
        self.workers = gauge("workers", "Workers that run")
        self.seconds = Histogram(
            "batchwright_item_seconds",
            "Seconds that an item's attempts took, without waiting",
            _WHO,
            buckets=_SECOND_BUCKETS,
            registry=registry,
        )


class _Counted:
    """What is counted of one provider's model, looked up once: to find a series costs more than to count."""

    def __init__(self, series: _Series, who: tuple[str, str]) -> None:
        self.succeeded = series.items.labels(*who, "succeeded")
        self.failed = series.items.labels(*who, "failed")
        self.read = series.tokens.labels(*who, "input")
        self.written = series.tokens.labels(*who, "output")
        self.dollars = series.dollars.labels(*who)
        self.seconds = series.seconds.labels(*who)


_known: "WeakKeyDictionary[CollectorRegistry, _Series]" = WeakKeyDictionary()


def _series_of(registry: "CollectorRegistry | None") -> _Series:
    try:
        from prometheus_client import REGISTRY  # noqa: PLC0415  (an extra)
    except ImportError as exc:
        raise ConfigurationError(MISSING) from exc
    home = REGISTRY if registry is None else registry
    if home not in _known:
        _known[home] = _Series(home)
    return _known[home]
