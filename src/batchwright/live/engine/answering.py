"""Requests answered now: a stream of `Ask` in, a stream of `Answered` out, in order of completion.

The pool (`live/processor/pool.py`) carries it: one work item a request, whose `direct_call` asks a provider. What is
added here is what the pool does not know: providers and their order, failed results, prices, and how far the run is.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from batchwright.errors import LLMQuotaError
from batchwright.live.engine.asking import Answered, Ask, Call, Desk
from batchwright.live.engine.chain import ProviderChain, ProviderChange
from batchwright.live.engine.charges import PriceBook
from batchwright.live.engine.tally import Progress, Tally
from batchwright.live.limits.limiter import Limiter, RateLimiter
from batchwright.live.metrics.labelling import Labelling
from batchwright.live.processor.autoscale import Bounds
from batchwright.live.processor.observers import Observer
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.pricing.overrides import PriceTable
from batchwright.providers.base import Answerer
from batchwright.usage import Usage

__all__ = ["Answered", "Ask", "LiveEngine", "Progress", "ProviderChange", "QuotaPolicy"]

_REPORT_SECONDS = 0.1
"""Progress is told at most so often: faster than anybody reads, slower than it costs."""


class QuotaPolicy(StrEnum):
    """What to do when the quota of the last provider is used up."""

    STOP = "stop"
    """Take no new asks, yield what is in flight, then raise `LLMQuotaError`."""
    FAIL = "fail"
    """Go on: everything left comes back as a failed result of kind `account`, unasked."""


class LiveEngine:
    """Answers requests by the first of `providers` that has quota left.

    `limiter` None means no limit but what the providers' headers say. `on_provider_change` is told once when a
    provider's quota is used up; `on_progress` ten times a second at most, and at the end. `prices` go before the price
    lists that come with the package. Use it as an asynchronous context manager, or call `aclose`.
    """

    def __init__(
        self,
        providers: Sequence[Answerer],
        *,
        config: ProcessorConfig | None = None,
        limiter: Limiter | None = None,
        observers: Sequence[Observer | Any] = (),
        on_quota: QuotaPolicy = QuotaPolicy.STOP,
        on_provider_change: Callable[[ProviderChange], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        prices: PriceTable | None = None,
    ) -> None:
        self._config = config or ProcessorConfig()
        self._providers = tuple(providers)
        self._labelling = Labelling(observers) if observers else None
        self._on_quota = on_quota
        self._on_progress = on_progress
        self._desk = Desk(
            ProviderChain(providers, on_change=on_provider_change),
            limiter=limiter or RateLimiter(),
            prices=PriceBook(prices),
        )
        workers = self._config.max_workers
        for provider in providers:
            provider.connections = Bounds().highest if workers == "auto" else workers

    async def answer(
        self, asks: Iterable[Ask] | AsyncIterable[Ask], *, total: int | None = None
    ) -> AsyncGenerator[Answered]:
        """Yield every ask with what became of it, in order of completion; memory does not grow with their number.

        `total` is how many asks there will be, for the time left. A request that fails, or is refused, comes as a
        failed result. When the run has to end early (`QuotaPolicy.STOP`, a refused key), no new asks are taken, those
        taken are yielded, and then `LLMQuotaError` or `LLMProviderConfigurationError` is raised.
        """
        loop = asyncio.get_running_loop()
        tally = Tally(began=loop.time(), total=total)
        next_report = tally.began
        self._desk.prices.cost(Usage(), self._desk.chain.current.name, "")  # reads the lists before anybody waits
        observers = () if self._labelling is None else (self._labelling,)
        processor = ParallelBatchProcessor(self._config, observers=observers, limiter=self._desk)
        async with aclosing(processor.stream(self._items(asks))) as outcomes:
            async for outcome in outcomes:
                call: Call = outcome.context
                answered = call.answered(outcome)
                tally.add(answered.usage, answered.cost, succeeded=answered.result.succeeded)
                if self._ends:
                    processor.stop()
                if self._on_progress is not None and (now := loop.time()) >= next_report:
                    next_report = now + _REPORT_SECONDS
                    self._on_progress(tally.report(now))
                yield answered
        if self._on_progress is not None:
            self._on_progress(tally.report(loop.time(), over=True))
        if self._ends and self._desk.over is not None:
            raise self._desk.over

    async def aclose(self) -> None:
        """Close the providers' connections; the next call would open new ones."""
        for provider in self._providers:
            await provider.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def _ends(self) -> bool:
        """Whether the run is to end before the asks do."""
        over = self._desk.over
        return over is not None and (self._on_quota is QuotaPolicy.STOP or not isinstance(over, LLMQuotaError))

    def _items(self, asks: Iterable[Ask] | AsyncIterable[Ask]) -> Iterable[LLMWorkItem] | AsyncIterable[LLMWorkItem]:
        if isinstance(asks, AsyncIterable):
            return self._items_later(asks)
        return self._items_now(asks)

    def _items_now(self, asks: Iterable[Ask]) -> Iterator[LLMWorkItem]:
        for ask in asks:
            yield self._item(ask)
            if self._ends:
                return

    async def _items_later(self, asks: AsyncIterable[Ask]) -> AsyncIterator[LLMWorkItem]:
        async for ask in asks:
            yield self._item(ask)
            if self._ends:
                return

    def _item(self, ask: Ask) -> LLMWorkItem:
        call = Call(ask=ask, desk=self._desk, provider=self._desk.chain.current)
        if self._labelling is not None:
            self._labelling.expect(ask.request.custom_id, call)
        return LLMWorkItem(
            item_id=ask.request.custom_id,
            direct_call=call,
            context=call,
            estimated_tokens=self._desk.estimate(ask.request),
        )
