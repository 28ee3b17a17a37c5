"""Who works on a run: a claim each, beside the run database. A run that is running and has none has died."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from batchwright.errors import ClaimedJobError, InputError, TrackingError
from batchwright.run import Run, RunStatus
from batchwright.tracking.claims import claimed, is_claimed
from batchwright.tracking.durable import make_folder

RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a person may call a run: safe as the name of a file."""

VIA_BATCH: Final = "batch"
"""A run's `config["via"]` where a provider's jobs answer it: nobody here has to be alive for it to go on."""


class RunClaims:
    """The claims of the runs of one database. Raises `TrackingError` where its folder cannot be used."""

    def __init__(self, database: Path) -> None:
        self._folder = database.with_name(database.name + ".claims")

    @contextmanager
    def claim(self, run_id: str) -> Iterator[None]:
        """Hold a run's claim: nobody else works on it meanwhile. Raises `ClaimedJobError` where somebody does.

        `InputError` for an id that no run may have.
        """
        if not RUN_ID.fullmatch(run_id):
            raise InputError(f"--batch-id {run_id!r} cannot be: up to 100 letters, digits, dots, hyphens, underscores")
        with ExitStack() as held:
            try:
                make_folder(self._folder)
                is_ours = held.enter_context(claimed(self._path(run_id), removed=True))
            except OSError as exc:
                raise self._trouble(exc) from exc
            if not is_ours:
                raise ClaimedJobError(f"the run {run_id} is being worked on by another process at this moment")
            yield

    def seen(self, run: Run) -> Run:
        """Return a run as it is: interrupted, where it says that it is running and nobody works on it."""
        if run.status is not RunStatus.RUNNING or run.config.get("via") == VIA_BATCH:
            return run
        return run if self.is_held(run.run_id) else replace(run, status=RunStatus.INTERRUPTED)

    def is_held(self, run_id: str) -> bool:
        """Whether a process works on a run at this moment, be it this one."""
        try:
            return is_claimed(self._path(run_id))
        except OSError as exc:
            raise self._trouble(exc) from exc

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.claim"

    def _trouble(self, exc: OSError) -> TrackingError:
        return TrackingError(f"cannot use {self._folder}: {exc.strerror or exc}; choose another place with --database")
