"""What every job store has to do, run on each of them."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batchwright.errors import TrackingError, UnknownJobError
from batchwright.job import Attempt, BatchRef, JobRecord, JobState, RequestCounts, Tally
from batchwright.tracking.base import JobStore
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.tracking.memory import MemoryJobStore

NOW = datetime(2026, 11, 20, 12, 0, 0, 250000, tzinfo=UTC)


@pytest.fixture(params=["memory", "json_file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> JobStore:
    return MemoryJobStore() if request.param == "memory" else JsonFileJobStore(tmp_path / "data" / "batch_jobs.json")


def make_record(number: int, **changes: object) -> JobRecord:
    record = JobRecord(
        job_id=f"job-{number:012d}",
        provider_name="gemini",
        task="categorise",
        model="gemini-3-flash",
        batches=(BatchRef(group="Geography", document="gcse.md", index=number, item_ids=(2, 3), digest="d1"),),
        request_count=1,
        created_at=NOW + timedelta(minutes=number),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def full_record() -> JobRecord:
    return make_record(
        7,
        batches=(
            BatchRef(group="Kunst & Design", document="ü.md", index=0, item_ids=(0, 4, 9), unanswered=(4,)),
            BatchRef(group="rows", document="rows.csv", index=0, item_ids=range(50_000), per_item=True, unanswered=()),
        ),
        request_count=50_001,
        batch_size=3,
        state=JobState.EXPIRED,
        provider_state="JOB_STATE_EXPIRED",
        job_name="batches/abc",
        account="5f3a",
        attempts=(
            Attempt(tag="job-000000000007-a1", started_at=NOW, error="429"),
            Attempt(tag="job-000000000007-a2", started_at=NOW, file_id="files/x", job_name="batches/abc"),
        ),
        counts=RequestCounts(total=3, succeeded=1, errored=1, expired=1),
        tally=Tally(succeeded=1, missing=2, unknown=1),
        submitted_at=NOW,
        ended_at=NOW,
        expires_at=NOW,
        collected_at=NOW,
        polled_at=NOW,
        missed_at=NOW,
        last_error="the connection was lost",
        error_message="2 requests have no answer",
    )


def test_a_new_store_is_empty(store):
    assert store.load() == ()


def test_every_field_of_a_record_comes_back(store):
    store.add([full_record()])
    assert store.get("job-000000000007") == full_record()
    assert store.load() == (full_record(),)


def test_records_come_oldest_first_however_they_were_added(store):
    store.add([make_record(2), make_record(1)])
    store.add([make_record(0)])
    assert store.load() == (make_record(0), make_record(1), make_record(2))


def test_an_unknown_id_is_named_with_where_to_look(store):
    with pytest.raises(UnknownJobError, match="no job matches 'job-01k'; see: batchwright batch-list"):
        store.get("job-01k")


def test_a_taken_id_is_refused_and_nothing_of_the_call_is_added(store):
    store.add([make_record(1)])
    with pytest.raises(TrackingError, match="job-000000000001 already"):
        store.add([make_record(2), make_record(1, model="another")])
    assert store.load() == (make_record(1),)


def test_an_id_given_twice_in_one_call_is_refused(store):
    with pytest.raises(TrackingError, match="already"):
        store.add([make_record(1), make_record(1)])
    assert store.load() == ()


def test_an_update_sees_the_record_as_it_is_and_returns_the_new_one(store):
    store.add([make_record(1), make_record(2)])
    store.update("job-000000000001", lambda record: replace(record, last_error="a"))
    updated = store.update("job-000000000001", lambda record: replace(record, last_error=f"{record.last_error}b"))
    assert updated == make_record(1, last_error="ab")
    assert store.load() == (updated, make_record(2))


def test_several_updates_answer_in_the_order_asked(store):
    store.add([make_record(1), make_record(2)])
    changes = {
        "job-000000000002": lambda record: replace(record, state=JobState.LOST),
        "job-000000000001": lambda record: replace(record, job_name="batches/1"),
    }
    second, first = store.update_many(changes)
    assert (first, second) == (make_record(1, job_name="batches/1"), make_record(2, state=JobState.LOST))
    assert store.load() == (first, second)


def test_an_update_of_several_with_an_unknown_one_changes_none(store):
    store.add([make_record(1)])

    def change(record: JobRecord) -> JobRecord:
        return replace(record, last_error="changed")

    with pytest.raises(UnknownJobError):
        store.update_many({"job-000000000001": change, "job-000000000009": change})
    assert store.load() == (make_record(1),)


def test_what_a_change_raises_passes_through_and_nothing_is_changed(store):
    store.add([make_record(1), make_record(2)])

    def fail(_record: JobRecord) -> JobRecord:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        store.update_many(
            {"job-000000000001": lambda record: replace(record, last_error="x"), "job-000000000002": fail}
        )
    assert store.load() == (make_record(1), make_record(2))


def test_a_change_cannot_rename_a_job(store):
    store.add([make_record(1)])
    with pytest.raises(ValueError, match="must keep the job id"):
        store.update("job-000000000001", lambda record: replace(record, job_id="job-000000000002"))
    assert store.load() == (make_record(1),)


def test_threads_lose_none_of_each_others_changes(store):
    store.add([make_record(1)])

    def count() -> None:
        for _ in range(8):
            store.update("job-000000000001", lambda record: replace(record, batch_size=record.batch_size + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("job-000000000001").batch_size == 32
