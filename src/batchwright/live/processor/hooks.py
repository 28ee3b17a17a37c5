"""Calls what users hung in: middlewares, observers, post-processor, progress. None of it can hurt a run."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from types import CoroutineType
from typing import Any

from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.progress import Progress
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult

log = logging.getLogger(__name__)

Hook = Callable[..., Any]
"""Somebody's function, asynchronous or not."""


class Hooks:
    """The users' functions, by the moment at which they are called."""

    def __init__(
        self,
        *,
        middlewares: Iterable[Any] = (),
        observers: Iterable[Any] = (),
        post_processor: Hook | None = None,
        progress_callback: Hook | None = None,
    ) -> None:
        chain = list(middlewares)
        self._before = _methods(chain, "before_process")
        self._after = _methods(reversed(chain), "after_process")
        self._on_error = _methods(chain, "on_error")
        self._observers = [observer.on_event for observer in observers]
        self._post_processor = post_processor
        self._progress_callback = progress_callback
        self.observed = bool(self._observers)
        """Whether anybody hears of events; saves making them for nobody."""
        self.surrounded = bool(chain)
        """Whether there are middlewares."""
        self.post_processed = post_processor is not None
        """Whether there is a post-processor."""

    async def before(self, item: LLMWorkItem) -> LLMWorkItem | None:
        """Return the item as the middlewares want it, or None if one of them skips it."""
        for hook in self._before:
            worked, changed = await _call(hook, item)
            if worked and changed is None:
                return None
            if worked and _is(LLMWorkItem, changed, hook):
                item = changed
        return item

    async def after(self, result: WorkItemResult) -> WorkItemResult:
        """Return the result as the middlewares want it."""
        for hook in self._after:
            worked, changed = await _call(hook, result)
            if worked and _is(WorkItemResult, changed, hook):
                result = changed
        return result

    async def rescue(self, item: LLMWorkItem, error: BaseException) -> WorkItemResult | None:
        """Return the first result that a middleware has instead of this failure."""
        for hook in self._on_error:
            worked, result = await _call(hook, item, error)
            if worked and result is not None and _is(WorkItemResult, result, hook):
                supplied: WorkItemResult = result
                return supplied
        return None

    async def post_process(self, result: WorkItemResult) -> None:
        """Hand a result to the post-processor."""
        if self._post_processor is not None:
            await _call(self._post_processor, result)

    async def tell(self, event: ProcessingEvent, data: dict[str, Any]) -> None:
        """Tell every observer of an event."""
        for hook in self._observers:
            await _call(hook, event, data)

    async def tell_progress(self, progress: Progress) -> None:
        """Tell how far the run is."""
        if self._progress_callback is not None:
            await _call(self._progress_callback, progress)


def _methods(holders: Iterable[Any], name: str) -> list[Hook]:
    return [method for holder in holders if (method := getattr(holder, name, None)) is not None]


async def _call(hook: Hook, *args: Any) -> tuple[bool, Any]:
    """Call a function or a coroutine function of a user's; return whether it worked, and what it returned."""
    try:
        value = hook(*args)
        if type(value) is CoroutineType or (value is not None and inspect.isawaitable(value)):  # the first: for speed
            value = await value
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        log.exception("a hook was cancelled from within", extra=_told(hook))
    except Exception:
        log.exception("a hook failed", extra=_told(hook))
    else:
        return True, value
    return False, None


def _is(kind: type, value: object, hook: Hook) -> bool:
    """Whether a hook has returned what it should; told where it has not."""
    if isinstance(value, kind):
        return True
    returned = {"wanted": kind.__name__, "returned": type(value).__name__}
    log.error("a hook returned something else than it should", extra={**_told(hook), **returned})
    return False


def _told(hook: Hook) -> dict[str, str]:
    return {"event": "live.hook_failed", "hook": getattr(hook, "__qualname__", repr(hook))}
