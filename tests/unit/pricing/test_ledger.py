import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.errors import TrackingError
from batchwright.pricing.ledger import Ledger, decode, encode
from batchwright.pricing.spending import Line, Spending
from batchwright.usage import Usage

COUNTS = st.integers(0, 2**40)
MONEY = st.decimals(0, 10**9, places=9)


def spending(run="job-1", cost="1.5", **more):
    line = Line(
        day=date(2026, 11, 25),
        provider_name="openai",
        model="gpt-4.1",
        batch=True,
        requests=2,
        usage=Usage(input_tokens=10, output_tokens=4),
        cost=Decimal(cost),
    )
    return Spending(run=run, task="categorise", lines=(line,), **more)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "data" / "spending.jsonl")


def test_what_was_recorded_is_read_back(ledger):
    kept = [spending("job-1"), spending("job-2", cost="0.000000001", estimated_tokens=9, seconds=1.5, emulated=True)]
    for one in kept:
        ledger.record(one)
    assert ledger.load() == (tuple(kept), 0)


def test_the_last_word_of_a_run_counts_once_however_often_it_is_said(ledger):
    for cost in ("1", "2", "2", "2"):
        ledger.record(spending("job-1", cost=cost))
    assert ledger.load() == ((spending("job-1", cost="2"),), 0)


def test_processes_that_worked_on_one_run_are_added_and_not_overwritten(ledger):
    first, second = spending("run-1", part="a"), spending("run-1", part="b")
    for one in (first, second, first):
        ledger.record(one)
    assert ledger.load() == ((first, second), 0)


def test_a_run_that_used_nothing_leaves_no_trace(ledger):
    ledger.record(Spending(run="job-1", task="categorise", lines=()))
    assert not ledger.path.exists()
    assert ledger.load() == ((), 0)


def test_half_a_line_of_a_process_that_died_costs_that_line_alone(ledger):
    ledger.record(spending("job-1"))
    with ledger.path.open("ab") as file:
        file.write(encode(spending("job-2"))[:40])
    ledger.record(spending("job-3"))
    assert ledger.load() == ((spending("job-1"), spending("job-3")), 1)


SOUND = encode(spending())
DAMAGED = [
    (b'"1.5"', b'"NaN"'),
    (b'"1.5"', b"1.5"),
    (b'"1.5"', b'"much"'),
    (b'"1.5"', b'"1e99999999"'),
    (b'"1.5"', b'"1e-99999999"'),
    (b'"lines"', b'"seconds":1e999,"lines"'),
    (b'"lines"', b'"seconds":NaN,"lines"'),
    (b'"lines"', b'"seconds":' + b"9" * 400 + b',"lines"'),
    (b'"lines"', b'"seconds":-1.0,"lines"'),
    (b"2026-11-25", b"yesterday"),
    (b'"requests":2', b'"requests":-2'),
    (b'"in":10', b'"in":true'),
    (b'"usage"', b'"use"'),
]
FOREIGN = [b"", b"\n", b"{}", b"[]", b"3", b"\xff\xfe", b'{"run":1,"task":"t","lines":[]}', b'{"run":"r","lines":3}']


@pytest.mark.parametrize("line", FOREIGN + [SOUND.replace(old, new) for old, new in DAMAGED])
def test_what_nobody_can_read_is_no_spending_and_no_error(line):
    assert line != SOUND
    assert decode(line) is None


def test_a_folder_in_its_place_is_told(tmp_path):
    ledger = Ledger(tmp_path)
    with pytest.raises(TrackingError, match="cannot note what was spent"):
        ledger.record(spending())
    with pytest.raises(TrackingError, match="cannot read"):
        ledger.load()


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_ledger import Ledger, spending
for number in range(50):
    for _ in range(2):
        Ledger(Path(sys.argv[1])).record(spending(f"{sys.argv[2]}-{number}"))
"""


def test_several_processes_write_at_once_and_nothing_is_lost(ledger):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", WRITER, str(ledger.path)]
    writers = [subprocess.Popen([*command, name, here]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    runs, damaged = ledger.load()
    assert damaged == 0
    assert {one.run for one in runs} == {f"{name}-{number}" for name in "abc" for number in range(50)}


@given(
    st.builds(
        Spending,
        run=st.text(),
        part=st.text(),
        task=st.text(),
        items=COUNTS,
        estimated_tokens=COUNTS,
        seconds=st.integers(0, 10**9).map(lambda ms: ms / 1000),
        emulated=st.booleans(),
        lines=st.lists(
            st.builds(
                Line,
                day=st.dates(),
                provider_name=st.text(),
                model=st.text(),
                batch=st.booleans(),
                requests=COUNTS,
                usage=st.builds(
                    Usage,
                    input_tokens=COUNTS,
                    output_tokens=COUNTS,
                    cached_tokens=COUNTS,
                    cache_write_tokens=COUNTS,
                    reasoning_tokens=COUNTS,
                ),
                cost=MONEY,
                unpriced=COUNTS,
                saved=MONEY,
                output_squares=st.integers(0, 2**60),
            ),
            max_size=3,
        ).map(tuple),
    )
)
def test_every_spending_survives_its_line(one):
    line = encode(one)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == one


def test_half_a_surrogate_pair_in_a_name_does_not_keep_the_money_from_being_noted(ledger):
    ledger.record(spending("job-\ud800"))
    ((kept,), damaged) = ledger.load()
    assert (kept.run, damaged) == ("job-?", 0)
