from batchwright.batch.watcher import FIRST_INTERVAL, LONGEST_INTERVAL, Pace, looks
from batchwright.testing import FakeClock


def test_intervals_grow_to_the_longest_and_stay_there():
    pace = Pace(draw=lambda: 0.5)
    intervals = [pace.interval(look) for look in range(1, 30)]
    assert intervals[0] == FIRST_INTERVAL
    assert intervals == sorted(intervals)
    assert intervals[-1] == LONGEST_INTERVAL


def test_jitter_keeps_within_a_tenth():
    assert Pace(first=100.0, draw=lambda: 0.0).interval(1) == 90.0
    assert Pace(first=100.0, draw=lambda: 0.999999).interval(1) < 110.0


def test_a_long_watch_does_not_overflow():
    assert Pace(draw=lambda: 0.5).interval(100_000) == LONGEST_INTERVAL


def test_looks_end_with_one_at_the_timeout():
    clock = FakeClock()
    started = clock.monotonic()
    count = sum(1 for _ in looks(clock, Pace(first=30.0, longest=30.0, draw=lambda: 0.5), timeout=75.0))
    assert clock.monotonic() - started == 75.0
    assert count == 4


def test_a_timeout_of_zero_looks_once():
    clock = FakeClock()
    assert list(looks(clock, Pace(), timeout=0.0)) == [1]
    assert clock.naps == []


def test_without_timeout_it_goes_on_until_the_caller_stops():
    for look in looks(FakeClock(), Pace()):
        if look == 50:
            break
    assert look == 50
