"""`batch cancel`: stops a run, in whatever terminal it runs."""

import time
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from batchwright.cli.datasets.base import Backend, Session
from batchwright.cli.datasets.group import command_over, database_option
from batchwright.cli.datasets.places import run_named, store_of
from batchwright.cli.exits import ExitCode
from batchwright.cli.output import data, talk, warning
from batchwright.run import Run, RunStatus
from batchwright.tracking.run_claims import VIA_BATCH, RunClaims
from batchwright.tracking.runs import RunStore

_PATIENCE: Final = 10.0
"""Seconds to wait until a run has stopped; it looks every half second, and gives up what is in flight."""
_NEXT_LOOK: Final = 0.1


def command_for(backend: Backend) -> click.Command:
    """Return the command over a backend."""
    return click.command("cancel", help="Stop a run; --resume goes on with it.")(
        command_over(backend, cancel, click.argument("batch_id"), database_option)
    )


def cancel(session: Session, *, batch_id: str, database: Path | None) -> int:
    """Stop one run, and wait until it has stopped."""
    with closing(store_of(session, database)) as store:
        claims = RunClaims(store.path)
        run = claims.seen(run_named(store, batch_id, program=session.program))
        if run.status is RunStatus.INTERRUPTED:
            store.update(run.run_id, status=RunStatus.PAUSED, message="its process died")
            data(f"Run {run.run_id} had stopped already: its process died.")
            return ExitCode.OK
        if run.status is not RunStatus.RUNNING:
            data(f"Run {run.run_id} is not running: it is {run.status}.")
            return ExitCode.OK
        if run.config.get("via") == VIA_BATCH:
            return _cancel_jobs(session, store, run)
        store.request_stop(run.run_id)
        stopped = _wait(store, claims, run)
    if stopped is None:
        talk(f"Run {run.run_id} was asked to stop and has not yet; see: {session.program} status {run.run_id}")
        return ExitCode.TIMEOUT
    data(f"Run {run.run_id} is {stopped.status}: {stopped.completed} of {stopped.total} prompts have an answer.")
    return ExitCode.OK


def _cancel_jobs(session: Session, store: RunStore, run: Run) -> int:
    """Cancel a run's jobs at the provider; what they answered before is collected when the run goes on."""
    from batchwright.cli.datasets.batching import engine_for, jobs_of  # noqa: PLC0415  (the batch engine)

    workbench = session.workbench
    live = [record for record in jobs_of(workbench.store.load(), run) if not record.state.ended]
    troubles = 0
    for look in engine_for(session, session.model(run.model)).cancel_all(live):
        troubles += look.error is not None
        if look.error is not None:
            warning(f"{look.record.job_id} is not cancelled: {look.error}")
        else:
            data(f"{look.record.job_id} is {look.record.state}")
    if troubles:
        return ExitCode.JOB_FAILED
    now = workbench.clock.now()
    paused = store.update(run.run_id, status=RunStatus.PAUSED, message="cancelled", ended_at=now)
    data(f"Run {run.run_id} is paused: {paused.completed} of {paused.total} prompts have an answer.")
    return ExitCode.OK


def _wait(store: RunStore, claims: RunClaims, run: Run) -> Run | None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        seen = claims.seen(store.get(run.run_id))
        if seen.status is not RunStatus.RUNNING:
            return seen
        time.sleep(_NEXT_LOOK)
    return None
