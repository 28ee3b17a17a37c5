"""Rows of a dataset answered now: each answer is in the run database before anybody asks for more than a moment later.

One run is one event loop's business: rows are read, prompts made, equal ones found and answers written between the
calls that wait. What is in flight, and a few answers whose turn has not come, is all that memory holds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import pydantic_core

from batchwright.checker import AnswerChecker
from batchwright.errors import AnswerError, BatchwrightError, BudgetError
from batchwright.live.engine.answering import Answered, Ask, LiveEngine
from batchwright.live.rows.keys import Keys, Recent
from batchwright.pricing.budget import Allowance
from batchwright.reports.datasets.base import Outcome
from batchwright.result import FailureKind, Result
from batchwright.run import RowAnswer, Run, RunStatus
from batchwright.sources.datasets.base import Row
from batchwright.sources.row_prompts import RowPrompts
from batchwright.tracking.answer_cache import AnswerCache
from batchwright.tracking.prompt_index import PromptIndex
from batchwright.tracking.runs import AnswerWriter, RunStore
from batchwright.usage import Usage

_TICK: Final = 0.1
"""Seconds between two looks at what is overdue."""
_LOOK: Final = 0.5
"""Seconds between two looks whether another process wants this one to stop."""
_MOST_FOLLOWERS: Final = 1_000
"""Rows, at most, that wait for the answer to an equal prompt."""
_BREATH: Final = 200
"""Rows that need no call, one after another, before others get their turn."""


class Origin(StrEnum):
    """Where a row's answer is from."""

    ASKED = "asked"
    """A model was asked."""
    EQUAL = "equal"
    """Another row of the run has the same prompt."""
    CACHED = "cached"
    """An earlier run asked the same."""
    KEPT = "kept"
    """This run had it before it was resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDone:
    """What became of a row."""

    position: int
    row: Row
    answer: RowAnswer
    outcome: Outcome
    origin: Origin
    answered: Answered | None = None
    """What the engine said, where it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended, or why it did not get to its end."""

    status: RunStatus
    message: str | None = None
    error: BatchwrightError | None = None
    """What stopped it, where that was an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The row that a request is about."""

    position: int
    row: Row
    key: bytes


@dataclass(slots=True, kw_only=True)
class RowRun:
    """Asks about the rows of a run that have no answer; good for one `ask`. Whoever calls holds the run's claim."""

    engine: LiveEngine
    prompts: RowPrompts
    store: RunStore
    run: Run
    on_row: Callable[[RowDone], None]
    """Told of every row once, in any order; what it raises ends the run."""
    keys: Keys
    checker: AnswerChecker | None = None
    """Reads answers that have to satisfy a schema."""
    dedupe: bool = True
    """Whether equal prompts are asked once."""
    cache: AnswerCache | None = None
    cached_of: str | None = None
    """The provider whose answers the cache may have; what others answer in its place is not kept there."""
    stop_on_error: bool = False
    """Whether the first row that fails ends the run. Only what was asked beside it is still taken in."""
    at_once: int = 1
    """How many requests the engine asks at a time. It draws the next one before an answer is looked at here."""
    allowance: Allowance | None = None
    """What the run may cost; None where that is not limited."""
    _ending: Ending | None = None
    _consuming: asyncio.Task[None] | None = None
    _writer: AnswerWriter | None = None
    _followers: dict[int, list[_Place]] = field(default_factory=dict)
    """Rows that wait, by the row that is asked in their place."""
    _waiting: int = 0
    _in_flight: int = 0
    _recent: Recent = field(default_factory=Recent)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self) -> Ending:
        """Ask until every row has an outcome, or something ends it; everything that arrived is on disk then.

        Raises nothing that `Ending` can say; cancelled, it writes what arrived.
        """
        with self.store.writer(self.run) as writer:
            self._writer = writer
            self._consuming = consuming = asyncio.create_task(self._consume())
            watching = asyncio.create_task(self._watch(writer))
            try:
                await consuming
            except asyncio.CancelledError:
                if self._ending is None:
                    raise
            except BatchwrightError as error:
                self._end(RunStatus.FAILED, error)
            finally:
                consuming.cancel()
                watching.cancel()
                with suppress(asyncio.CancelledError, BatchwrightError):
                    await watching
                if self.cache is not None:
                    self.cache.flush()
        return self._ending or Ending(status=RunStatus.COMPLETED)

    def stop(self, message: str) -> None:
        """Give up what is in flight; `ask` writes what has arrived and returns."""
        self._end(RunStatus.PAUSED, message)
        if self._consuming is not None:
            self._consuming.cancel()

    def _end(self, status: RunStatus, why: str | BatchwrightError) -> None:
        """Take no more rows; the first reason counts."""
        if self._ending is None:
            error = why if isinstance(why, BatchwrightError) else None
            self._ending = Ending(status=status, message=str(why), error=error)
        self._changed.set()

    async def _consume(self) -> None:
        async with aclosing(self.engine.answer(self._asks())) as answers:
            async for answered in answers:
                self._settle(answered)

    async def _watch(self, writer: AnswerWriter) -> None:
        """Commit what is overdue, and listen to other processes."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        try:
            while True:
                await asyncio.sleep(_TICK)
                if writer.overdue:
                    writer.flush()
                    if self.cache is not None:
                        self.cache.flush()
                if loop.time() - looked >= _LOOK:
                    looked = loop.time()
                    if self.store.get(self.run.run_id).stop_requested:
                        self.stop("cancelled")
        except BatchwrightError as error:
            self._end(RunStatus.FAILED, error)
            if self._consuming is not None:
                self._consuming.cancel()

    async def _asks(self) -> AsyncIterator[Ask]:
        """Yield a request for every row that has to be asked about; settle the others on the way."""
        answered = self.store.answered(self.run)
        quiet = 0
        with PromptIndex() as index:
            for position, row in enumerate(self.prompts.rows()):
                if self._ending is not None:
                    return
                ask = await self._ask_about(position, row, index, kept=position in answered)
                if ask is None:
                    quiet += 1
                    if quiet % _BREATH == 0:
                        await asyncio.sleep(0)
                elif await self._may_ask():
                    self._in_flight += 1
                    yield ask
                else:
                    return

    async def _ask_about(self, position: int, row: Row, index: PromptIndex, *, kept: bool) -> Ask | None:
        """Return the request about a row, or None where its answer is there, or comes with another's."""
        attachments = self.prompts.attachments is not None
        name = f"row-{position}"
        if attachments:  # files are read for it
            request = await asyncio.to_thread(self.prompts.request, row, name)
        else:
            request = self.prompts.request(row, name)
        place = _Place(position=position, row=row, key=self.keys.of(request))
        first = index.first(place.key, position) if self.dedupe else position
        if kept:
            answer = self.store.answer(self.run, position)
            if answer is not None:
                self._tell(place, answer, Origin.KEPT)
                return None
        if first != position and await self._follow(place, first):
            return None
        if self.cache is not None and (found := self.cache.get(place.key)) is not None:
            answer = RowAnswer(row=position, response=found.response, model=found.model, cost=Decimal(0))
            if self._usable(answer):
                self._keep(answer)
                self._tell(place, answer, Origin.CACHED)
                return None
        if self.dedupe:
            self._followers[position] = []
        return Ask(request=request, context=place)

    async def _follow(self, place: _Place, first: int) -> bool:
        """Let a row have the answer of the first one with its prompt; False where that has none and is not asked."""
        if first in self._followers:
            while self._waiting >= _MOST_FOLLOWERS and first in self._followers and self._ending is None:
                self._changed.clear()
                await self._changed.wait()
        if first in self._followers:
            self._followers[first].append(place)
            self._waiting += 1
            return True
        answer = self._recent.get(first)
        if answer is None:
            assert self._writer is not None, "asking"
            self._writer.flush()
            answer = self.store.answer(self.run, first)
        if answer is None:
            return False
        self._copy(answer, place)
        return True

    async def _may_ask(self) -> bool:
        """Wait until one more request may be asked; False where none may be any more.

        That is: until it is sure to stay within the budget, or else the run ends; and where the first failure ends the
        run, until it is known of what was asked before whether it failed.
        """
        while self.stop_on_error and self._in_flight >= self.at_once and self._ending is None:
            self._changed.clear()
            await self._changed.wait()
        if self.stop_on_error and self._ending is not None:
            return False
        if self.allowance is None:
            return True
        while not self.allowance.take():
            if not self._in_flight or self._ending is not None:
                self._end(
                    RunStatus.PAUSED,
                    BudgetError(
                        f"stopped: {self.allowance.spent:f} dollars are spent, and the next request could exceed "
                        f"the {self.allowance.budget.limit:f} of --max-cost"
                    ),
                )
                return False
            self._changed.clear()
            await self._changed.wait()
        return True

    def _settle(self, answered: Answered) -> None:
        """Keep an answer, and give it to the rows that wait for it."""
        place: _Place = answered.ask.context
        self._in_flight -= 1
        if self.allowance is not None:
            self.allowance.settle(answered.cost)
        answer, outcome = self._read(answered, place.position)
        self._keep(answer)
        if self.cache is not None and not answer.failed and self.cached_of in {None, answered.provider_name}:
            self.cache.put(place.key, answer.response or "", answer.model)
        self.on_row(
            RowDone(
                position=place.position,
                row=place.row,
                answer=answer,
                outcome=outcome,
                origin=Origin.ASKED,
                answered=answered,
            )
        )
        for follower in self._followers.pop(place.position, ()):
            self._waiting -= 1
            self._copy(answer, follower)
        if answer.failed and self.stop_on_error:
            self._end(RunStatus.FAILED, f"stopped at the first row that failed: {place.row.place}: {answer.error}")
        self._changed.set()

    def _copy(self, answer: RowAnswer, place: _Place) -> None:
        """Give a row the answer of another; it cost nothing more."""
        copied = replace(answer, row=place.position, usage=Usage(), cost=Decimal(0), seconds=None)
        self._keep(copied)
        self._tell(place, copied, Origin.EQUAL)

    def _keep(self, answer: RowAnswer) -> None:
        assert self._writer is not None, "asking"
        self._writer.put(answer)
        self._recent.put(answer)

    def _tell(self, place: _Place, answer: RowAnswer, origin: Origin) -> None:
        outcome = Outcome(text=answer.response, value=self._value(answer), error=answer.error)
        self.on_row(RowDone(position=place.position, row=place.row, answer=answer, outcome=outcome, origin=origin))

    def _value(self, answer: RowAnswer) -> Any:
        if self.checker is None or answer.failed:
            return None
        return self.checker.read_text(answer.response or "")

    def _usable(self, answer: RowAnswer) -> bool:
        try:
            self._value(answer)
        except AnswerError:
            return False
        return True

    def _read(self, answered: Answered, position: int) -> tuple[RowAnswer, Outcome]:
        result = answered.result
        text, value, error = result.text, None, None
        if not result.succeeded:
            error = reason_of(result)
        elif self.checker is not None:
            try:
                value = self.checker.read(result)
                text = _as_json(text or "", value)
            except AnswerError as exc:
                error = str(exc)
        else:
            text = text or ""
        answer = RowAnswer(
            row=position,
            response=text,
            error=error,
            model=answered.model,
            usage=answered.usage,
            cost=answered.cost,
            seconds=answered.seconds,
        )
        return answer, Outcome(text=text, value=value, error=error)


def _as_json(text: str, value: Any) -> str:
    """Return an answer's text where it is JSON; what stood in a fence or was mended becomes what it means."""
    if text[:1] in {"{", "["} and text[-1:] in {"}", "]"}:
        return text
    return pydantic_core.to_json(value).decode()


def reason_of(result: Result) -> str:
    """Say why a request has no answer."""
    if result.failure is None:
        return result.status.value
    blocked = "refused: " if result.failure.kind is FailureKind.BLOCKED else ""
    return f"{blocked}{result.failure.message}"
