"""How fast to go on after a refusal: slower at once, back late, then without bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.live.limits.pace import Flow, Pace, slower


def test_the_first_refusal_takes_a_third_of_the_rate_away() -> None:
    pace = slower(600, pause=10, now=100, before=None)

    assert pace.at(100) == pytest.approx(420)


def test_the_refused_rate_is_not_tried_again_before_ten_times_the_pause_has_passed() -> None:
    pace = slower(600, pause=300, now=0, before=None)

    assert pace.at(1500) < 420 + 0.1 * 180  # half of the time, a tenth of the way
    assert pace.at(3000) == pytest.approx(600)


def test_after_a_short_pause_it_takes_five_minutes_all_the_same() -> None:
    assert slower(600, pause=1, now=0, before=None).at(300) == pytest.approx(600)


def test_a_limit_that_is_not_met_again_is_soon_forgotten() -> None:
    pace = slower(600, pause=1, now=0, before=None)

    assert pace.at(450) > 2 * 600
    assert pace.at(10_000) > 1e6


def test_refused_again_before_it_rose_the_rate_was_still_too_much() -> None:
    first = slower(600, pause=10, now=0, before=None)
    second = slower(first.at(10), pause=10, now=20, before=first)

    assert second.floor == pytest.approx(600 * 0.7 * 0.7, rel=0.01)


def test_refused_after_it_rose_the_rate_before_was_nearly_right() -> None:
    first = slower(600, pause=10, now=0, before=None)
    second = slower(first.at(150), pause=10, now=160, before=first)

    assert second.floor == pytest.approx(0.85 * first.at(150))
    assert second.floor > 0.85 * first.floor


@given(
    rate=st.floats(min_value=0.1, max_value=1e6),
    pause=st.floats(min_value=0, max_value=1e4),
    seconds=st.lists(st.floats(min_value=0, max_value=1e6), min_size=2, max_size=20),
)
def test_it_never_falls_by_itself_and_never_starts_above_what_was_refused(
    rate: float, pause: float, seconds: list[float]
) -> None:
    pace = slower(rate, pause=pause, now=0.0, before=None)
    rates = [pace.at(second) for second in sorted(seconds)]

    assert rates == sorted(rates)
    assert pace.at(0.0) < rate


@given(allowed=st.floats(min_value=30, max_value=580))
def test_it_settles_near_what_the_provider_allows(allowed: float) -> None:
    """A provider that refuses whatever is above `allowed`, each refusal costing a pause of ten seconds."""
    pace: Pace | None = None
    now, asked, paused = 0.0, 0.0, 0
    while now < 7200:
        rate = 600.0 if pace is None else min(600.0, pace.at(now))
        if rate > allowed:
            pace = slower(rate, pause=10, now=now + 10, before=pace)
            now, paused = now + 10, paused + 1
        else:
            asked += rate / 60
            now += 1

    assert asked >= 0.75 * allowed / 60 * 7200
    assert paused <= 7200 / 150 + 10


def test_the_flow_is_that_of_the_last_seconds_and_not_of_the_whole_run() -> None:
    flow = Flow()
    for second in range(100):
        flow.count(float(second))
    for tenth in range(100):
        flow.count(100 + tenth / 10)

    assert flow.per_minute(110.0) == pytest.approx(600, rel=0.1)


def test_a_burst_in_no_time_is_told_by_the_second() -> None:
    flow = Flow()
    for _ in range(50):
        flow.count(7.0)

    assert flow.per_minute(7.2) == 3000


def test_a_window_that_has_just_begun_does_not_count_yet() -> None:
    flow = Flow()
    for tenth in range(52):
        flow.count(tenth / 10)

    assert flow.per_minute(5.2) == pytest.approx(600, rel=0.05)


def test_no_flow_is_no_rate() -> None:
    assert Flow().per_minute(3.0) is None
