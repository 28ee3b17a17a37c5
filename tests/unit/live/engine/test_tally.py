"""How far a run is, from counts and a clock."""

import decimal
from decimal import Decimal

import pytest

from batchwright.live.engine.tally import Tally
from batchwright.usage import Usage

USED = Usage(input_tokens=10, output_tokens=2)


def test_counts_tokens_and_dollars_add_up_and_an_unknown_price_is_told_apart() -> None:
    tally = Tally(began=0.0, total=10)
    tally.add(USED, Decimal("0.01"), succeeded=True)
    tally.add(USED, Decimal("0.02"), succeeded=False)
    tally.add(USED, None, succeeded=True)

    now = tally.report(2.0)
    assert (now.done, now.failed, now.total, now.seconds) == (3, 1, 10, 2.0)
    assert now.usage == Usage(input_tokens=30, output_tokens=6)
    assert (now.cost, now.unpriced) == (Decimal("0.03"), 1)
    assert now.rate == pytest.approx(1.5)
    assert now.seconds_left == pytest.approx(7 / 1.5)


def test_before_anything_is_done_the_time_left_is_not_known() -> None:
    assert Tally(began=5.0, total=10).report(5.0).seconds_left is None
    assert Tally(began=5.0, total=10).report(9.0).seconds_left is None


def test_without_a_total_the_time_left_is_not_known() -> None:
    tally = Tally(began=0.0)
    tally.add(USED, Decimal(0), succeeded=True)

    assert tally.report(1.0).seconds_left is None


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    tally = Tally(began=0.0, total=10_000)
    for second in range(1, 601):
        for _ in range(1 if second <= 300 else 10):
            tally.add(USED, Decimal(0), succeeded=True)
        last = tally.report(float(second))

    assert last.rate == pytest.approx(10.0, rel=0.05)


def test_more_done_than_expected_leaves_nothing_and_not_less() -> None:
    tally = Tally(began=0.0, total=1)
    for _ in range(3):
        tally.add(USED, Decimal(0), succeeded=True)

    assert tally.report(1.0).seconds_left == 0


def test_no_decimals_of_a_program_round_the_sum() -> None:
    tally = Tally(began=0.0)
    with decimal.localcontext(decimal.Context(prec=1)):
        for _ in range(3):
            tally.add(USED, Decimal("0.1234"), succeeded=True)

    assert tally.cost == Decimal("0.3702")
