"""Where a job stands: a pure function of when it was created, what was asked of it, and the time now.

Nothing runs in the background; a job's state is computed each time somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchwright.emulator.scenario import Settings


class Phase(StrEnum):
    """The states of an emulated job, from which each vendor's own words are derived."""

    VALIDATING = "validating"
    """Created; its input is not looked at yet (Gemini: pending)."""
    RUNNING = "running"
    """Requests are being answered."""
    FINALIZING = "finalizing"
    """All requests are answered, the results are being written."""
    SUCCEEDED = "succeeded"
    """Ended by itself; single requests may have failed."""
    FAILED = "failed"
    """The input was refused as a whole."""
    CANCELLING = "cancelling"
    """A cancel was asked for and is under way."""
    CANCELLED = "cancelled"
    """Ended because somebody cancelled it."""
    EXPIRED = "expired"
    """Ended because its window closed."""

    @property
    def ended(self) -> bool:
        """Whether the job will not change any more."""
        return self in {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened to a job so far; times in seconds of the emulator's clock."""

    created_at: float
    polls: int = 0
    """How often the job was asked for."""
    polled_out_at: float | None = None
    """When the poll that ends the job came (only with `polls_until_done`)."""
    cancel_at: float | None = None
    """When a cancel was asked for."""
    refused: bool = False
    """Whether its input is refused as a whole once it is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A job at one moment. Times are None until reached; `progress` is the share of requests answered, 0 to 1."""

    phase: Phase
    progress: float
    started_at: float | None = None
    finalizing_at: float | None = None
    ended_at: float | None = None
    cancelling_at: float | None = None


def view(history: History, settings: Settings, now: float) -> View:
    """The state of a job at `now`."""
    if history.cancel_at is None or history.cancel_at > now:
        return _undisturbed(history, settings, now)
    before = _undisturbed(history, settings, history.cancel_at)
    if before.phase.ended:
        return before
    ended_at = history.cancel_at + settings.cancelling_s
    over = now >= ended_at
    return View(
        phase=Phase.CANCELLED if over else Phase.CANCELLING,
        progress=before.progress,
        started_at=before.started_at,
        finalizing_at=before.finalizing_at,
        ended_at=ended_at if over else None,
        cancelling_at=history.cancel_at,
    )


def _undisturbed(history: History, settings: Settings, now: float) -> View:
    """The state at `now` of a job that nobody cancels."""
    plan = _plan(history, settings)
    expires_at = history.created_at + settings.limits.window_s
    started_at = plan.started_at if plan.started_at is not None and plan.started_at < expires_at else None
    if history.refused and started_at is not None and now >= started_at:
        return View(phase=Phase.FAILED, progress=0.0, ended_at=started_at)
    if now >= expires_at and (plan.ended_at is None or plan.ended_at > expires_at):
        share = 0.0 if started_at is None else plan.progress(expires_at, settings)
        return View(phase=Phase.EXPIRED, progress=share, started_at=started_at, ended_at=expires_at)
    if started_at is None or now < started_at:
        return View(phase=Phase.VALIDATING, progress=0.0)
    if plan.ended_at is not None and now >= plan.ended_at:
        return _end(settings, plan.ended_at, started_at=started_at, finalizing_at=plan.finalizing_at)
    if plan.finalizing_at is not None and now >= plan.finalizing_at:
        return View(phase=Phase.FINALIZING, progress=1.0, started_at=started_at, finalizing_at=plan.finalizing_at)
    return View(phase=Phase.RUNNING, progress=plan.progress(now, settings), started_at=started_at)


def _end(settings: Settings, ended_at: float, *, started_at: float, finalizing_at: float | None) -> View:
    """The state of a job that came to its end at `ended_at`."""
    phase = Phase(settings.ends_as)
    well = phase is Phase.SUCCEEDED
    return View(
        phase=phase,
        progress=1.0 if well else settings.stuck_fraction,
        started_at=started_at,
        finalizing_at=finalizing_at if well else None,
        ended_at=ended_at,
        cancelling_at=ended_at if phase is Phase.CANCELLED else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """When an undisturbed job reaches its states; None = not foreseeable."""

    started_at: float | None
    finalizing_at: float | None
    ended_at: float | None
    polled: float | None = None
    """Share of the needed polls that have come, where polls decide."""

    def progress(self, at: float, settings: Settings) -> float:
        if settings.stuck:
            return settings.stuck_fraction
        if self.polled is not None:
            return self.polled
        if self.started_at is None or self.finalizing_at is None or self.finalizing_at <= self.started_at:
            return 1.0
        return min(1.0, max(0.0, (at - self.started_at) / (self.finalizing_at - self.started_at)))


def _plan(history: History, settings: Settings) -> _Plan:
    if settings.polls_until_done is not None:
        ended_at = None if settings.stuck else history.polled_out_at
        return _Plan(
            started_at=history.created_at if history.polls else None,
            finalizing_at=ended_at,
            ended_at=ended_at,
            polled=min(1.0, history.polls / settings.polls_until_done),
        )
    started_at = history.created_at + settings.validating_s
    if settings.stuck:
        return _Plan(started_at=started_at, finalizing_at=None, ended_at=None)
    finalizing_at = started_at + settings.in_progress_s
    return _Plan(started_at=started_at, finalizing_at=finalizing_at, ended_at=finalizing_at + settings.finalizing_s)
