from decimal import Decimal

import pytest

from batchwright.live.stage.counting import StageCount, summary
from batchwright.live.stage.progress import HEARTBEAT, StageProgress, clock_face, figures
from batchwright.usage import Usage

USED = Usage(input_tokens=900, output_tokens=100)


@pytest.fixture
def terminal(monkeypatch):
    """Somebody watches stderr; stdout goes to a file."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NO_COLOR", raising=False)


def counted():
    count = StageCount(began=100.0, total=10)
    count.complete(USED, Decimal("0.25"))
    count.fail("page 2: no scan")
    count.skip()
    count.fail("page 4: refused", USED, Decimal("0.5"))
    return count


def test_a_page_is_counted_once_and_failures_cost_what_they_cost():
    stats = counted().stats(104.0)
    assert dict(stats) == {
        "completed": 1,
        "failed": 2,
        "skipped": 1,
        "total_cost_usd": 0.75,
        "total_tokens": 2000,
        "elapsed_seconds": 4.0,
    }


def test_money_is_added_exactly():
    count = StageCount(began=0.0)
    for _ in range(1000):
        count.complete(USED, Decimal("0.1"))
    assert count.stats(1.0).total_cost_usd == 100.0


def test_the_last_line_tells_the_first_failure_and_an_unknown_price():
    count = counted()
    line = summary("Labels", count.stats(104.0), count.first_failure)
    assert line == (
        "Labels: 1 completed, 2 failed, 1 skipped, 2,000 tokens, $0.7500, 4.0 s; the first failure: page 2: no scan"
    )
    count.complete(USED, None)
    assert "price unknown" in summary("Labels", count.stats(104.0), None)


def test_the_figures_beside_a_bar():
    assert figures(counted().progress(104.0)) == "2 failed, 1.0/s, 2,000 tokens, $0.7500, 0:00:06 left"
    assert clock_face(3 * 3600 + 125.9) == "3:02:05"


def show(count, seconds, said, *, shown=True, total=10):
    with StageProgress("Labels [1]", total, shown=shown, say=said.append) as progress:
        for moment in seconds:
            progress.show(count.progress(count.began + moment), prepared=7)


def test_where_nobody_watches_there_is_a_line_a_minute(capsys):
    said = []
    show(counted(), [0, 1, HEARTBEAT - 1, HEARTBEAT, HEARTBEAT + 1, 2 * HEARTBEAT + 5], said)
    assert len(said) == 2
    assert said[0].startswith("Labels [1]: 4 of 10 pages, 2 failed, ")
    assert capsys.readouterr() == ("", "")


def test_a_short_stage_says_nothing_on_the_way():
    said = []
    show(counted(), range(60), said)
    assert said == []


def test_a_stage_that_is_to_be_quiet_is(terminal, capsys):
    said = []
    show(counted(), range(0, 1000, 10), said, shown=False)
    assert (said, capsys.readouterr()) == ([], ("", ""))


@pytest.mark.parametrize("total", [10, None])
def test_on_a_terminal_there_are_two_bars_and_no_lines(terminal, capsys, total):
    said = []
    show(counted(), [1, 500], said, total=total)
    out, err = capsys.readouterr()
    assert (said, out) == ([], "")
    assert "Labels [1]: preparing" in err
    assert "Labels [1]: answering" in err
    assert "2 failed" in err
    assert ("7/10" if total else "7/?") in err


def test_what_a_handler_prints_to_a_pipe_stays_data(terminal, capsys):
    with StageProgress("Labels", 10, shown=True, say=print) as progress:
        progress.show(counted().progress(101.0), prepared=7)
        print("page,label")  # noqa: T201  (as a handler does)
    assert capsys.readouterr().out == "page,label\n"
