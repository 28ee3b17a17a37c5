"""Where the runs are, and which one a person means."""

from pathlib import Path

from batchwright.cli.datasets.base import Session
from batchwright.errors import UnknownJobError
from batchwright.run import Run
from batchwright.tracking.runs import RunStore

DATABASE = "batch.db"
"""Beside the tracking file."""
_LISTED = 5


def store_of(session: Session, database: Path | None) -> RunStore:
    """Return the run database: the one that was given, or the backend's."""
    return RunStore(database or session.workbench.settings.tracking_file.parent / DATABASE)


def run_named(store: RunStore, name: str, *, program: str) -> Run:
    """Return the run of an id, or of a part that only one id has. Raises `UnknownJobError`."""
    runs = store.runs()
    found = [run for run in runs if run.run_id == name] or [run for run in runs if name in run.run_id]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownJobError(f"no run {name!r} in {store.path}; see: {program} list")
    shown = ", ".join(run.run_id for run in found[:_LISTED])
    raise UnknownJobError(f"{name!r} matches {len(found)} runs ({shown}...); give more of the id")
