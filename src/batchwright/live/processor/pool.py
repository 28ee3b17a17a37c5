"""`ParallelBatchProcessor`: many questions to language models at once, with one pause for all when it is too much."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from batchwright.clock import Clock, SystemClock
from batchwright.live.limits.limiter import Limiter
from batchwright.live.processor.autoscale import Bounds
from batchwright.live.processor.gate import Gate
from batchwright.live.processor.hooks import Hooks
from batchwright.live.processor.journal import Journal
from batchwright.live.processor.middleware import Middleware
from batchwright.live.processor.observers import Observer, ProcessingEvent
from batchwright.live.processor.outlet import Outlet
from batchwright.live.processor.processing import Processing
from batchwright.live.processor.progress import Milestones, Progress
from batchwright.live.processor.scaling import Scaling
from batchwright.live.processor.settings import ProcessorConfig
from batchwright.live.processor.stats import Counts, ProcessorStats
from batchwright.live.processor.strategies import ExponentialBackoffStrategy, RateLimitStrategy, SafeStrategy
from batchwright.live.processor.supply import AsyncItems, Items, Queue, Supply, checked
from batchwright.live.processor.work import BatchResult, LLMWorkItem, WorkItemResult
from batchwright.live.processor.workforce import Run
from batchwright.providers.classifiers import DefaultErrorClassifier, ErrorClassifier

_UNREAD_PER_WORKER = 2
"""Results of a stream that may lie unread, for each worker, before the workers wait."""


class ParallelBatchProcessor:
    """Asks many items at once and gives back what became of each.

    Add items with `add_work` and call `process_all`, or give any iterable to `stream`. A processor can be used again;
    it does one run at a time. What the hooks raise (`post_processor`, `middlewares`, `observers`, `progress_callback`:
    each a function or a coroutine function) is logged and hurts neither an item nor the run. `limiter` is asked before
    each attempt; `journal` remembers what is finished, so that a later run does not ask it again. Raises `ValueError`
    for a `config` that cannot be.
    """

    def __init__(
        self,
        config: ProcessorConfig | None = None,
        *,
        post_processor: Callable[[WorkItemResult], Any] | None = None,
        middlewares: Sequence[Middleware | Any] = (),
        observers: Sequence[Observer | Any] = (),
        error_classifier: ErrorClassifier | None = None,
        rate_limit_strategy: RateLimitStrategy | None = None,
        progress_callback: Callable[[Progress], Any] | None = None,
        limiter: Limiter | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._config = config or ProcessorConfig()
        self._config.validate()
        self._hooks = Hooks(
            middlewares=middlewares,
            observers=observers,
            post_processor=post_processor,
            progress_callback=progress_callback,
        )
        self._classifier = error_classifier or DefaultErrorClassifier()
        plain = ExponentialBackoffStrategy.of(self._config.rate_limit)
        self._strategy = SafeStrategy(rate_limit_strategy or plain, otherwise=plain)
        self._limiter = limiter
        self._journal = journal
        self._clock = clock or SystemClock()
        self._counts = Counts()
        self._queue = Queue(self._config.max_queue_size)
        self._run: Run | None = None
        self._streamed = 0

    async def add_work(self, work_item: LLMWorkItem) -> None:
        """Add an item to what `process_all` will do; hooks may do so while it works.

        When `max_queue_size` items wait already, the workers are started, and this returns when there is room. Raises
        what ended the workers, if something did.
        """
        if self._queue.full:
            run = self._run or await self._begin(self._queue, Outlet())
            if run.supply is not self._queue:
                raise RuntimeError("the queue is full, and the processor is busy with a stream")
            if not run.inside:  # a worker that waited for room would wait for itself
                await self._queue.room()
            if run.error is not None:
                raise run.error
        self._queue.add(checked(work_item))

    async def process_all(self) -> BatchResult:
        """Do everything that was added, and return all results in the order in which they were done.

        Raises what the limiter or the journal raised. Cancelled, it ends the workers at once.
        """
        run = self._run
        if run is None:
            run = await self._begin(self._queue, Outlet())
        elif run.read:
            raise RuntimeError("the processor is busy already")
        run.read = True
        self._queue.close()
        try:
            results = await run.outlet.wait_closed()
        finally:
            await self._finish(run)
        if run.error is not None:
            raise run.error
        return BatchResult.of(results)

    async def stream(
        self, items: Iterable[LLMWorkItem] | AsyncIterable[LLMWorkItem]
    ) -> AsyncGenerator[WorkItemResult, None]:
        """Yield the results of `items` in the order in which they are done, in memory that does not grow with them.

        No more items are taken while results lie unread. When `items` raises, what is in flight is finished and
        yielded first. Whoever leaves the loop early should close the stream (`contextlib.aclosing`); that ends the
        workers at once.
        """
        if self._run is not None:
            raise RuntimeError("the processor is busy already")
        supply: Supply = AsyncItems(items) if isinstance(items, AsyncIterable) else Items(items)
        workers = Bounds().highest if self._config.max_workers == "auto" else self._config.max_workers
        run = await self._begin(supply, Outlet(limit=_UNREAD_PER_WORKER * workers))
        run.read = True
        try:
            while (result := await run.outlet.get()) is not None:
                yield result
        finally:
            self._streamed += supply.taken
            await self._finish(run)
        if run.error is not None:
            raise run.error

    def stop(self) -> None:
        """Take no more items and finish what is in flight, cooldowns included. What was added and not taken stays."""
        if self._run is not None:
            self._run.supply.stop()

    async def get_stats(self) -> ProcessorStats:
        """Return what has been counted so far, over all runs: a copy that does not change any more."""
        streamed = self._streamed
        if self._run is not None and self._run.supply is not self._queue:
            streamed += self._run.supply.taken
        return self._counts.snapshot(total=self._queue.total + streamed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, if any were started and not waited for."""
        if self._run is not None:
            await self._finish(self._run)

    async def _begin(self, supply: Supply, outlet: Outlet) -> Run:
        now = asyncio.get_running_loop().time
        milestones = Milestones(self._config.progress_interval, total=lambda: supply.total, now=now)
        run = self._run = Run(supply, outlet, hooks=self._hooks, milestones=milestones)
        self._queue.reopen()
        scaling = None
        workers = self._config.max_workers
        if workers == "auto":
            scaling = Scaling(idle=lambda: supply.idle, resize=run.resize)
            workers = scaling.workers
        if self._counts.started_at is None:
            self._counts.started_at = self._clock.now()
        try:
            await self._hooks.tell(ProcessingEvent.BATCH_STARTED, {"total": supply.total, "max_workers": workers})
        except BaseException:  # only a cancellation comes through the hooks
            self._run = None
            raise
        run.start(self._processing(scaling, milestones), workers)
        return run

    def _processing(self, scaling: Scaling | None, milestones: Milestones) -> Processing:
        gate = Gate(
            self._strategy,
            max_cooldowns=self._config.rate_limit.max_cooldowns,
            hooks=self._hooks,
            counts=self._counts,
        )
        return Processing(
            self._config,
            hooks=self._hooks,
            gate=gate,
            counts=self._counts,
            classifier=self._classifier,
            limiter=self._limiter,
            journal=self._journal,
            scaling=scaling,
            milestones=milestones,
        )

    async def _finish(self, run: Run) -> None:
        """End the run, whether it is over or not, and tell so."""
        await run.close()
        self._run = None
        milestones = run.milestones
        progress = milestones.last()
        if progress is not None:
            await self._hooks.tell_progress(progress)
        if self._hooks.observed:
            told = milestones.progress()
            data = {"total": told.done, "succeeded": told.succeeded, "failed": told.failed, "duration": told.seconds}
            await self._hooks.tell(ProcessingEvent.BATCH_COMPLETED, data)
