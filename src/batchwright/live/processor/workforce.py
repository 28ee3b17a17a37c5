"""The workers of one run: started, made more or fewer, waited for, ended."""

import asyncio
import logging

from batchwright.live.processor.garbage import collector
from batchwright.live.processor.hooks import Hooks
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.outlet import Outlet
from batchwright.live.processor.processing import Processing
from batchwright.live.processor.progress import Milestones
from batchwright.live.processor.supply import Supply
from batchwright.live.processor.undertaking import Worker
from batchwright.live.processor.watch import Watch

log = logging.getLogger(__name__)

_GRACE_S = 5.0
"""How long a cancelled worker may go on before it is left to itself: a call may not let itself be cancelled."""


class Run:
    """Workers that take items from a supply and put results into an outlet, until there are no more items.

    When one of them fails (the iterable of items raised, a journal cannot be written), no more items are taken, what
    is in flight is finished, and `error` says what it was.
    """

    def __init__(self, supply: Supply, outlet: Outlet, *, hooks: Hooks, milestones: Milestones) -> None:
        self.supply = supply
        self.outlet = outlet
        self.milestones = milestones
        self.read = False
        """Whether somebody waits for the results."""
        self.error: BaseException | None = None
        self._hooks = hooks
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted = 0
        self._working = 0
        self._started = 0
        self._closing = False
        self._processing: Processing | None = None

    def start(self, processing: Processing, workers: int) -> None:
        """Begin with so many workers."""
        self._processing = processing
        self.resize(workers)

    def resize(self, workers: int) -> None:
        """Make it so many workers; who is too many ends when its item is done."""
        self._wanted = workers
        if self._closing:
            return
        collector.expect(self, workers)
        while self._working < workers:
            task = asyncio.create_task(self._work(self._started), name=f"batchwright-worker-{self._started}")
            self._started += 1
            self._working += 1
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    @property
    def inside(self) -> bool:
        """Whether the caller is one of the workers: a hook that adds items, say."""
        return asyncio.current_task() in self._tasks

    async def close(self) -> None:
        """End the workers, at once; returns when they have ended."""
        self._closing = True
        self.supply.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_GRACE_S)
            if left:
                log.warning("workers could not be cancelled", extra={"event": "live.stuck", "workers": len(left)})
        collector.dismiss(self)

    async def _work(self, worker_id: int) -> None:
        processing = self._processing
        assert processing is not None, "started"
        worker = Worker(worker_id=worker_id, watch=Watch())
        try:
            await self._hooks.tell(ProcessingEvent.WORKER_STARTED, {"worker_id": worker_id})
            while self._working <= self._wanted:
                if self.outlet.full:
                    await self.outlet.room()
                item = await self.supply.take()
                if item is None:
                    break
                try:
                    self.outlet.put(await processing.process(item, worker))
                finally:
                    self.supply.done()
                await asyncio.sleep(0)  # a call that never waits must not keep everybody else from working
        finally:
            worker.watch.close()
            self._working -= 1
            await self._hooks.tell(ProcessingEvent.WORKER_STOPPED, {"worker_id": worker_id})

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            error: BaseException | None = None if self._closing else RuntimeError("a worker was cancelled")
        else:
            error = task.exception()
        if error is not None and self.error is None:
            self.error = error
            self.supply.stop()
        if not self._tasks:
            collector.dismiss(self)
            self.outlet.close()
