import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchwright.errors import InputError, TrackingError
from batchwright.run import RowAnswer, Run, RunStatus
from batchwright.tracking.runs import FLUSH_ANSWERS, RunStore
from batchwright.usage import Usage

MOMENT = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = Run(run_id="reviews", created_at=MOMENT, input_file="reviews.csv", model="gpt-5.4-mini", config={"rate": 20})


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "data" / "batch.db")
    yield store
    store.close()


def answer(row, **more):
    usage = Usage(input_tokens=10, output_tokens=5, cached_tokens=2, reasoning_tokens=1)
    return RowAnswer(row=row, **({"response": f"answer {row}", "usage": usage, "cost": Decimal("0.0000125")} | more))


def test_a_run_reads_back_as_it_was_made(store):
    run = replace(RUN, total=3, output_file="out.csv", message="so far", resumed_at=MOMENT, done_before=2)
    made = store.create(run)
    assert made == replace(run, number=1)
    assert store.get("reviews") == made


def test_runs_are_listed_newest_first(store):
    for name in ("one", "two", "three"):
        store.create(replace(RUN, run_id=name))
    assert [run.run_id for run in store.runs()] == ["three", "two", "one"]
    assert [run.run_id for run in store.runs(limit=2)] == ["three", "two"]


def test_an_id_that_is_taken_is_refused(store):
    store.create(RUN)
    with pytest.raises(InputError, match="there is a run reviews already; choose another --batch-id, or give --resume"):
        store.create(RUN)


def test_an_unknown_run_is_named(store):
    with pytest.raises(TrackingError, match=r"no run 'revews' in .*batch\.db; see: batch list"):
        store.get("revews")


def test_one_row_can_be_looked_up(store):
    run = store.create(RUN)
    with store.writer(run) as writer:
        writer.put(answer(4))
        writer.put(answer(5, response=None, error="refused"))
    assert store.answer(run, 4) == answer(4)
    assert store.answer(run, 5).error == "refused"
    assert store.answer(run, 6) is None


def test_columns_of_a_run_can_be_set(store):
    store.create(RUN)
    changed = store.update("reviews", status=RunStatus.PAUSED, ended_at=MOMENT, config={"rate": 5}, total_prompts=9)
    assert (changed.status, changed.ended_at, changed.config) == (RunStatus.PAUSED, MOMENT, {"rate": 5})
    assert changed.total == 9


def test_another_process_can_ask_a_run_to_stop(store):
    store.create(RUN)
    other = RunStore(store.path)
    other.request_stop("reviews")
    other.close()
    assert store.get("reviews").stop_requested


def test_answers_come_back_in_the_order_of_their_rows(store):
    run = store.create(RUN)
    with store.writer(run) as writer:
        for row in (2, 0, 1):
            writer.put(answer(row))
    assert list(store.answers(run)) == [answer(0), answer(1), answer(2)]


def test_failures_are_told_apart_and_can_be_forgotten(store):
    run = store.create(RUN)
    with store.writer(run) as writer:
        writer.put(answer(0))
        writer.put(answer(1, response=None, error="refused", cost=None))
    assert list(store.answered(run)) == [0]
    assert [found.error for found in store.answers(run, failed=True)] == ["refused"]
    assert (store.get("reviews").completed, store.get("reviews").failed) == (1, 1)
    assert store.forget_failures(run) == 1
    assert [found.row for found in store.answers(run)] == [0]
    assert store.get("reviews").failed == 0


def test_a_row_that_is_written_twice_counts_once(store):
    run = store.create(RUN)
    for text in ("first", "second"):
        with store.writer(run) as writer:
            writer.put(answer(0, response=text))
    assert [found.response for found in store.answers(run)] == ["second"]
    assert store.get("reviews").completed == 1


@given(
    pieces=st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8),
        max_size=5,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_are_those_of_the_answers_after_every_commit(store, pieces):
    run = store.create(replace(RUN, run_id=f"run-{len(store.runs())}"))
    with store.writer(run) as writer:
        for piece in pieces:
            for row, failed in piece:
                writer.put(answer(row, error="refused") if failed else answer(row))
            writer.flush()
            counted = store.get(run.run_id)
            kept = [found.failed for found in store.answers(run)]
            assert (counted.completed, counted.failed) == (kept.count(False), kept.count(True))


