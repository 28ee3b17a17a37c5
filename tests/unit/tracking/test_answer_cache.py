import sqlite3
from datetime import UTC, datetime

import pytest

from batchwright.errors import TrackingError
from batchwright.run import Run
from batchwright.tracking.answer_cache import AnswerCache, CachedAnswer
from batchwright.tracking.runs import RunStore


def test_what_was_answered_is_found_by_whoever_asks_the_same(tmp_path):
    with AnswerCache(tmp_path / "batch.db") as cache:
        assert cache.get(b"key") is None
        cache.put(b"key", "yes", "m-1")
        assert cache.get(b"key") == CachedAnswer(response="yes", model="m-1")
    with AnswerCache(tmp_path / "batch.db") as cache:
        assert cache.get(b"key") == CachedAnswer(response="yes", model="m-1")
        assert cache.get(b"other") is None


def test_a_newer_answer_takes_the_place_of_an_older(tmp_path):
    with AnswerCache(tmp_path / "batch.db") as cache:
        cache.put(b"key", "yes", None)
        cache.flush()
        cache.put(b"key", "no", None)
    with AnswerCache(tmp_path / "batch.db") as cache:
        assert cache.get(b"key").response == "no"


def test_runs_and_cache_share_a_file_whoever_makes_it(tmp_path):
    with AnswerCache(tmp_path / "batch.db") as cache:
        store = RunStore(tmp_path / "batch.db")
        store.create(Run(run_id="r", created_at=datetime.now(UTC), input_file="a", model="m"))
        cache.put(b"key", "yes", None)
        cache.flush()
        assert [run.run_id for run in store.runs()] == ["r"]
        store.close()


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "batch.db").write_text("these are no tables, though long enough to be taken for some" * 10)
    with pytest.raises(TrackingError, match=r"cannot use the answers kept in .*batch\.db"):
        AnswerCache(tmp_path / "batch.db")


def test_the_table_can_be_read_by_a_person(tmp_path):
    with AnswerCache(tmp_path / "batch.db") as cache:
        cache.put(b"key", "yes", "m-1")
    db = sqlite3.connect(tmp_path / "batch.db")
    assert db.execute("SELECT response, model FROM batch_cache").fetchall() == [("yes", "m-1")]
    db.close()
