"""An event loop whose time jumps to the next timer, so that an hour of cooldowns takes a test no time at all."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_STUCK_S = 5.0
"""Real seconds without any event after which a loop that has no timer left is taken for stuck."""
_THREAD_POLL_S = 0.005
"""Real seconds between two looks while a thread works for the loop."""


class _JumpingSelector(selectors.DefaultSelector):
    """Reports what is ready; where the loop would wait for a timer, its time is moved there instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; the seconds of `timeout` pass only on the loop's own clock."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads:
            return super().select(_THREAD_POLL_S)
        if timeout is None:
            ready = super().select(_STUCK_S)
            if not ready:
                raise RuntimeError("everybody waits and no timer is set: this would have hung for ever")
            return ready
        self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and stands still while anything can be done; then it jumps to the next timer.

    For code that waits for timers, other tasks and threads of `asyncio.to_thread`, for which time stands still. Not for
    code that waits for sockets or for threads of another library's: time would not wait for them.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that have passed on this loop."""
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        """Run `func` in a thread, as any loop does; no timer fires until it is done."""
        self._jumping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads -= 1


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` as `asyncio.run` does, in virtual time.

    What asyncio would only have logged (an exception that nobody took, a task destroyed while it waited) is raised as
    `RuntimeError` at the end, and so is a wait that could never end.
    """
    lost: list[str] = []

    def remember(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        lost.append(f"{context.get('message')}: {context.get('exception')!r}")

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.get_loop().set_exception_handler(remember)
        value = runner.run(coroutine)
    if lost:
        raise RuntimeError("; ".join(lost))
    return value
