"""Asynchronous work whose events are taken by synchronous code, one by one, in the caller's own thread.

Handlers run where the stage was called: a database connection or a figure of a notebook is of no use anywhere else.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from batchwright import aio

T = TypeVar("T")
Emit = Callable[[T], Awaitable[None]]

_LETTING_GO = 5.0
"""Seconds to wait for cancelled work to close its connections."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class _Work(Generic[T]):
    """Work on the private loop, and the queue its events come through."""

    def __init__(self, work: Callable[[Emit[T]], Coroutine[Any, Any, None]], backlog: int) -> None:
        self.events: SimpleQueue[T | _End] = SimpleQueue()
        self._work = work
        self._room = asyncio.Semaphore(backlog)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._unwanted = False
        self._thread = threading.Thread(target=self._serve, name="batchwright-stage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def taken(self) -> None:
        """Make room for another event."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._room.release)

    def end(self) -> None:
        """Cancel what is still going on, or has not even begun."""
        self._unwanted = True
        if self._thread.is_alive() and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_LETTING_GO)

    def _serve(self) -> None:
        try:
            aio.run(self._main())
        except BaseException as exc:  # noqa: BLE001  (raised again in the thread that takes the events)
            self.events.put(_End(exc))
        else:
            self.events.put(_End(None))

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if not self._unwanted:
            await self._work(self._emit)

    async def _emit(self, event: T) -> None:
        await self._room.acquire()
        self.events.put(event)


def events_of(
    work: Callable[[Emit[T]], Coroutine[Any, Any, None]], *, backlog: int, tick: float
) -> Generator[T | None, None, None]:
    """Run `work` on the private loop and yield what it emits, and None after every `tick` seconds without an event.

    At most `backlog` events wait to be taken; then `work` waits. Raises what `work` raises, once the events before it
    are taken. Closing the generator cancels the work.
    """
    running = _Work(work, backlog)
    running.start()
    try:
        while True:
            try:
                event = running.events.get(timeout=tick)
            except Empty:
                yield None
                continue
            if isinstance(event, _End):
                if event.error is not None:
                    raise event.error
                return
            yield event
            running.taken()
    finally:
        running.end()
