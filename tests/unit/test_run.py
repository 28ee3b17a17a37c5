from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batchwright.run import Run, RunStatus

BEGAN = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = Run(run_id="r", created_at=BEGAN, input_file="a.csv", model="m", total=100, completed=30, failed=10)


def after(seconds):
    return BEGAN + timedelta(seconds=seconds)


def test_a_rate_counts_answered_and_failed_rows():
    assert RUN.rate(after(20)) == 2
    assert RUN.seconds_left(after(20)) == 30


def test_a_run_that_was_taken_up_again_is_as_fast_as_it_is_since_then():
    resumed = replace(RUN, resumed_at=after(1000), done_before=30)
    assert resumed.rate(after(1010)) == 1
    assert resumed.seconds_left(after(1010)) == 60


def test_a_run_that_ended_has_the_rate_it_had_and_no_time_left():
    ended = replace(RUN, status=RunStatus.FAILED, ended_at=after(10))
    assert ended.rate(after(5000)) == 4
    assert ended.seconds_left(after(5000)) is None


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, completed=0, failed=0),
        replace(RUN, done_before=40),
        replace(RUN, status=RunStatus.INTERRUPTED),
    ],
    ids=["nothing done", "nothing done since", "nobody knows when it died"],
)
def test_where_nothing_can_be_said_nothing_is(run):
    assert run.rate(after(20)) is None
    assert run.seconds_left(after(20)) is None


def test_without_a_total_there_is_a_rate_and_no_time_left():
    assert replace(RUN, total=None).rate(after(20)) == 2
    assert replace(RUN, total=None).seconds_left(after(20)) is None
