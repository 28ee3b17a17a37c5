"""How many workers: as many as the provider accepts. Pure: the pool says what happened, this says what next.

It grows by doubling until the provider refuses for the first time, gives a third back, and from then on feels its way
up in small steps, as TCP does with a link whose width nobody told it.
"""

from dataclasses import dataclass

_KEPT = 0.67
"""Share of the workers that stays after a refusal."""
_STEP = 0.05
"""Growth once a ceiling is known, as a share of the workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between how many workers to stay, and with how many to begin."""

    lowest: int = 1
    highest: int = 256
    start: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The workers at this moment."""

    workers: int
    ceiling: int | None = None
    """The number at which the provider last refused; None while it never did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What happened since the last decision."""

    accepted: int
    """Attempts that the provider answered."""
    refused: int
    """Attempts it refused for coming too fast, or because it was overloaded."""
    idle: int = 0
    """Workers that found nothing to do: more of them would find nothing either."""


def first_crew(bounds: Bounds) -> Crew:
    """Return the workers to begin with."""
    return Crew(workers=min(bounds.highest, max(bounds.lowest, bounds.start)))


def decide(crew: Crew, window: Window, bounds: Bounds) -> Crew:
    """Return the crew for the next window; the same one when the window proves nothing.

    However many refusals a window holds, they count once: calls in flight together are refused together.
    """
    if window.refused:
        fewer = max(bounds.lowest, min(crew.workers - 1, int(crew.workers * _KEPT)))
        return Crew(workers=fewer, ceiling=crew.workers)
    if window.idle or window.accepted < crew.workers:
        return crew
    known = crew.ceiling is not None and crew.workers * 2 > crew.ceiling
    more = crew.workers + max(1, int(crew.workers * _STEP)) if known else crew.workers * 2
    return Crew(workers=min(bounds.highest, more), ceiling=crew.ceiling)
