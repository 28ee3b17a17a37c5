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
from weakref import WeakSet, finalize

T = TypeVar("T")

CLOSING_SECONDS = 2.0
"""The end of the process waits this long at most for what is still open."""

_lock = threading.Lock()
_loops: dict[str, asyncio.AbstractEventLoop] = {}
_kept: "WeakSet[Kept[Any]]" = WeakSet()
_ending: set[asyncio.Task[None]] = set()


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

    def __init__(self, value: T, life: AsyncGenerator[T, None], loop: asyncio.AbstractEventLoop) -> None:
        self.value = value
        self._life = life
        self._loop = loop
        # It holds what is open until that is closed: in a cycle of garbage it would be dismantled in any order.
        self._dropped = finalize(self, _drop, life, loop)
        self._dropped.atexit = False
        _kept.add(self)

    async def aclose(self) -> None:
        """Close it in its own loop, wherever this is called; one in a loop that stands still is closed when that ends.

        Whoever uses it meanwhile fails.
        """
        if self._loop is asyncio.get_running_loop():
            await self._life.aclose()
            self._dropped.detach()
        elif self._loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.aclose(), self._loop))

    def close_at_exit(self) -> None:
        """Close it at the end of the process, in bounded time."""
        with suppress(Exception):  # whatever goes wrong now, it ends with the process
            if self._loop.is_running():
                asyncio.run_coroutine_threadsafe(self.aclose(), self._loop).result(CLOSING_SECONDS)
            elif not self._loop.is_closed():
                self._loop.run_until_complete(asyncio.wait_for(self.aclose(), CLOSING_SECONDS))
            else:
                _drop(self._life, self._loop)


async def keep(manager: AbstractAsyncContextManager[T]) -> Kept[T]:
    """Enter `manager` in the running loop, and return what it gives, kept open.

    It is left when the `Kept` is closed or dropped, when the loop ends (`asyncio.run` does this), or at the end of the
    process: an asynchronous generator is the one thing of which a loop knows that it has to be closed.
    """
    life = _life(manager)
    return Kept(await anext(life), life, asyncio.get_running_loop())


async def _life(manager: AbstractAsyncContextManager[T]) -> AsyncGenerator[T, None]:
    async with manager as value:
        yield value


def _drop(life: AsyncGenerator[Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop end a life; called wherever the garbage happens to be collected."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(_begin_to_end, life, loop)
        return
    # Somebody closed the loop without shutting its generators down: nothing in it can wait any more, so one step does.
    with suppress(StopIteration, StopAsyncIteration, RuntimeError):
        life.aclose().__await__().send(None)


def _begin_to_end(life: AsyncGenerator[Any, None], loop: asyncio.AbstractEventLoop) -> None:
    task = loop.create_task(_end_of(life))
    _ending.add(task)  # a loop holds its tasks weakly
    task.add_done_callback(_ending.discard)


async def _end_of(life: AsyncGenerator[Any, None]) -> None:
    with suppress(RuntimeError):  # the loop is ending too, and closes it already
        await life.aclose()


@atexit.register
def _close_kept() -> None:
    for kept in list(_kept):
        kept.close_at_exit()
