"""How far a run is, and when to tell. Pure but for the log line."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    done: int
    total: int | None
    """None where nobody can know."""
    succeeded: int
    failed: int
    seconds: float
    """Since the run began."""


class Milestones:
    """Counts the items of one run that are done; its progress is worth telling after every `interval` of them."""

    def __init__(self, interval: int, *, total: Callable[[], int | None], now: Callable[[], float]) -> None:
        self._interval = interval
        self._total = total
        self._now = now
        self._began = now()
        self._told = 0
        self.done = 0
        self.succeeded = 0

    def passed(self, success: bool) -> Progress | None:
        """Count one more item; return the progress if it is to be told now."""
        self.done += 1
        self.succeeded += success
        due = self._interval and self.done % self._interval == 0
        return self._tell() if due else None

    def last(self) -> Progress | None:
        """Return the progress at the end, unless just that was told already."""
        return self._tell() if self._interval and self.done != self._told else None

    def progress(self) -> Progress:
        """Return how far the run is."""
        return Progress(
            done=self.done,
            total=self._total(),
            succeeded=self.succeeded,
            failed=self.done - self.succeeded,
            seconds=self._now() - self._began,
        )

    def _tell(self) -> Progress:
        self._told = self.done
        progress = self.progress()
        numbers = {"done": progress.done, "total": progress.total, "failed": progress.failed}
        log.info("progress", extra={"event": "live.progress", **numbers})
        return progress
