"""The time an attempt may take, watched with one timer for each worker.

`asyncio.timeout` does the same with a timer for each attempt, and would cost a quarter of all that the engine costs.
This timer is not touched when an attempt ends: when it fires, it looks whether the attempt of that moment is due, and
if not, is set to when it will be.
"""

import asyncio


class Watch:
    """Cancels what its task waits for when the time is up; made in the task it watches, and closed with it."""

    __slots__ = ("_due", "_expired", "_loop", "_task", "_timer")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "made in the task it watches"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._expired = False

    def begin(self, seconds: float) -> None:
        """Begin an attempt that may take so many seconds."""
        self._due = due = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def end(self) -> bool:
        """End the attempt; return whether its time was up and nobody else has cancelled the task."""
        self._due = None
        if not self._expired:
            return False
        self._expired = False
        return self._task.uncancel() == 0

    @property
    def cancelled(self) -> bool:
        """Whether somebody else has cancelled the task."""
        return self._task.cancelling() > self._expired

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._expired = True
            self._due = None
            self._task.cancel()
