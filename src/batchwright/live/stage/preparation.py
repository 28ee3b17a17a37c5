"""Builders at work: a few threads, ahead of the calls, but never far ahead."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final

from batchwright.live.stage.building import Outcome

_END: Final = object()


class Preparation:
    """Builds the pages in `threads` threads; outcomes come in any order.

    At most `ahead` outcomes are being made or wait to be taken, so that a thousand pictures are never in memory at
    once. The threads are daemons: a builder that hangs does not keep the program from ending. They run in copies of the
    context in which this is made.
    """

    def __init__(self, pages: Iterable[Any], build: Callable[[Any], Outcome], *, threads: int, ahead: int) -> None:
        self.built = 0
        """How many pages the builders are done with."""
        self.broken: BaseException | None = None
        """What `pages` itself raised, or what ended a thread."""
        self._pages = iter(pages)
        self._build = build
        self._contexts = [copy_context() for _ in range(threads)]
        self._slots = threading.Semaphore(ahead)
        self._turn = threading.Lock()
        self._stopping = False

    def stop(self) -> None:
        """Take no more pages; what is being built is thrown away."""
        self._stopping = True
        for _ in self._contexts:
            self._slots.release()

    async def outcomes(self) -> AsyncGenerator[Outcome]:
        """Yield what became of each page until the pages end, or something breaks that is not a page's own fault."""
        loop = asyncio.get_running_loop()
        done: asyncio.Queue[Any] = asyncio.Queue()

        def deliver(outcome: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                loop.call_soon_threadsafe(done.put_nowait, outcome)

        for context in self._contexts:
            threading.Thread(
                target=context.run, args=(self._work, deliver), name="batchwright-builder", daemon=True
            ).start()
        try:
            running = len(self._contexts)
            while running:
                outcome = await done.get()
                if outcome is _END:
                    running -= 1
                elif not self._stopping:
                    self.built += 1
                    yield outcome
                    self._slots.release()
        finally:
            self.stop()

    def _work(self, deliver: Callable[[object], None]) -> None:
        try:
            while True:
                self._slots.acquire()
                page = self._next()
                if page is _END:
                    return
                deliver(self._build(page))
        except BaseException as exc:  # noqa: BLE001  (told to whoever waits for the outcomes)
            self.broken = self.broken or exc
            self.stop()
        finally:
            self._slots.release()  # another thread may wait for it, to find out that there are no more pages
            deliver(_END)

    def _next(self) -> Any:
        with self._turn:
            if self._stopping:
                return _END
            page = next(self._pages, _END)
            if page is _END:
                self._pages = iter(())
            return page
