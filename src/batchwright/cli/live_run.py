"""Asking documents live and saying what came of it: what `run` and `batch-retry --live` share."""

import asyncio
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from batchwright.batch.settling import settle_answered
from batchwright.cli.exits import ExitCode, Terminated
from batchwright.cli.live_lines import DocumentLines
from batchwright.cli.live_progress import LiveProgress, clock_face, price
from batchwright.cli.output import data, talk, warning
from batchwright.cli.workbench import Workbench
from batchwright.errors import BatchwrightError, TrackingError
from batchwright.live.answering import LiveEngine, ProviderChange, QuotaPolicy
from batchwright.live.documents import DocumentRun, Event, Noticed, Outcome
from batchwright.live.feed import Begun, Ended, LeftOut
from batchwright.live.limiter import RateLimiter
from batchwright.live.questions import MAX_RETRIES, Questions
from batchwright.live.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.tally import Progress, Tally
from batchwright.pricing.ledger import Ledger
from batchwright.pricing.spending import Bill, Spending
from batchwright.providers.base import Provider
from batchwright.result import FailureKind, Result
from batchwright.tasks.base import Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.planning import DocumentKey
from batchwright.tracking.state import StateFile

AT_ONCE = 10
"""Requests at the same time, unless told otherwise."""

_REFRESH = 0.25
"""Seconds between two looks of the bar at the clock."""

_KEEP = 10.0
"""Seconds between two notes of what was spent: a killed run's spending is known up to these."""

_EMULATED_RETRY = RetryConfig(initial_wait=0.05, max_wait=1.0)
_EMULATED_RATE_LIMIT = RateLimitConfig(cooldown_seconds=0.5, slow_start_items=0)
"""The emulator is nobody's account: there is no reason to be gentle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWish:
    """How to ask."""

    at_once: int = AT_ONCE
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_retries: int = MAX_RETRIES
    fail_on_quota: bool = True
    """Whether to stop when nobody has quota left."""
    csv_safe: bool = False


@dataclass(slots=True, kw_only=True)
class Found:
    """What a live run came to; filled while it runs."""

    documents: set[DocumentKey] = field(default_factory=set)
    """That were asked about."""
    saved: int = 0
    """Rows on disk."""
    unanswered: int = 0
    """Items that were asked and have no row."""
    left_out: list[LeftOut] = field(default_factory=list)
    progress: Progress | None = None
    error: BatchwrightError | None = None
    """What ended the run early."""
    signalled: signal.Signals | None = None
    """Who ended it early."""

    def verdict(self, *, left_out: bool) -> ExitCode:
        """Return the exit code. Raises what ended the run early."""
        if self.error is not None:
            raise self.error
        if self.signalled is signal.SIGINT:
            raise KeyboardInterrupt
        if self.signalled is not None:
            raise Terminated
        failed = self.unanswered or self.left_out or left_out
        return ExitCode.ITEMS_FAILED if failed else ExitCode.OK


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """One live run over a workbench; `progress` is shown while it runs."""

    workbench: Workbench
    task: Task
    providers: Sequence[Provider]
    claims: DocumentClaims
    wish: LiveWish
    batch_size: int
    progress: LiveProgress

    def answer(self, documents: Iterable[Questions], *, total: int) -> Found:
        """Ask, print what comes of it, and settle the jobs that had left these items open.

        `total` is how many requests there will be if nothing is asked again. Ctrl-C and SIGTERM end it early: what
        arrived is saved, and `Found` says so.
        """
        teller = Teller(task=self.task, progress=self.progress)
        account = _Account(self.workbench, self.task)
        found = Found()
        try:
            asyncio.run(self._ask(documents, teller, account, found, total))
        except BatchwrightError as error:
            found.error = error
        finally:
            self.claims.close()
            with self.progress.printing():
                teller.lines.close()
                account.keep()
        settle_answered(self.workbench.store, self.task, found.documents)
        return found

    async def _ask(
        self, documents: Iterable[Questions], teller: "Teller", account: "_Account", found: Found, total: int
    ) -> None:
        loop = asyncio.get_running_loop()
        tally = Tally(began=loop.time(), total=total)
        engine = self._engine(teller)
        run = DocumentRun(
            engine=engine,
            task=self.task,
            state=StateFile(self.workbench.settings.state_file),
            claims=self.claims,
            lock_folder=self.workbench.folders.locks,
            batch_size=self.batch_size,
            at_once=self.wish.at_once,
            max_retries=self.wish.max_retries,
            csv_safe=self.wish.csv_safe,
        )
        ticking = asyncio.create_task(self._tick(tally, account))
        try:
            with _stopped_by_signals(run, found):
                async with engine, aclosing(run.answer(documents)) as events:
                    async for event in events:
                        _count(event, tally, found)
                        account.add(event)
                        teller.tell(event)
        finally:
            ticking.cancel()
            found.progress = tally.report(loop.time(), over=True)

    async def _tick(self, tally: Tally, account: "_Account") -> None:
        loop = asyncio.get_running_loop()
        kept = loop.time()
        while True:
            self.progress.show(tally.report(loop.time()))
            if loop.time() - kept >= _KEEP:
                kept = loop.time()
                account.keep()
            await asyncio.sleep(_REFRESH)

    def _engine(self, teller: "Teller") -> LiveEngine:
        emulated = self.workbench.settings.emulated
        return LiveEngine(
            self.providers,
            config=ProcessorConfig(
                max_workers=self.wish.at_once,
                retry=_EMULATED_RETRY if emulated else RetryConfig(),
                rate_limit=_EMULATED_RATE_LIMIT if emulated else RateLimitConfig(),
            ),
            limiter=RateLimiter(
                requests_per_minute=self.wish.requests_per_minute, tokens_per_minute=self.wish.tokens_per_minute
            ),
            on_quota=QuotaPolicy.STOP if self.wish.fail_on_quota else QuotaPolicy.FAIL,
            on_provider_change=teller.tell_change,
            prices=self.workbench.prices,
        )


def summarise(found: Found, others: dict[str, int]) -> None:
    """Print the summary, and in it each further count that is not zero."""
    data("Summary:")
    data(f"  Total documents: {len(found.documents)}")
    data(f"  Saved results: {found.saved}")
    counts = {"Without a usable answer": found.unanswered, **others}
    for label, number in counts.items():
        if number:
            data(f"  {label}: {number}")
    progress = found.progress
    if progress is not None and progress.done:
        usage = progress.usage
        data(f"  Requests: {progress.done}")
        data(f"  Tokens: {usage.input_tokens:,} in, {usage.output_tokens:,} out")
        data(f"  Cost: {price(progress)}")
        data(f"  Time: {clock_face(progress.seconds)}")
    if found.unanswered:
        talk("What has no usable answer is asked again when the same command is run again.")


class _Account:
    """Notes in the workspace's ledger what a run spends."""

    def __init__(self, workbench: Workbench, task: Task) -> None:
        self._workbench = workbench
        self._task = task
        self._ledger = Ledger.beside(workbench.settings.tracking_file)
        self._bill = Bill(batch=False, overrides=workbench.prices)
        self._run = workbench.job_ids().replace("job-", "run-")
        self._began = workbench.clock.monotonic()

    def add(self, event: Event) -> None:
        """Add what an answer used."""
        if isinstance(event, Outcome):
            answered = event.answered
            self._bill.add(
                answered.usage,
                provider_name=answered.provider_name,
                model=answered.model,
                day=self._workbench.clock.now().date(),
                answered=answered.result.succeeded,
            )

    def keep(self) -> None:
        """Note it; trouble with the ledger is a warning, for the answers are what counts."""
        spending = Spending(
            run=self._run,
            task=self._task.name,
            lines=self._bill.lines,
            seconds=self._workbench.clock.monotonic() - self._began,
            emulated=self._workbench.settings.emulated,
        )
        try:
            self._ledger.record(spending)
        except TrackingError as error:
            warning(error)


