"""The requests of a run, built one by one when the engine is ready for more."""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import TypeVar

from batchwright.errors import BatchwrightError, BudgetError, InputError
from batchwright.live.documents.questions import Question, Questions
from batchwright.live.engine.answering import Ask
from batchwright.pricing.budget import Allowance
from batchwright.tasks.base import Task
from batchwright.tasks.complaints import with_complaint
from batchwright.tasks.planning import DocumentKey

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A document's first request is about to be asked."""

    key: DocumentKey
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A document that cannot be asked about from here on, and why."""

    key: DocumentKey
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Everything asked about a document is on disk or given up."""

    key: DocumentKey


Happening = Begun | LeftOut | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    ask: Ask | None
    """None where there is nothing more."""
    begun: Sequence[Begun | LeftOut]
    exhausted: Sequence[DocumentKey]
    """Documents of which everything was drawn."""


class Feed:
    """Draws questions and builds their requests, off the event loop, because documents are read for it.

    At most `most` requests are in flight: from being handed out until `settle` says that their rows are on disk. So
    many answers, and no more, can be lost to a kill. Questions that are asked again come first. With an `allowance`, a
    request waits until it is sure to stay within the budget, and ends the run where it is not.
    """

    def __init__(
        self, documents: Iterable[Questions], *, task: Task, most: int, allowance: Allowance | None = None
    ) -> None:
        self._documents = iter(documents)
        self._task = task
        self._most = most
        self._allowance = allowance
        self._current: tuple[DocumentKey, Iterator[Question]] | None = None
        self._numbers = count()
        self._again: deque[Question] = deque()
        self._open: Counter[DocumentKey] = Counter()
        self._in_flight = 0
        self._undrawn: set[DocumentKey] = set()
        self._exhausted = False
        self._stopped = False
        self._changed = asyncio.Event()
        self.happenings: deque[Happening] = deque()
        """What there is to tell, oldest first; whoever tells it takes it out."""
        self.error: BatchwrightError | None = None
        """Why asking ended early, if it did; what is in flight goes on."""

    async def asks(self) -> AsyncIterator[Ask]:
        """Yield requests until everything was drawn and nothing is in flight that may be asked again."""
        while True:
            self._changed.clear()
            ask = await self._next()
            if ask is not None:
                self._in_flight += 1
                yield ask
            elif not self._in_flight and (self._stopped or (self._exhausted and not self._again)):
                return
            else:
                await self._changed.wait()

    def settle(self, question: Question, again: Sequence[Question], *, cost: Decimal | None = None) -> None:
        """Note that a question has its answer on disk, or never will, what that cost, and what is asked instead."""
        self._in_flight -= 1
        if self._allowance is not None:
            self._allowance.settle(cost)
        self._close(question, again)

    def stop(self, error: BatchwrightError | None = None) -> None:
        """Ask nothing more; the first reason counts."""
        self.error = self.error or error
        self._stopped = True
        self._changed.set()

    async def _next(self) -> Ask | None:
        """Return the next request; None where there is none, now or at all."""
        done = self._exhausted and not self._again
        if self._stopped or done or self._in_flight >= self._most:
            return None
        if self._allowance is None:
            return await self._following()
        if self._allowance.take():
            ask = await self._following()
            if ask is None:
                self._allowance.settle(Decimal(0))
            return ask
        if not self._in_flight and await self._following() is not None:
            self.stop(
                BudgetError(
                    f"stopped: {self._allowance.spent:f} dollars are spent, and the next request could exceed "
                    f"the {self._allowance.budget.limit:f} of --max-cost"
                )
            )
        return None

    async def _following(self) -> Ask | None:
        if self._again:
            question = self._again.popleft()
            try:
                return await _in_daemon(lambda: self._ask(question))
            except InputError as error:
                self.happenings.append(LeftOut(key=_key_of(question), reason=str(error)))
                self._close(question, ())
                return None
        try:
            return self._take(await _in_daemon(self._draw))
        except BatchwrightError as error:
            self.stop(error)
            return None

    def _close(self, question: Question, again: Sequence[Question]) -> None:
        key = _key_of(question)
        self._again.extend(again)
        self._open[key] += len(again) - 1
        self._end_where_done(key)
        self._changed.set()

    def _take(self, drawn: _Drawn) -> Ask | None:
        for told in drawn.begun:
            self.happenings.append(told)
            self._undrawn.add(told.key)
        if drawn.ask is not None:
            self._open[_key_of(drawn.ask.context)] += 1
        else:
            self._exhausted = True
        for key in drawn.exhausted:
            self._undrawn.discard(key)
            self._end_where_done(key)
        return drawn.ask

    def _end_where_done(self, key: DocumentKey) -> None:
        if not self._open[key]:
            del self._open[key]
            if key not in self._undrawn:
                self.happenings.append(Ended(key=key))

    def _draw(self) -> _Drawn:
        """Build the next request; in a thread, and never twice at a time."""
        begun: list[Begun | LeftOut] = []
        exhausted: list[DocumentKey] = []
        while True:
            if self._current is None:
                questions = next(self._documents, None)
                if questions is None:
                    return _Drawn(ask=None, begun=begun, exhausted=exhausted)
                self._current = questions.key, iter(questions.batches)
                begun.append(Begun(key=questions.key, items=questions.items))
            key, batches = self._current
            try:
                question = next(batches, None)
                if question is not None:
                    return _Drawn(ask=self._ask(question), begun=begun, exhausted=exhausted)
            except InputError as error:
                begun.append(LeftOut(key=key, reason=str(error)))
            self._current = None
            exhausted.append(key)

    def _ask(self, question: Question) -> Ask:
        request = self._task.build_request(question.batch, f"live-{next(self._numbers)}")
        if question.complaint is not None:
            request = with_complaint(request, question.complaint)
        return Ask(request=request, context=question)


def _key_of(question: Question) -> DocumentKey:
    return question.batch.group, question.batch.document


async def _in_daemon(work: Callable[[], Value]) -> Value:
    """Return `work()` of a daemon thread.

    Those of the loop's own pool are waited for when the program ends, and this one may be waiting for its turn among
    processes: Ctrl-C would hang.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Value] = loop.create_future()

    def tell(value: Value | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)  # type: ignore[arg-type]  # no error means that work returned a Value

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as exc:  # noqa: BLE001  (raised in the loop)
            error = exc
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=run, name="batchwright-feed", daemon=True).start()
    return await done
