"""One live run over a dataset from its first row to its summary."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from batchwright.checker import AnswerChecker
from batchwright.cli.datasets.answers import Answers, FileAnswers, PrintedAnswers, printed_layout
from batchwright.cli.datasets.base import Session
from batchwright.cli.datasets.measuring import Measure, task_of
from batchwright.cli.datasets.options import Given
from batchwright.cli.datasets.planning import RowPlan
from batchwright.cli.live.progress import LiveProgress
from batchwright.cli.live.spending import SpendingNote
from batchwright.cli.live.watching import ended_by_signals, manners, watched
from batchwright.cli.output import talk
from batchwright.errors import BatchwrightError
from batchwright.live.engine.answering import LiveEngine, ProviderChange
from batchwright.live.engine.tally import Tally
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.rows.keys import Keys
from batchwright.live.rows.run import Ending, Origin, RowDone, RowRun
from batchwright.pricing.budget import Allowance
from batchwright.providers.base import Answerer
from batchwright.reports.datasets.base import Shape
from batchwright.reports.datasets.writing import open_report
from batchwright.run import Run, RunStatus
from batchwright.sources.row_prompts import RowPrompts
from batchwright.sources.schemas import field_names
from batchwright.tracking.answer_cache import AnswerCache
from batchwright.tracking.run_claims import RunClaims
from batchwright.tracking.runs import RunStore

_TOLD_FAILURES: Final = 5
"""Rows that failed, at most, that a summary names."""


@dataclass(slots=True, kw_only=True)
class Course:
    """What a run came to in this process; filled while it runs."""

    run: Run
    tally: Tally = field(default_factory=lambda: Tally(began=0.0))
    origins: dict[Origin, int] = field(default_factory=lambda: dict.fromkeys(Origin, 0))
    failures: list[str] = field(default_factory=list)
    """The first few, for a person."""
    failed: int = 0
    seconds: float = 0.0
    signalled: signal.Signals | None = None
    ending: Ending = field(default_factory=lambda: Ending(status=RunStatus.COMPLETED))


@dataclass(slots=True, kw_only=True)
class LiveRows:
    """Asks a plan's rows; `measured` and `digest` are of the very input."""

    session: Session
    plan: RowPlan
    given: Given
    store: RunStore
    claims: RunClaims
    measured: Measure
    digest: str
    allowance: Allowance | None

    def ask(self, prompts: RowPrompts, answerers: Sequence[Answerer]) -> Course:
        """Ask every row that has no answer, and return what it came to; each of `answerers` until its quota is used up.

        Raises `InputError` for an output that cannot be, an id that is taken, a run that somebody works on.
        """
        clock = self.session.workbench.clock
        run_id = self.plan.run_id(self.given, self.session.workbench.job_ids)
        with ExitStack() as stack:
            stack.enter_context(self.claims.claim(run_id))
            progress = LiveProgress()
            answers = self._answers(stack, progress)
            cache = stack.enter_context(AnswerCache(self.store.path)) if self.given.cache else None
            run = self._begin(run_id)
            course = Course(run=run)
            account = SpendingNote(
                self.session.workbench,
                run=run_id,
                task=task_of(self.plan),
                part="" if self.plan.resumed is None else clock.now().isoformat(),
            )
            talk(f"Run {run_id}: {self._to_ask(run)}, {self.plan.model.name}")
            try:
                with progress:
                    asyncio.run(self._ask(prompts, answerers, answers, cache, course, account, progress))
                    self._end_answers(answers, course.ending)
            except BatchwrightError as error:
                course.ending = Ending(status=RunStatus.FAILED, message=str(error), error=error)
            finally:
                account.keep()
            course.run = self.store.update(
                run_id,
                status=course.ending.status,
                message=course.ending.message,
                ended_at=clock.now(),
                stop_requested=False,
            )
        return course

    def _begin(self, run_id: str) -> Run:
        now = self.session.workbench.clock.now()
        return self.plan.begin(self.store, run_id, self.measured.survey, digest=self.digest, now=now)

    def _to_ask(self, run: Run) -> str:
        total = run.total or 0
        rows = "row" if total == 1 else "rows"
        return f"{total - run.completed} of {total} {rows} left" if self.plan.resumed else f"{total} {rows}"

    def _answers(self, stack: ExitStack, progress: LiveProgress) -> Answers:
        plan = self.plan
        fields = field_names(plan.spec.output_schema)
        shape = Shape(columns=self.measured.survey.columns, fields=fields, csv_safe=plan.csv_safe)
        if plan.output is None:
            return PrintedAnswers(printed_layout(plan.format, shape), progress.printing)
        existing = plan.existing(self.given)
        return FileAnswers(stack.enter_context(open_report(plan.output, shape, format=plan.format, existing=existing)))

    def _end_answers(self, answers: Answers, ending: Ending) -> None:
        """What a run has that stopped at a failed row, as it was asked to, is its output; of others it is a part."""
        stopped_itself = ending.status is RunStatus.FAILED and ending.error is None
        answers.end(whole=ending.status is RunStatus.COMPLETED or stopped_itself)

    async def _ask(
        self,
        prompts: RowPrompts,
        answerers: Sequence[Answerer],
        answers: Answers,
        cache: AnswerCache | None,
        course: Course,
        account: SpendingNote,
        progress: LiveProgress,
    ) -> None:
        loop = asyncio.get_running_loop()
        course.tally = tally = Tally(began=loop.time(), total=self.measured.survey.rows - course.run.completed)

        def take(done: RowDone) -> None:
            course.origins[done.origin] += 1
            answers.put(done)
            if done.origin is Origin.KEPT:
                return
            if done.answered is not None:
                account.add(done.answered, items=1)
            tally.add(done.answer.usage, done.answer.cost, succeeded=not done.answer.failed)
            if done.answer.failed:
                course.failed += 1
                if len(course.failures) < _TOLD_FAILURES:
                    course.failures.append(f"{done.row.place}: {done.answer.error}")

        schema = prompts.spec.output_schema
        engine = self._engine(answerers, progress)
        rows = RowRun(
            engine=engine,
            prompts=prompts,
            store=self.store,
            run=course.run,
            on_row=take,
            keys=self._keys(),
            checker=None if schema is None else AnswerChecker(schema),
            dedupe=self.plan.dedupe,
            cache=cache,
            cached_of=self.plan.model.provider_name,
            stop_on_error=self.given.stop_on_error,
            at_once=self.plan.asking.concurrency,
            allowance=self.allowance,
        )

        def stop(number: signal.Signals) -> None:
            course.signalled = number
            rows.stop("interrupted by Ctrl-C" if number is signal.SIGINT else "terminated")

        try:
            with ended_by_signals(stop, progress):
                async with watched(tally, account, progress), engine:
                    course.ending = await rows.ask()
        finally:
            course.seconds = loop.time() - tally.began

    def _keys(self) -> Keys:
        model, spec, asking = self.plan.model, self.plan.spec, self.plan.asking
        return Keys(
            {
                "model": [model.provider_name, model.priced_as],
                "system": spec.system,
                "schema": spec.schema,
                "tools": list(asking.tools),
                "extras": dict(asking.extras),
            }
        )

    def _engine(self, answerers: Sequence[Answerer], progress: LiveProgress) -> LiveEngine:
        workbench = self.session.workbench

        def tell_change(change: ProviderChange) -> None:
            progress.warn(str(change))

        return LiveEngine(
            answerers,
            config=manners(self.plan.asking.concurrency, emulated=workbench.settings.emulated),
            limiter=RateLimiter(requests_per_minute=self.plan.rate),
            on_provider_change=tell_change,
            prices=workbench.prices,
        )
