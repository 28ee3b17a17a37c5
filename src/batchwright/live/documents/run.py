"""Documents answered now: each answer's rows are in the report, on disk, before it counts.

Answers that arrive while others are being written are written together, so that a fast run does not rewrite a report
for each of them; none waits for anything else.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from batchwright.errors import BatchwrightError, InputError, TrackingError
from batchwright.live.documents.feed import Ended, Feed, Happening
from batchwright.live.documents.questions import MAX_RETRIES, Question, Questions, retries
from batchwright.live.engine.answering import Answered, LiveEngine
from batchwright.pricing.budget import Allowance
from batchwright.tasks.base import Document, Handled, Row, Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.complaints import complaint_about
from batchwright.tasks.overtaking import Overtaking
from batchwright.tasks.planning import DocumentKey
from batchwright.tasks.saving import record_progress, save_rows
from batchwright.tracking.state import StateFile

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one question."""

    question: Question
    answered: Answered
    saved: int
    """Rows that are on disk now."""
    again: tuple[Question, ...]
    """What is asked again."""
    unanswered: tuple[int, ...]
    """Items that are given up for this run."""
    warnings: tuple[str, ...] = ()
    error: BatchwrightError | None = None
    """Why the rows could not be written."""

    @property
    def key(self) -> DocumentKey:
        """The document it is about."""
        return self.question.batch.group, self.question.batch.document


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Something a person should know though nothing failed."""

    message: str


Event = Happening | Outcome | Noticed


@dataclass(slots=True, kw_only=True)
class DocumentRun:
    """Asks an engine about documents and writes the answers down; good for one `answer`."""

    engine: LiveEngine
    task: Task
    state: StateFile
    claims: DocumentClaims
    lock_folder: Path
    batch_size: int
    at_once: int
    """Requests in flight, answers that are not on disk yet included: so many, at most, are asked again after a kill."""
    max_retries: int = MAX_RETRIES
    csv_safe: bool = False
    """Keep spreadsheet formulas in answers from executing."""
    allowance: Allowance | None = None
    """What the run may cost; None where that is not limited."""
    overtaking: Overtaking | None = None
    """Told what is answered, where jobs may have been asked the same: a run by force."""
    _arrived: list[Answered] = field(default_factory=list)
    _noticed: set[str] = field(default_factory=set)
    _pump: asyncio.Task[None] | None = None
    _stopped: bool = False

    async def answer(self, documents: Iterable[Questions]) -> AsyncGenerator[Event]:
        """Yield what happens, answers in the order in which they are on disk.

        A report that cannot be written stops the run: more answers would have nowhere to go either. Whatever stops it,
        answers that arrived are written before the error is raised: `InputError`, `TrackingError`, `BudgetError`, or
        what the engine raises (`LLMQuotaError`, a key refused). Cancelled, it writes what arrived and ends.
        """
        feed = Feed(documents, task=self.task, most=self.at_once, allowance=self.allowance)
        arrival = asyncio.Event()
        self._pump = pump = asyncio.create_task(self._receive(feed, arrival))
        pump.add_done_callback(lambda _: arrival.set())
        try:
            while not pump.done() or self._arrived:
                await arrival.wait()
                arrival.clear()
                for event in await _to_the_end(self._write):
                    for told in self._told(feed, event):
                        yield told
            for told in self._happened(feed):
                yield told
            if not self._stopped:
                await pump
            if feed.error is not None:
                raise feed.error
        finally:
            pump.cancel()
            with suppress(asyncio.CancelledError, BatchwrightError):
                await pump
            self._write()

    def stop(self) -> None:
        """Give up what is in flight; `answer` writes what has arrived, tells it, and ends."""
        self._stopped = True
        if self._pump is not None:
            self._pump.cancel()

    async def _receive(self, feed: Feed, arrival: asyncio.Event) -> None:
        async with aclosing(self.engine.answer(feed.asks())) as answers:
            async for answered in answers:
                self._arrived.append(answered)
                arrival.set()

    def _told(self, feed: Feed, event: Outcome | Noticed) -> Iterable[Event]:
        """Yield an event after what happened before it, and before what it brings about."""
        yield from self._happened(feed)
        yield event
        if isinstance(event, Outcome):
            if event.error is not None:
                feed.stop(event.error)
            feed.settle(event.question, event.again, cost=event.answered.cost)
            yield from self._happened(feed)

    def _happened(self, feed: Feed) -> Iterable[Happening]:
        while feed.happenings:
            happening = feed.happenings.popleft()
            if isinstance(happening, Ended):
                self.claims.release(happening.key)
            yield happening

    def _write(self) -> list[Outcome | Noticed]:
        """Write every answer that has arrived; blocks."""
        arrived, self._arrived = self._arrived, []
        by_document: dict[DocumentKey, list[tuple[Answered, Handled]]] = {}
        for answered in arrived:
            batch = answered.ask.context.batch
            handled = self.task.handle_result(batch, answered.result)
            by_document.setdefault((batch.group, batch.document), []).append((answered, handled))
        events: list[Outcome | Noticed] = []
        for key, answers in by_document.items():
            rows = [row for _, handled in answers for row in handled.rows]
            events.extend(self._overtake(key, rows))
            error = self._save(key, rows)
            events.extend(self._outcome(answered, handled, error) for answered, handled in answers)
        return [*events, *self._note(by_document)]

    def _note(self, keys: Collection[DocumentKey]) -> Iterable[Noticed]:
        """Bring the state file up to date. The rows count and are safe, so trouble here is only told."""
        if keys:
            try:
                record_progress(self.state, self.task, keys, self.batch_size)
            except (InputError, TrackingError) as error:
                yield from self._notice(str(error))

    def _overtake(self, key: DocumentKey, rows: Sequence[Row]) -> Iterable[Noticed]:
        """Keep the answers of earlier jobs from taking the place of the rows that are about to be written."""
        if self.overtaking is not None and rows:
            try:
                self.overtaking.note(key, {int(row[self.task.report.key]) for row in rows})
            except TrackingError as error:
                yield from self._notice(
                    f"{error}; a job that was asked the same would put its older answers in the place of these"
                )

    def _notice(self, message: str) -> Iterable[Noticed]:
        """Tell something once."""
        if message not in self._noticed:
            self._noticed.add(message)
            yield Noticed(message=message)

    def _save(self, key: DocumentKey, rows: Sequence[Row]) -> BatchwrightError | None:
        try:
            save_rows(self.task, key, rows, lock_folder=self.lock_folder, csv_safe=self.csv_safe)
        except (InputError, TrackingError) as error:
            return error
        return None

    def _outcome(self, answered: Answered, handled: Handled, error: BatchwrightError | None) -> Outcome:
        question: Question = answered.ask.context
        rows = handled.rows if error is None else ()
        with_row = {int(row[self.task.report.key]) for row in rows}
        left = tuple(item for item in question.batch.item_ids if item not in with_row)
        again = () if error is not None else self._again(question, answered, handled, left)
        asked = {item for other in again for item in other.batch.item_ids}
        return Outcome(
            question=question,
            answered=answered,
            saved=len(rows),
            again=again,
            unanswered=tuple(item for item in left if item not in asked),
            warnings=handled.warnings,
            error=error,
        )

    def _again(
        self, question: Question, answered: Answered, handled: Handled, left: Sequence[int]
    ) -> tuple[Question, ...]:
        wanted = retries(
            question,
            answered.result,
            left,
            complaint=complaint_about(handled),
            max_retries=self.max_retries,
        )
        batch = question.batch
        document = Document(group=batch.group, name=batch.document, item_ids=batch.item_ids)
        return tuple(
            Question(
                batch=self.task.make_batch(document, batch.index, retry.item_ids),
                complaint=retry.complaint,
                tries=question.tries + 1,
            )
            for retry in wanted
        )


async def _to_the_end(work: Callable[[], Value]) -> Value:
    """Return `work()` of a thread; a cancellation waits until it is done."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
