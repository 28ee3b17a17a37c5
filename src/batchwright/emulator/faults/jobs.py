"""What faults make of a job: its settings, its states, and the moments from which it is seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from batchwright.emulator.engine import Phase, View
from batchwright.emulator.scenario import Ending, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchwright.emulator.faults.rules import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """When a job comes into being, when the list shows it, and the fault that loses the answer to its create."""

    created_at: float
    listed_at: float
    lost_to: Fault | None = None


def birth_under(faults: Iterable[Fault], now: float) -> Birth:
    """The birth of a job whose create is carried out `now`."""
    late = lag = 0.0
    lost_to = None
    for fault in faults:
        if fault.name == "late_create":
            late, lost_to = fault.number("seconds"), fault
        elif fault.name == "list_lag":
            lag = fault.number("seconds")
    return Birth(created_at=now + late, listed_at=now + late + lag, lost_to=lost_to)


def settings_under(faults: Iterable[Fault], settings: Settings) -> Settings:
    """The settings of a job that is struck by `faults`."""
    for fault in faults:
        match fault.name:
            case "stuck":
                settings = replace(settings, stuck=True, stuck_fraction=fault.number("fraction"))
            case "expired" | "cancelled":
                settings = replace(settings, ends_as=Ending(fault.name), stuck_fraction=fault.number("fraction"))
            case "all_failed":
                settings = replace(settings, fail_every=1)
            case "shuffled":
                settings = replace(settings, shuffle=True, seed=fault.seed or 0)
            case "results_gone":
                settings = replace(settings, limits=replace(settings.limits, results_kept_s=0.0))
    return settings


def view_under(faults: Iterable[Fault], seen: View) -> View:
    """The job as its owner sees it."""
    if seen.phase in {Phase.RUNNING, Phase.FINALIZING} and any(fault.name == "status_jump" for fault in faults):
        return View(phase=Phase.VALIDATING, progress=0.0)
    return seen


def results_at(faults: Iterable[Fault], ended_at: float) -> float:
    """When the results file of a job that ended at `ended_at` can be downloaded."""
    return ended_at + sum(fault.number("seconds") for fault in faults if fault.name == "results_late")
