"""An engine in a thread of its own, for code that asks and waits in a plain loop."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

from batchwright.live.engine.answering import Answered, Ask, LiveEngine


class Lane:
    """An engine in a thread of its own: asks go in, answers come out, in any order."""

    def __init__(self, engine: LiveEngine) -> None:
        self.answers: queue.SimpleQueue[Answered | BaseException | None] = queue.SimpleQueue()
        self._engine = engine
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asks: asyncio.Queue[Ask | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._serve, name="batchwright-batch", daemon=True)
        self._thread.start()
        self._ready.wait()

    def put(self, ask: Ask | None) -> None:
        """Ask something more; None: that was all."""
        assert self._loop is not None
        assert self._asks is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._asks.put_nowait, ask)

    def close(self) -> None:
        """Give up what is in flight."""
        if self._thread.is_alive() and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _serve(self) -> None:
        try:
            asyncio.run(self._answer())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001  (raised where the answers are read)
            self.answers.put(error)
        self.answers.put(None)

    async def _answer(self) -> None:
        self._loop, self._asks, self._task = asyncio.get_running_loop(), asyncio.Queue(), asyncio.current_task()
        self._ready.set()
        async with self._engine, aclosing(self._engine.answer(self._drawn(self._asks))) as answers:
            async for answered in answers:
                self.answers.put(answered)

    @staticmethod
    async def _drawn(asks: "asyncio.Queue[Ask | None]") -> AsyncIterator[Ask]:
        while (ask := await asks.get()) is not None:
            yield ask
