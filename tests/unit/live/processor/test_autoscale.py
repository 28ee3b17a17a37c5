"""How many workers: pure decisions, and a provider that takes so many and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.live.processor.autoscale import Bounds, Crew, Window, decide, first_crew

BOUNDS = Bounds(lowest=1, highest=256, start=8)


def busy(workers: int) -> Window:
    return Window(accepted=workers, refused=0)


def test_it_doubles_while_everything_is_accepted_and_stops_at_the_bound() -> None:
    crew = first_crew(BOUNDS)
    seen = [crew.workers]
    for _ in range(7):
        crew = decide(crew, busy(crew.workers), BOUNDS)
        seen.append(crew.workers)

    assert seen == [8, 16, 32, 64, 128, 256, 256, 256]


def test_a_refusal_takes_a_third_away_however_many_were_in_flight() -> None:
    once = decide(Crew(workers=60), Window(accepted=100, refused=1), BOUNDS)
    often = decide(Crew(workers=60), Window(accepted=0, refused=60), BOUNDS)

    assert once == often == Crew(workers=40, ceiling=60)


def test_after_a_refusal_it_grows_in_small_steps() -> None:
    crew = decide(Crew(workers=60), Window(accepted=0, refused=1), BOUNDS)

    assert decide(crew, busy(crew.workers), BOUNDS).workers == 42


def test_far_below_the_number_once_refused_it_doubles_again() -> None:
    assert decide(Crew(workers=10, ceiling=100), busy(10), BOUNDS).workers == 20


@pytest.mark.parametrize(
    "window",
    [
        Window(accepted=7, refused=0),  # not everybody has been answered yet
        Window(accepted=50, refused=0, idle=1),  # somebody had nothing to do
        Window(accepted=0, refused=0),
    ],
)
def test_a_window_that_proves_nothing_changes_nothing(window: Window) -> None:
    assert decide(Crew(workers=8), window, BOUNDS) == Crew(workers=8)


def test_one_worker_is_always_left() -> None:
    assert decide(Crew(workers=1), Window(accepted=0, refused=5), BOUNDS).workers == 1


def test_the_beginning_keeps_to_the_bounds() -> None:
    assert first_crew(Bounds(lowest=1, highest=4)).workers == 4
    assert first_crew(Bounds(lowest=20, highest=40)).workers == 20


@given(accepts=st.integers(min_value=2, max_value=250))
def test_it_finds_what_a_provider_accepts_and_stays_near_it(accepts: int) -> None:
    crew = first_crew(BOUNDS)
    seen = []
    for _ in range(300):
        refused = max(0, crew.workers - accepts)
        crew = decide(crew, Window(accepted=crew.workers - refused, refused=refused), BOUNDS)
        seen.append(crew.workers)

    settled = seen[100:]
    assert sum(settled) / len(settled) >= 0.6 * accepts
    assert max(settled) <= accepts * 1.05 + 1
    refusing = sum(1 for workers in settled if workers > accepts)
    assert refusing <= len(settled) / 2  # two workers can only be three or one


@given(
    workers=st.integers(min_value=1, max_value=256),
    ceiling=st.none() | st.integers(min_value=1, max_value=256),
    accepted=st.integers(min_value=0, max_value=1000),
    refused=st.integers(min_value=0, max_value=1000),
    idle=st.integers(min_value=0, max_value=256),
)
def test_it_never_leaves_its_bounds(workers: int, ceiling: int | None, accepted: int, refused: int, idle: int) -> None:
    after = decide(
        Crew(workers=workers, ceiling=ceiling), Window(accepted=accepted, refused=refused, idle=idle), BOUNDS
    )

    assert BOUNDS.lowest <= after.workers <= BOUNDS.highest