class Teller:
    """Prints what happens, document by document."""

    def __init__(self, *, task: Task, progress: LiveProgress) -> None:
        self._task = task
        self._progress = progress
        self.lines = DocumentLines()

    def tell(self, event: Event) -> None:
        """Print one event."""
        with self._progress.printing():
            match event:
                case Begun():
                    heading = f"Processing {'/'.join(event.key)} ({event.items} {self._task.items_word})..."
                    self.lines.begin(event.key, partial(data, heading))
                case LeftOut():
                    self.lines.say(event.key, partial(warning, f"{'/'.join(event.key)} skipped: {event.reason}"))
                case Ended():
                    self.lines.end(event.key)
                case Noticed():
                    warning(event.message)
                case Outcome():
                    for message in event.warnings if event.answered.result.succeeded else ():
                        self.lines.say(event.key, partial(warning, message))
                    line = f"  Batch {event.question.batch.index}: {_told(event, self._task.items_word)}"
                    self.lines.say(event.key, partial(data, line))

    def tell_change(self, change: ProviderChange) -> None:
        """Print that a provider's quota is used up."""
        comfort = "" if change.successor is None else f"; going on with {change.successor}"
        with self._progress.printing():
            warning(f"{change.error}{comfort}")


def _told(outcome: Outcome, items: str) -> str:
    """Say what came of a question."""
    result = outcome.answered.result
    if outcome.error is not None:
        return f"Failed to save - {outcome.error}"
    if not result.succeeded:
        return f"Failed - {_reason(result)}"
    parts = [f"saved {outcome.saved} result(s)"]
    again = sum(len(question.batch.item_ids) for question in outcome.again)
    if again:
        parts.append(f"asking {again} {items} again")
    if outcome.unanswered:
        parts.append(f"{len(outcome.unanswered)} {items} without a usable answer")
    return ", ".join(parts)


def _reason(result: Result) -> str:
    if result.failure is None:
        return result.status.value
    if result.failure.kind is FailureKind.ACCOUNT:
        return "the account's key, credit or quota"  # what it is, is told once, and not with every batch
    return result.failure.message


def _count(event: Event, tally: Tally, found: Found) -> None:
    match event:
        case LeftOut():
            found.left_out.append(event)
        case Outcome():
            answered = event.answered
            found.documents.add(event.key)
            found.saved += event.saved
            found.unanswered += len(event.unanswered)
            tally.total = (tally.total or 0) + len(event.again)
            tally.add(answered.usage, answered.cost, succeeded=not event.unanswered)


@contextmanager
def _stopped_by_signals(run: DocumentRun, found: Found) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run; what they did before, they do again the second time."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: signal.Signals) -> None:
        found.signalled = number
        restore()
        talk("Stopping; what has arrived is being saved.")
        run.stop()

    def restore() -> None:
        for number, handler in before.items():
            if loop.remove_signal_handler(number):
                signal.signal(number, handler)

    with suppress(ValueError, RuntimeError):  # signals are the main thread's
        for number in before:
            loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        restore()
