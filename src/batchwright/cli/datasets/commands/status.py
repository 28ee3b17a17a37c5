"""`batch status`: how far a run is, also while another process works on it."""

from collections import Counter
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import click

from batchwright.cli.datasets.base import Backend, Session
from batchwright.cli.datasets.commands.list import run_as_json
from batchwright.cli.datasets.group import command_over, database_option
from batchwright.cli.datasets.places import run_named, store_of
from batchwright.cli.live.progress import clock_face
from batchwright.cli.money import UNKNOWN, amount_as_json, dollars, tokens, usage_as_json
from batchwright.cli.options import ListingCommand
from batchwright.cli.output import data, json_document
from batchwright.run import RowAnswer, Run, RunStatus
from batchwright.tracking.run_claims import RunClaims
from batchwright.tracking.runs import RunStore
from batchwright.usage import Usage

_SHOWN = 10
"""Different errors, at most."""
_ROWS = 5
"""Rows that are named beside an error, at most."""
_AGAIN = (RunStatus.PAUSED, RunStatus.FAILED, RunStatus.INTERRUPTED)


def command_for(backend: Backend) -> click.Command:
    """Return the command over a backend."""
    return click.command("status", cls=ListingCommand, help="Show how far a run is, and its errors.")(
        command_over(
            backend,
            status,
            click.argument("batch_id"),
            click.option("--errors", is_flag=True, help="Show every row that failed."),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
            database_option,
        )
    )


def status(session: Session, *, batch_id: str, errors: bool, as_json: bool, database: Path | None) -> None:
    """Show one run."""
    with closing(store_of(session, database)) as store:
        named = run_named(store, batch_id, program=session.program)
        run = RunClaims(store.path).seen(named)
        spent = store.spent(run)
        now = session.workbench.clock.now()
        if as_json:
            failures = store.answers(run, failed=True)
            _print_json(run, now, spent, [*(failures if errors else islice(failures, _SHOWN))])
            return
        _print(run, now, spent, program=session.program)
        if run.failed:
            _print_errors(store, run, every=errors)


def _print(run: Run, now: datetime, spent: tuple[Usage, Decimal, int], *, program: str) -> None:
    usage, cost, unpriced = spent
    data(f"Run: {run.run_id}")
    data(f"Status: {run.status}{f' ({run.message})' if run.message else ''}")
    data(f"Input: {run.input_file}")
    data(f"Output: {run.output_file or '(printed)'}")
    data(f"Model: {run.model}")
    data(f"Total prompts: {'?' if run.total is None else run.total}")
    data(f"Completed prompts: {run.completed}")
    data(f"Failed prompts: {run.failed}")
    rate, left = run.rate(now), run.seconds_left(now)
    data(f"Current rate: {'unknown' if rate is None else f'{rate * 60:.1f} prompts a minute'}")
    if run.status is RunStatus.RUNNING:
        data(f"Estimated time remaining: {'unknown' if left is None else clock_face(left)}")
    data(f"Tokens: {tokens(usage)}")
    data(f"Cost: {_cost(cost, unpriced)}")
    if run.status in _AGAIN or run.failed:
        inputs = " ".join(run.config.get("inputs", [run.input_file]))
        data(f"To go on: {program} {inputs} --resume --batch-id {run.run_id}")


def _cost(cost: Decimal, unpriced: int) -> str:
    if not unpriced:
        return dollars(cost)
    return f"{dollars(cost)} and {UNKNOWN} for {unpriced}" if cost else UNKNOWN


def _print_errors(store: RunStore, run: Run, *, every: bool) -> None:
    """Print the rows that failed, or the errors they failed with, the most frequent first."""
    data("Errors:")
    if every:
        for answer in store.answers(run, failed=True):
            data(f"  row {answer.row + 1}: {answer.error}")
        return
    counts: Counter[str] = Counter()
    rows: dict[str, list[int]] = {}
    for answer in store.answers(run, failed=True):
        error = answer.error or ""
        counts[error] += 1
        known = rows.setdefault(error, [])
        if len(known) < _ROWS:
            known.append(answer.row + 1)
    for error, count in counts.most_common(_SHOWN):
        more = "" if count <= _ROWS else ", ..."
        data(f"  {count} x {error} (row{'s' if count > 1 else ''} {', '.join(map(str, rows[error]))}{more})")
    if len(counts) > _SHOWN:
        data(f"  and {len(counts) - _SHOWN} other errors; --errors shows every row")


def _print_json(run: Run, now: datetime, spent: tuple[Usage, Decimal, int], failures: list[RowAnswer]) -> None:
    usage, cost, unpriced = spent
    rate = run.rate(now)
    json_document(
        "run",
        **run_as_json(run),
        prompts_per_minute=None if rate is None else rate * 60,
        seconds_left=run.seconds_left(now),
        usage=usage_as_json(usage),
        cost_usd=amount_as_json(cost),
        unpriced_prompts=unpriced,
        errors=[{"row": answer.row + 1, "error": answer.error} for answer in failures],
    )
