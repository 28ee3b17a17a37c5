"""kill -9 of a table's run through a Batch API at random moments."""

import pytest

KILLS = 6

pytestmark = pytest.mark.timeout(600)


def test_a_table_whose_run_is_killed_is_answered_whole_and_paid_once(programs, shown):
    figures = programs.figures(programs.start("rows", "openai", "--kills", KILLS))
    shown("{kills} kills, {left}, restarts {restarts}".format(**figures))
    assert figures["violations"] == {}
    assert figures["kills"] == KILLS
    assert set(figures["restarts"]) <= {"1", "2", "3"}
