"""What may be taken when; nothing waits here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.live.limits.buckets import Bucket


def bucket(per_minute: float = 60, *, burst_seconds: float = 1.0) -> Bucket:
    return Bucket.of(per_minute, burst_seconds=burst_seconds, now=0.0)


def test_a_new_bucket_gives_what_a_burst_allows_and_then_one_at_a_time() -> None:
    one_a_second = bucket(60)

    assert one_a_second.wait(1, 0.0) == 0
    one_a_second.take(1)
    assert one_a_second.wait(1, 0.0) == pytest.approx(1.0)
    assert one_a_second.wait(1, 0.25) == pytest.approx(0.75)
    assert one_a_second.wait(1, 1.0) == 0


def test_a_pause_saves_no_more_than_the_burst() -> None:
    full = bucket(60, burst_seconds=5)

    for _ in range(5):
        assert full.wait(1, 1000.0) == 0
        full.take(1)
    assert full.wait(1, 1000.0) == pytest.approx(1.0)


def test_an_amount_above_the_capacity_passes_alone_and_is_waited_out() -> None:
    tokens = bucket(60_000)  # 1000 a second, and room for 1000

    assert tokens.wait(3000, 0.0) == 0
    tokens.take(3000)
    assert tokens.wait(1, 0.0) == pytest.approx(2.001)
    assert tokens.wait(3000, 0.0) == pytest.approx(3.0)


def test_a_slow_limit_still_lets_one_request_pass() -> None:
    assert bucket(0.5).wait(1, 0.0) == 0


def test_what_is_given_back_can_be_taken_again_but_never_more_than_there_is_room_for() -> None:
    tokens = bucket(60_000)
    tokens.take(1000)

    tokens.give_back(400)
    assert tokens.wait(400, 0.0) == 0
    tokens.give_back(10_000)
    assert tokens.level == tokens.capacity


def test_what_was_used_more_than_estimated_is_waited_out() -> None:
    tokens = bucket(60_000)

    tokens.give_back(-2000)
    assert tokens.wait(500, 0.0) == pytest.approx(1.5)


def test_a_new_rate_holds_from_now_on_and_keeps_what_was_saved() -> None:
    changed = bucket(600)
    changed.take(10)

    changed.change(60, burst_seconds=1.0, now=0.5)  # five came at the old rate; there is room for one
    assert changed.level == 1.0
    changed.take(1)
    assert changed.wait(1, 0.5) == pytest.approx(1.0)


def test_a_provider_that_counts_less_is_believed_and_one_that_counts_more_is_not() -> None:
    shared = bucket(600)

    shared.drain_to(3, 0.0)
    assert shared.level == 3
    shared.drain_to(100, 0.0)
    assert shared.level == 3


def test_time_that_goes_back_fills_nothing() -> None:
    odd = bucket(60)
    odd.take(1)

    assert odd.wait(1, -100.0) == pytest.approx(1.0)


@given(
    per_minute=st.floats(min_value=1, max_value=1e6),
    burst_seconds=st.floats(min_value=0.1, max_value=60),
    amounts=st.lists(st.floats(min_value=0, max_value=1e5), min_size=1, max_size=60),
)
def test_whoever_waits_as_told_never_outpaces_the_rate(
    per_minute: float, burst_seconds: float, amounts: list[float]
) -> None:
    limit = bucket(per_minute, burst_seconds=burst_seconds)
    now = taken_before = 0.0
    for amount in amounts:
        now += limit.wait(amount, now)
        # What was taken before this one, within what the time brought and the bucket held.
        assert taken_before <= now * per_minute / 60 + limit.capacity + 1e-3
        limit.take(amount)
        taken_before += amount
