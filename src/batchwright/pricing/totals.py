"""The ledger summed up by whatever a person asks for. Pure."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from batchwright.pricing.spending import Line, Spending, Sum, summed


class By(StrEnum):
    """What spending can be told apart by."""

    DAY = "day"
    """The day, in UTC, that the requests ran."""
    MODEL = "model"
    """The model that answered."""
    PROVIDER = "provider"
    """Whoever is to be paid."""
    RUN = "run"
    """The job or live run."""
    TASK = "task"
    """What was asked."""
    MODE = "mode"
    """Live calls or batch jobs."""


def grouped(
    runs: Iterable[Spending], by: By, *, since: date | None = None, until: date | None = None
) -> list[tuple[str, Sum]]:
    """Return each group's name and sum, of the days from `since` to `until`, both included; in the order of the names.

    Days and runs are so in the order of time.
    """
    groups: dict[str, list[Line]] = {}
    for run in runs:
        for line in run.lines:
            if (since is None or line.day >= since) and (until is None or line.day <= until):
                groups.setdefault(_name(run, line, by), []).append(line)
    return [(name, summed(lines)) for name, lines in sorted(groups.items())]


def _name(run: Spending, line: Line, by: By) -> str:
    match by:
        case By.DAY:
            return line.day.isoformat()
        case By.MODEL:
            return line.model
        case By.PROVIDER:
            return line.provider_name
        case By.RUN:
            return run.run
        case By.TASK:
            return run.task
        case By.MODE:
            return "batch" if line.batch else "live"
