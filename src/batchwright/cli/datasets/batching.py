"""One run over a dataset through a provider's Batch API: planned, sent, waited for, and its output written.

Everything it does is in the tracking file: another terminal's `batch-list`, `batch-fetch` and `batch-watch` see its
jobs, and so does this command when it is given again with `--resume`.
"""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pydantic_core

from batchwright.batch.collecting.row_runs import write_row_jobs
from batchwright.batch.orchestrator import Engine
from batchwright.batch.sending.assembler import Assembly
from batchwright.batch.sending.planner import JobsPer
from batchwright.cli.datasets.answers import PrintedAnswers, printed_layout
from batchwright.cli.datasets.base import Model, Session
from batchwright.cli.datasets.measuring import Measure
from batchwright.cli.datasets.options import Given
from batchwright.cli.datasets.planning import RowPlan
from batchwright.cli.exits import ExitCode
from batchwright.cli.fetching import print_look, to_collect, wait_for
from batchwright.cli.money import UNKNOWN, dollars, tokens
from batchwright.cli.output import shown_path, talk, warning
from batchwright.cli.sending import verdict as sending_verdict
from batchwright.errors import ConfigurationError
from batchwright.job import JobRecord, JobState
from batchwright.live.rows.run import Origin, RowDone
from batchwright.reports.datasets.base import Outcome, Shape
from batchwright.reports.datasets.writing import open_report
from batchwright.run import Run, RunStatus
from batchwright.sources.datasets.opening import STANDARD_INPUT
from batchwright.sources.row_prompts import RowPrompts
from batchwright.sources.schemas import field_names
from batchwright.tasks.planning import is_live
from batchwright.tasks.rows import RowsTask
from batchwright.tracking.run_claims import RunClaims
from batchwright.tracking.runs import RunStore


