"""`batch FILE`: every row is asked about."""

import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import click

from batchwright.cli.datasets.base import Backend, Session
from batchwright.cli.datasets.group import NamelessContext, command_over
from batchwright.cli.datasets.measuring import (
    allowance_within,
    estimate_rows,
    measure,
    print_rows_estimate,
    proceed,
)
from batchwright.cli.datasets.options import BATCH, RUN_OPTIONS, Given
from batchwright.cli.datasets.places import store_of
from batchwright.cli.datasets.planning import is_complete, keeps_log, plan_of, run_to_go_on, unfinished_run
from batchwright.cli.datasets.running import LiveRows
from batchwright.cli.datasets.summary import summarise, verdict
from batchwright.cli.exits import ExitCode
from batchwright.cli.output import talk, warning
from batchwright.errors import BatchwrightError, ChangedInputError
from batchwright.run import RowSet, Run
from batchwright.sources.datasets.opening import STANDARD_INPUT
from batchwright.sources.row_prompts import PromptSpec
from batchwright.tracking.run_claims import RunClaims
from batchwright.tracking.runs import RunStore


class _RunCommand(click.Command):
    context_class = NamelessContext


def command_for(backend: Backend) -> click.Command:
    """Return the command over a backend."""
    return click.command("run", cls=_RunCommand, help=_HELP.format(program=backend.program))(
        command_over(backend, run, *RUN_OPTIONS, more=backend.run_options)
    )


_HELP = """Ask about every row of INPUT: text (a prompt a line), CSV, JSON, JSON Lines, Excel or Parquet.

Several files, patterns and - (standard input) are one input. Every answer is kept as it comes: a run that is stopped,
however, goes on with --resume.

\b
Examples:
  {program} questions.txt
  {program} products.csv --template "Describe a {{product_name}}" --output results.csv
  {program} reviews.json --concurrency 5 --rate-limit 60
  {program} reviews.csv --estimate-cost
"""


def run(session: Session, **options: Any) -> int:
    """Ask about the rows of a file."""
    given = Given(**options)
    with closing(store_of(session, given.database)) as store:
        return _run(session, given, store)


def _run(session: Session, given: Given, store: RunStore) -> int:
    claims = RunClaims(store.path)
    resumed = _resumed(session, given, store, claims)
    if resumed is not None and is_complete(resumed):
        talk(f"The run {resumed.run_id} is complete: there is nothing to go on with.")
        _log_what_is_left(session, given, store, resumed)
        return ExitCode.OK
    plan = plan_of(session, given, resumed)
    if plan.via == BATCH:
        from batchwright.cli.datasets.batching import require_batchable  # noqa: PLC0415  (the batch engine)

        require_batchable(session, plan, given)
    with plan.spec.open(stdin=sys.stdin.buffer) as prompts:
        digest = prompts.digest()
        if resumed is not None:
            prompts.require(str(resumed.config.get("digest", "")))
        to_ask = given.estimate_cost or given.max_cost is not None
        answered = RowSet() if resumed is None else store.answered(resumed)
        measured = measure(plan, prompts, answered, to_ask=to_ask)
        if measured.survey.bad_rows:
            warning(f"{measured.survey.bad_rows} bad row(s) are left out: {'; '.join(prompts.dataset.bad.named)}")
        allowance = None
        if to_ask:
            estimate = estimate_rows(session, plan, measured)
            if given.estimate_cost:
                print_rows_estimate(estimate, plan)
            if given.max_cost is not None:
                spent = Decimal(0) if resumed is None else store.spent(resumed)[1]
                allowance = allowance_within(estimate, given.max_cost, spent=spent, via=plan.via)
            if given.estimate_cost and not proceed(yes=given.yes):
                return ExitCode.OK
        if plan.via == BATCH:
            from batchwright.cli.datasets.batching import BatchRows  # noqa: PLC0415  (the batch engine, where it is used)

            by_jobs = BatchRows(
                session=session, plan=plan, given=given, store=store, claims=claims, measured=measured, digest=digest
            )
            return by_jobs.ask(prompts)
        live = LiveRows(
            session=session,
            plan=plan,
            given=given,
            store=store,
            claims=claims,
            measured=measured,
            digest=digest,
            allowance=allowance,
        )
        first = session.answerer(plan.model, plan.asking)
        course = live.ask(prompts, [first, *session.successors(plan.model)])
    summarise(course, plan, program=session.program)
    return verdict(course)


def _resumed(session: Session, given: Given, store: RunStore, claims: RunClaims) -> Run | None:
    if given.resume:
        return run_to_go_on(store, claims, given, program=session.program)
    if not session.preferences.resume_on_failure or given.batch_id is not None or given.overwrite:
        return None
    run = None if STANDARD_INPUT in given.inputs else unfinished_run(store, claims, given)
    return run if run is not None and _asks_the_same(session, given, run) else None


def _log_what_is_left(session: Session, given: Given, store: RunStore, run: Run) -> None:
    """Log what a Batch API answered and another program collected, or what a kill kept out of the log."""
    if run.config.get("via") != BATCH or not keeps_log(session, given, run):
        return
    try:
        with replace(PromptSpec.from_config(run.config), inputs=given.inputs).open() as prompts:
            prompts.require(str(run.config.get("digest", "")))
            session.log_answers(run, prompts, store)
    except BatchwrightError as error:
        warning(f"what is not in the log yet stays out of it: {error}")


def _asks_the_same(session: Session, given: Given, run: Run) -> bool:
    """Whether a run that nobody named may go on by itself: what is asked now is what it asked."""
    try:
        with plan_of(session, given, run).spec.open() as prompts:
            prompts.require(str(run.config.get("digest", "")))
    except ChangedInputError:
        return False
    return True
