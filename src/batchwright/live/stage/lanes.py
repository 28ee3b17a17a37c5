"""The asynchronous part of a stage: what the builders made goes to the providers, and what became of it comes out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass

from batchwright.live.engine.answering import Answered, Ask, LiveEngine
from batchwright.live.stage.building import NotBuilt, Outcome, Prepared, Skipped
from batchwright.live.stage.reading import Reading, ReadingProvider, read
from batchwright.live.stage.requests import wants_json
from batchwright.providers.base import Provider
from batchwright.providers.model_names import Route
from batchwright.request import Request
from batchwright.result import Result


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, or that there is none, and the page it is about."""

    prepared: Prepared
    answered: Answered


Event = Told | Skipped | NotBuilt
"""What there is to know about a page."""


class Lanes:
    """One engine for each provider that the requests name, opened when the first of them does.

    `open_provider` may take its time (it is called in a thread) and raise; `make_engine` puts the stage's settings on
    it. Every event is handed to `emit`, which may make the providers wait: at most `most` pages of a lane are open,
    from being handed to the engine until `emit` has them. So many answers, and no more, can be lost to a kill.
    """

    def __init__(
        self,
        *,
        open_provider: Callable[[Route], Provider],
        make_engine: Callable[[Provider], LiveEngine],
        emit: Callable[[Event], Awaitable[None]],
        most: int,
    ) -> None:
        self._open_provider = open_provider
        self._make_engine = make_engine
        self._emit = emit
        self._most = most
        self._queues: dict[str, asyncio.Queue[Prepared | None]] = {}

    async def run(self, outcomes: AsyncGenerator[Outcome]) -> None:
        """Ask about every page, and return when all are over. Raises what ends a stage: no key, no quota."""
        try:
            async with asyncio.TaskGroup() as tasks, aclosing(outcomes):
                async for outcome in outcomes:
                    if isinstance(outcome, Prepared):
                        await (await self._queue(outcome.route, tasks)).put(outcome)
                    else:
                        await self._emit(outcome)
                for queue in self._queues.values():
                    await queue.put(None)
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _queue(self, route: Route, tasks: asyncio.TaskGroup) -> asyncio.Queue[Prepared | None]:
        queue = self._queues.get(route.provider_name)
        if queue is None:
            provider = await asyncio.to_thread(self._open_provider, route)
            queue = self._queues[route.provider_name] = asyncio.Queue(maxsize=1)
            tasks.create_task(self._answer(provider, queue))
        return queue

    async def _answer(self, provider: Provider, queue: asyncio.Queue[Prepared | None]) -> None:
        flying: dict[str, Prepared] = {}
        room = asyncio.Semaphore(self._most)

        async def asks() -> AsyncIterator[Ask]:
            while (prepared := await queue.get()) is not None:
                await room.acquire()
                flying[prepared.sent.custom_id] = prepared
                yield Ask(request=prepared.sent)

        reading = ReadingProvider(provider, _Reader(flying))
        async with self._make_engine(reading) as engine, aclosing(engine.answer(asks())) as answers:
            async for answered in answers:
                prepared = flying.pop(answered.ask.request.custom_id)
                await self._emit(Told(prepared, answered))
                room.release()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads an answer as its page's request wants it, and leaves with the page what it says."""

    flying: MutableMapping[str, Prepared]

    def __call__(self, request: Request, result: Result) -> Reading:
        prepared = self.flying[request.custom_id]
        as_json = wants_json(prepared.request.response_format)
        prepared.reading = read(result, as_json=as_json, schema=request.output_schema)
        return prepared.reading


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