@dataclass(slots=True, kw_only=True)
class BatchRows:
    """Sends a plan's rows as batch jobs; `measured` and `digest` are of the very input."""

    session: Session
    plan: RowPlan
    given: Given
    store: RunStore
    claims: RunClaims
    measured: Measure
    digest: str

    def ask(self, prompts: RowPrompts) -> int:
        """Send every row that has no answer and waits in no job, wait for all of them, and return the exit code.

        Ctrl-C detaches: the jobs go on at the provider.
        """
        workbench = self.session.workbench
        engine = engine_for(self.session, self.plan.model)
        task = engine.task_of(RowsTask.name)
        assert isinstance(task, RowsTask), "its name"
        assembly = Assembly(
            task=task,
            provider=engine.provider_of(self.plan.model.provider_name, self.plan.model.priced_as),
            jobs_per=JobsPer.RUN,
            batch_size=1,
            open_payload=lambda job, suffix: workbench.folders.writer(workbench.folders.requests_path(job, suffix)),
            new_job_id=workbench.job_ids,
            now=workbench.clock.now,
        )
        run_id = self.plan.run_id(self.given, workbench.job_ids)
        with contextlib.closing(task.store), self.claims.claim(run_id):
            self._check_output()
            run = self._begin(run_id)
            with contextlib.redirect_stdout(sys.stderr):  # what is told of jobs is no answer
                code = self._send_and_wait(engine, assembly, task, run)
            run = self._end(run, task)
            if self.plan.asking.log:
                self.session.log_answers(run, prompts, self.store)
            if self.plan.output is None:
                self._print(prompts, run)
        self._summarise(run, task)
        return code or (ExitCode.ITEMS_FAILED if run.completed < (run.total or 0) else ExitCode.OK)

    def _check_output(self) -> None:
        """Raise `InputError` where the output cannot be written, while nothing is paid for."""
        if self.plan.output is not None:
            existing = self.plan.existing(self.given)
            open_report(self.plan.output, Shape(), format=self.plan.format, existing=existing).close()

    def _begin(self, run_id: str) -> Run:
        now = self.session.workbench.clock.now()
        return self.plan.begin(self.store, run_id, self.measured.survey, digest=self.digest, now=now)

    def _send_and_wait(self, engine: Engine, assembly: Assembly, task: RowsTask, run: Run) -> int:
        """Collect what there is, send what is left, and wait for it; return the exit code of trouble, or 0."""
        workbench = self.session.workbench
        for look in engine.look_at_all(to_collect(self._jobs(run))):
            print_look(look)
        with workbench.folders.planning():
            for job in write_row_jobs(task, task.document(run.run_id), assembly, records=workbench.store.load()):
                workbench.remember([job])
        planned = [record for record in self._jobs(run) if record.state is JobState.PLANNED]
        sent = []
        for submission in engine.submit_all(planned):
            sent.append(submission)
            record = submission.record
            if submission.error is None:
                talk(f"Created {record.job_id} ({record.job_name}), {record.request_count} row(s)")
            elif not submission.held:
                warning(f"{record.job_id} was not created: {submission.error}")
        refused = sending_verdict(sent, left_out=False)
        if refused not in {ExitCode.OK, ExitCode.ITEMS_FAILED}:
            return refused
        waited = to_collect(self._jobs(run))
        code = wait_for(engine, waited, pace=workbench.pace(), timeout=None, come_back=self._how_to_go_on(run))
        return code if code is not ExitCode.ITEMS_FAILED else ExitCode.OK

    def _jobs(self, run: Run) -> list[JobRecord]:
        return jobs_of(self.session.workbench.store.load(), run)

    def _end(self, run: Run, task: RowsTask) -> Run:
        """Note how it ended, where its output does not say it already."""
        run = self.store.get(run.run_id)
        if run.status is not RunStatus.RUNNING or any(is_live(record) for record in self._jobs(run)):
            return run
        return task.settle(run)

    def _print(self, prompts: RowPrompts, run: Run) -> None:
        """Print the answers, in the order of the rows."""
        fields = field_names(prompts.spec.output_schema)
        shape = Shape(columns=self.measured.survey.columns, fields=fields, csv_safe=self.plan.csv_safe)
        has_schema = prompts.spec.schema is not None
        answers = PrintedAnswers(printed_layout(self.plan.format, shape), contextlib.nullcontext)
        for position, row in enumerate(prompts.rows()):
            answer = self.store.answer(run, position)
            if answer is not None:
                value = None if answer.failed or not has_schema else pydantic_core.from_json(answer.response or "")
                outcome = Outcome(text=answer.response, value=value, error=answer.error)
                answers.put(RowDone(position=position, row=row, answer=answer, outcome=outcome, origin=Origin.ASKED))
        answers.end(whole=True)

    def _how_to_go_on(self, run: Run) -> str:
        return f"{self.session.program} {' '.join(self.plan.spec.inputs)} --resume --batch-id {run.run_id}"

    def _summarise(self, run: Run, task: RowsTask) -> None:
        usage, cost, unpriced = self.store.spent(run)
        talk("Summary:")
        talk(f"  Run: {run.run_id}, {run.status}")
        talk(f"  Done: {run.completed} of {run.total}")
        if run.failed:
            talk(f"  Failed: {run.failed}")
        talk(f"  Tokens: {tokens(usage)}")
        talk(f"  Cost: {UNKNOWN if unpriced and not cost else dollars(cost)}")
        if self.plan.output is not None:
            talk(f"  Output: {shown_path(task.report_path(run.run_id, ''))}")
        if run.completed < (run.total or 0):
            talk(f"To go on with what has no answer: {self._how_to_go_on(run)}")


def require_batchable(session: Session, plan: RowPlan, given: Given) -> None:
    """Raise `ConfigurationError` for what a plan wants that only live runs can do, before anything is read or sent."""
    named = {
        "--cache": given.cache,
        "--stop-on-error": given.stop_on_error,
        "--database": given.database is not None,
    }
    wrong = [name for name, is_given in named.items() if is_given]
    if wrong:
        raise ConfigurationError(f"{wrong[0]} does not go with --via batch")
    session.require_batchable(plan.model, plan.asking)
    if STANDARD_INPUT in plan.spec.inputs:
        raise ConfigurationError("--via batch reads the input again when answers come: give a file, not -")


def engine_for(session: Session, model: Model) -> Engine:
    """Return the batch engine over a backend's jobs, with its key. Raises `LLMProviderConfigurationError`."""
    workbench = session.workbench
    provider, task = session.provider(model), workbench.rows_task()
    return replace(workbench.engine(), provider_of=lambda _name, _model: provider, task_of=lambda _name: task)


def jobs_of(records: Sequence[JobRecord], run: Run) -> list[JobRecord]:
    """Return the jobs that carry rows of a run."""
    return [record for record in records if any(batch.group == run.run_id for batch in record.batches)]
