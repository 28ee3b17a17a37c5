"""Events of a `LiveEngine`: the pool's, with what only the engine knows of a request: who was asked, at what cost."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from batchwright.live.engine.asking import Call
from batchwright.live.processor.observers import Observer, ProcessingEvent

_ENDS = (ProcessingEvent.ITEM_COMPLETED, ProcessingEvent.ITEM_FAILED)


class Labelling:
    """An observer that passes every event on to others.

    To what the pool says of an item it adds `provider_name` and `model`, and at its end `cost` (dollars as `Decimal`,
    None if unknown), `cached_tokens`, `reasoning_tokens`, and where there was an answer `response_model`,
    `request_id` and `finish_reasons`.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)
        self._calls: dict[str, Call] = {}

    def expect(self, item_id: str, call: Call) -> None:
        """Remember whose events will come under this id."""
        self._calls[item_id] = call

    async def on_event(self, event: ProcessingEvent, data: Mapping[str, Any], /) -> None:
        """Pass an event on."""
        over = event in _ENDS
        item_id = data.get("item_id", "")
        call = self._calls.pop(item_id, None) if over else self._calls.get(item_id)
        if call is not None:
            data = {**data, **_of(call, over=over)}
            if not call.asked and over:
                data |= {"attempts": 0, "duration": 0.0}  # the run had ended: nobody was asked
        for observer in self._observers:
            heard = observer.on_event(event, dict(data))
            if inspect.isawaitable(heard):
                await heard


def _of(call: Call, *, over: bool) -> dict[str, Any]:
    labels: dict[str, Any] = {"provider_name": call.provider.name, "model": call.asked_model}
    if not over:
        return labels
    labels |= {
        "cost": call.cost,
        "cached_tokens": call.usage.cached_tokens,
        "reasoning_tokens": call.usage.reasoning_tokens,
    }
    result = call.result
    if result is not None and result.succeeded:
        labels |= {
            "response_model": result.model,
            "request_id": result.request_id,
            "finish_reasons": [result.finish_reason.value],
        }
    return labels
