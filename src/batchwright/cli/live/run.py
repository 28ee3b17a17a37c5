"""Asking documents live and saying what came of it: what `run` and `batch-retry --live` share."""

import asyncio
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass

from batchwright.batch.settling import settle_answered
from batchwright.cli.live.progress import LiveProgress
from batchwright.cli.live.spending import SpendingNote
from batchwright.cli.live.telling import Found, Teller
from batchwright.cli.output import talk
from batchwright.cli.workbench import Workbench
from batchwright.errors import BatchwrightError
from batchwright.live.documents.feed import LeftOut
from batchwright.live.documents.questions import MAX_RETRIES, Questions
from batchwright.live.documents.run import DocumentRun, Event, Outcome
from batchwright.live.engine.answering import LiveEngine, QuotaPolicy
from batchwright.live.engine.tally import Tally
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.pricing.budget import Allowance
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.overtaking import Overtaking
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
    allowance: Allowance | None = None
    """What the run may cost; None where that is not limited."""
    force: bool = False
    """Whether what jobs were asked is asked as well."""


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
        account = SpendingNote(
            self.workbench, run=self.workbench.job_ids().replace("job-", "run-"), task=self.task.name
        )
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
        self, documents: Iterable[Questions], teller: Teller, account: SpendingNote, found: Found, total: int
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
            allowance=self.wish.allowance,
            overtaking=Overtaking(store=self.workbench.store) if self.wish.force else None,
        )
        ticking = asyncio.create_task(self._tick(tally, account))
        try:
            with _stopped_by_signals(run, found, self.progress):
                async with engine, aclosing(run.answer(documents)) as events:
                    async for event in events:
                        _count(event, tally, found, account)
                        teller.tell(event)
        finally:
            ticking.cancel()
            found.progress = tally.report(loop.time(), over=True)

    async def _tick(self, tally: Tally, account: SpendingNote) -> None:
        loop = asyncio.get_running_loop()
        kept = loop.time()
        while True:
            self.progress.show(tally.report(loop.time()))
            if loop.time() - kept >= _KEEP:
                kept = loop.time()
                account.keep()
            await asyncio.sleep(_REFRESH)

    def _engine(self, teller: Teller) -> LiveEngine:
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


def _count(event: Event, tally: Tally, found: Found, account: SpendingNote) -> None:
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
            account.add(answered, items=len(event.question.batch.item_ids))


@contextmanager
def _stopped_by_signals(run: DocumentRun, found: Found, progress: LiveProgress) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run; what they did before, they do again the second time."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: signal.Signals) -> None:
        found.signalled = number
        restore()
        with progress.printing():
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
