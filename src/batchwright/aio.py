"""Run a coroutine from synchronous code, and keep things open in an event loop for as long as it lives.

One private event loop in one daemon thread serves the whole process. `asyncio.run` would fail where a loop is already
running (notebooks), and a loop per call would break clients that are bound to the loop that made them.
"""

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, TypeVar
from weakref import finalize

T = TypeVar("T")

CLOSING_SECONDS = 2.0
"""The end of the process waits this long at most for what is still open."""

_lock = threading.Lock()
_loops: dict[str, asyncio.AbstractEventLoop] = {}
_everything: "set[_Open[Any]]" = set()
"""What is open, in whichever loop."""


def _private_loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get("private")
        if loop is None:
            runner = asyncio.Runner()
            loop = runner.get_loop()
            thread = threading.Thread(target=_serve, args=(runner, loop), name="batchwright-aio", daemon=True)
            thread.start()
            atexit.register(_stop, loop, thread)
            _loops["private"] = loop
        return loop


def _serve(runner: asyncio.Runner, loop: asyncio.AbstractEventLoop) -> None:
    with runner:  # at the end: cancels what still runs, closes what was opened
        loop.run_forever()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CLOSING_SECONDS)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end on the private loop and return its value or raise its exception.

    Ctrl-C cancels the coroutine and is raised here. Must not be called from the private loop itself.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _private_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class Kept(Generic[T]):
    """Something that is open in one event loop, made by `keep`."""

    def __init__(self, opened: "_Open[T]") -> None:
        self.value = opened.value
        self._open = opened
        self._dropped = finalize(self, opened.drop)
        self._dropped.atexit = False

    async def aclose(self) -> None:
        """Close it in its own loop, wherever this is called; one in a loop that stands still is closed when that ends.

        Whoever uses it meanwhile fails.
        """
        loop = self._open.loop
        if loop is asyncio.get_running_loop():
            await self._open.close()
        elif loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._open.close(), loop))


async def keep(manager: AbstractAsyncContextManager[T]) -> Kept[T]:
    """Enter `manager` in the running loop, and return what it gives, kept open.

    It is left when the `Kept` is closed or dropped, when the loop ends (`asyncio.run` does this), or at the end of the
    process.
    """
    opened = _Open(manager, await manager.__aenter__())
    await anext(opened.life)
    _everything.add(opened)  # or garbage that goes in a circle would be dismantled in any order
    return Kept(opened)


class _Open(Generic[T]):
    """What is open, and is closed once, however many want that at the same time."""

    def __init__(self, manager: AbstractAsyncContextManager[T], value: T) -> None:
        self.value = value
        self.loop = asyncio.get_running_loop()
        self.life = self._live()
        self._manager = manager
        self._closed: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def _live(self) -> AsyncGenerator[None, None]:
        """An asynchronous generator is the one thing of which a loop that ends knows that it has to be closed."""
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Close it, or wait until somebody else has."""
        if self._closed is not None:
            await asyncio.shield(self._closed)
            return
        self._closed = self.loop.create_future()
        try:
            await self._manager.__aexit__(None, None, None)
        finally:
            self._closed.set_result(None)
            _everything.discard(self)
            with suppress(StopIteration, RuntimeError):  # its life is over, if it is not that which closes it
                self.life.aclose().__await__().__next__()

    def drop(self) -> None:
        """Have the loop close it; called wherever the garbage happens to be collected."""
        if self.loop.is_closed():
            self._close_alone()
        else:
            self.loop.call_soon_threadsafe(self._begin_to_close)

    def _begin_to_close(self) -> None:
        self._closing = self.loop.create_task(self.close())

    def _close_alone(self) -> None:
        """Close it without its loop, which somebody closed too early: nothing can wait any more, so one step does."""
        with suppress(StopIteration):
            self._manager.__aexit__(None, None, None).__await__().__next__()
        _everything.discard(self)

    def close_at_exit(self) -> None:
        """Close it at the end of the process, in bounded time."""
        if self.loop.is_closed():
            self._close_alone()
        elif self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self.close(), self.loop).result(CLOSING_SECONDS)
        else:
            self.loop.run_until_complete(asyncio.wait_for(self.close(), CLOSING_SECONDS))


@atexit.register
def _close_everything() -> None:
    for opened in list(_everything):
        with suppress(Exception):  # whatever goes wrong now, it ends with the process
            opened.close_at_exit()
