"""Asking documents live and saying what came of it: what `run` and `batch-retry --live` share."""

import asyncio
import signal
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from batchwright.batch.collecting.settling import settle_answered
from batchwright.cli.live.progress import LiveProgress
from batchwright.cli.live.spending import SpendingNote
from batchwright.cli.live.telling import Found, Teller
from batchwright.cli.live.watching import ended_by_signals, manners, watched
from batchwright.cli.workbench import Workbench
from batchwright.errors import BatchwrightError
from batchwright.live.documents.feed import LeftOut
from batchwright.live.documents.questions import MAX_RETRIES, Questions
from batchwright.live.documents.run import DocumentRun, Event, Outcome
from batchwright.live.engine.answering import LiveEngine, QuotaPolicy
from batchwright.live.engine.tally import Tally
from batchwright.live.limits.limiter import RateLimiter
from batchwright.pricing.budget import Allowance
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.overtaking import Overtaking
from batchwright.tracking.state import StateFile

AT_ONCE = 10
"""Requests at the same time, unless told otherwise."""


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

        def stop(number: signal.Signals) -> None:
            found.signalled = number
            run.stop()

        try:
            with ended_by_signals(stop, self.progress):
                async with watched(tally, account, self.progress), engine, aclosing(run.answer(documents)) as events:
                    async for event in events:
                        _count(event, tally, found, account)
                        teller.tell(event)
        finally:
            found.progress = tally.report(loop.time(), over=True)

    def _engine(self, teller: Teller) -> LiveEngine:
        return LiveEngine(
            self.providers,
            config=manners(self.wish.at_once, emulated=self.workbench.settings.emulated),
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
