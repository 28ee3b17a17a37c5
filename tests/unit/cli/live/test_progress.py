from decimal import Decimal

import pytest

from batchwright.cli.live.progress import LiveProgress, clock_face, price, told
from batchwright.cli.progress import HEARTBEAT
from batchwright.live.engine.tally import Progress
from batchwright.usage import Usage


def progress(**changes):
    facts = {
        "done": 37,
        "failed": 0,
        "total": 107,
        "seconds": 60.0,
        "rate": 0.5,
        "seconds_left": 140.0,
        "usage": Usage(input_tokens=1_200_000, output_tokens=34_567),
        "cost": Decimal("0.4125"),
        "unpriced": 0,
    }
    return Progress(**(facts | changes))


def test_everything_a_person_waits_for_is_in_one_line():
    assert told(progress(failed=2)) == ("37/107 requests, 2 failed, 30/min, 1,234,567 tokens, $0.41, 0:02:20 left")


def test_what_nobody_knows_is_left_out():
    assert told(progress(total=None, seconds_left=None)) == "37 requests, 30/min, 1,234,567 tokens, $0.41"


def test_at_the_end_no_time_is_left():
    assert "left" not in told(progress(over=True))


@pytest.mark.parametrize(
    ("cost", "unpriced", "shown"),
    [
        (Decimal(0), 0, "$0.00"),
        (Decimal(0), 5, "price unknown"),
        (Decimal("0.25"), 5, "$0.25 and price unknown for 5"),
        (Decimal("1234.567"), 0, "$1,234.57"),
    ],
)
def test_an_unknown_price_is_never_nothing(cost, unpriced, shown):
    assert price(progress(cost=cost, unpriced=unpriced)) == shown


def test_times_are_hours_minutes_and_seconds():
    assert clock_face(3725.9) == "1:02:05"


def test_where_nobody_watches_a_line_comes_once_in_a_while(capsys):
    with LiveProgress() as shown:
        for second in range(3 * int(HEARTBEAT)):
            shown.show(progress(seconds=float(second)))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("answered 37/107 requests") == 2