@given(
    answers=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8),
    copies=st.dictionaries(st.integers(6, 9), st.integers(0, 5)),
    again=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=4),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_copies_follow_their_rows_and_are_counted(store, answers, copies, again):
    run = store.create(replace(RUN, run_id=f"run-{len(store.runs())}"))
    store.add_copies(run, copies.items())
    for piece in (answers, again):
        with store.writer(run) as writer:
            for row, failed in piece:
                writer.put(answer(row, error="refused") if failed else answer(row))
            writer.fill_copies()
    kept = {found.row: found for found in store.answers(run)}
    counted = store.get(run.run_id)
    states = [found.failed for found in kept.values()]
    assert (counted.completed, counted.failed) == (states.count(False), states.count(True))
    for copy, first in copies.items():
        assert (copy in kept) is (first in kept)
        assert first not in kept or kept[copy].failed is kept[first].failed


def test_counts_that_an_earlier_version_left_wrong_are_set_right_by_the_next_writer(store):
    run = store.create(RUN)
    with store.writer(run) as writer:
        writer.put(answer(0))
    store.update("reviews", completed_prompts=7, failed_prompts=3)
    again = RunStore(store.path)
    with again.writer(run) as writer:
        writer.put(answer(1))
    assert (again.get("reviews").completed, again.get("reviews").failed) == (2, 0)
    again.close()


def test_runs_do_not_see_each_others_answers(store):
    first, second = store.create(RUN), store.create(replace(RUN, run_id="other"))
    for run, text in ((first, "mine"), (second, "yours")):
        with store.writer(run) as writer:
            writer.put(answer(0, response=text))
    assert [found.response for found in store.answers(first)] == ["mine"]
    assert [found.response for found in store.answers(second)] == ["yours"]


def test_what_was_spent_adds_up_exactly_and_says_what_has_no_price(store):
    run = store.create(RUN)
    with store.writer(run) as writer:
        writer.put(answer(0))
        writer.put(answer(1))
        writer.put(answer(2, cost=None))
    usage, cost, unpriced = store.spent(run)
    assert (usage.input_tokens, usage.reasoning_tokens) == (30, 3)
    assert (cost, unpriced) == (Decimal("0.0000250"), 1)


def test_answers_are_committed_on_the_way(store):
    run = store.create(RUN)
    other = RunStore(store.path)
    with store.writer(run) as writer:
        for row in range(FLUSH_ANSWERS + 1):
            writer.put(answer(row))
        assert other.get("reviews").completed == FLUSH_ANSWERS
        assert sum(1 for _ in other.answers(run)) == FLUSH_ANSWERS
    assert other.get("reviews").completed == FLUSH_ANSWERS + 1
    other.close()


def test_a_killed_writer_leaves_what_it_committed(store):
    store.create(RUN)
    program = f"""
import os
from batchwright.tracking.runs import RunStore
from batchwright.run import RowAnswer
from pathlib import Path
store = RunStore(Path({str(store.path)!r}))
run = store.get("reviews")
with store.writer(run) as writer:
    for row in range({FLUSH_ANSWERS} + 7):
        writer.put(RowAnswer(row=row, response="x"))
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert done.returncode == -9
    run = store.get("reviews")
    assert list(store.answered(run)) == list(range(FLUSH_ANSWERS))
    assert run.completed == FLUSH_ANSWERS


def test_a_person_can_read_the_answers_with_sql(store):
    run = store.create(RUN)
    with store.writer(run) as writer:
        writer.put(answer(7))
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT run_id, row, response FROM batch_answers").fetchall() == [("reviews", 7, "answer 7")]
        columns = [row[1] for row in db.execute("PRAGMA table_info(batch_runs)")]
    db.close()
    guide = ["id", "created_at", "input_file", "output_file", "model", "total_prompts", "completed_prompts"]
    assert columns[:10] == [*guide, "failed_prompts", "status", "config"]


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path):
    path = tmp_path / "batch.db"
    path.write_text("these are my notes, not a database")
    with pytest.raises(TrackingError, match=r"the run database .*batch\.db.*--database"):
        RunStore(path).runs()
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_a_newer_version_is_refused(store):
    store.runs()
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(TrackingError, match="newer batchwright"):
        store.runs()
