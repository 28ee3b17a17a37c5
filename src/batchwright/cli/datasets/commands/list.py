"""`batch list`: the runs there are."""

from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import click

from batchwright.cli.datasets.base import Backend, Session
from batchwright.cli.datasets.group import command_over, database_option
from batchwright.cli.datasets.places import store_of
from batchwright.cli.options import ListingCommand
from batchwright.cli.output import json_document, table, talk
from batchwright.run import Run, RunStatus
from batchwright.tracking.run_claims import RunClaims

DEFAULT_LIMIT = 20


def command_for(backend: Backend) -> click.Command:
    """Return the command over a backend."""
    return click.command("list", cls=ListingCommand, help="Show the runs, the newest first.")(
        command_over(
            backend,
            list_runs,
            click.option(
                "--status", type=click.Choice([str(status) for status in RunStatus]), help="Only runs that are this."
            ),
            click.option(
                "--limit",
                type=click.IntRange(min=1),
                default=DEFAULT_LIMIT,
                show_default=True,
                metavar="N",
                help="The last N runs.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
            database_option,
        )
    )


def list_runs(session: Session, *, status: str | None, limit: int, as_json: bool, database: Path | None) -> None:
    """Show the runs."""
    with closing(store_of(session, database)) as store:
        claims = RunClaims(store.path)
        seen = (claims.seen(run) for run in (store.runs() if store.path.exists() else ()))
        runs = list(islice((run for run in seen if status is None or run.status == status), limit))
    if as_json:
        json_document("runs", runs=[run_as_json(run) for run in runs])
        return
    if not runs:
        talk("There are no runs." if status is None else f"No run is {status}.")
        return
    heading = ("ID", "STATUS", "CREATED", "DONE", "FAILED", "MODEL", "INPUT")
    table([heading, *map(_row, runs)])


def run_as_json(run: Run) -> dict[str, Any]:
    """Return a run for a program, by the names of its table's columns."""
    return {
        "id": run.run_id,
        "created_at": run.created_at,
        "input_file": run.input_file,
        "output_file": run.output_file,
        "model": run.model,
        "total_prompts": run.total,
        "completed_prompts": run.completed,
        "failed_prompts": run.failed,
        "status": str(run.status),
        "ended_at": run.ended_at,
        "message": run.message,
    }


def _row(run: Run) -> tuple[object, ...]:
    created = f"{run.created_at.astimezone():%Y-%m-%d %H:%M}"
    done = f"{run.completed}/{'?' if run.total is None else run.total}"
    return run.run_id, run.status, created, done, run.failed, run.model, run.input_file
