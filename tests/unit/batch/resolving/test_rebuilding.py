"""A tracking file is lost; the jobs' folders remember enough to find every job again."""

import pytest

from batchwright.batch.resolving.rebuilding import lost_records
from batchwright.errors import LLMRateLimitError, TrackingError
from batchwright.job import JobState, JobStatus, status_of
from batchwright.tracking.memory import MemoryJobStore
from batchwright.tracking.payloads import JobFolders

ACCOUNTS = {"fake": "fake-account"}


def planned(house):
    _, jobs = house.plan()
    for record in jobs:
        house.folders.keep(record)
    return jobs


def lose_everything(house):
    """Empty the store that engine, collector and test share."""
    house.store._records = MemoryJobStore()._records


def restore(house, accounts=ACCOUNTS):
    known = {record.job_id for record in house.store.load()}
    restored = list(lost_records(house.folders, known, accounts))
    house.store.add(restored)
    return restored


def test_a_job_that_was_created_is_found_again_and_collected_and_not_sent_twice(house):
    list(house.engine.submit_all(planned(house)))
    lose_everything(house)
    (record,) = restore(house)
    assert record.state is JobState.SUBMITTING
    house.look()
    assert status_of(house.store.get(record.job_id)) is JobStatus.COMPLETED
    assert len(house.provider.jobs) == 1


def test_a_job_of_a_second_attempt_is_found_by_that_attempts_tag(house):
    house.provider.fail_next["submit"] = [LLMRateLimitError("later")]
    list(house.engine.submit_all(planned(house)))
    list(house.engine.submit_all(house.store.load()))
    lose_everything(house)
    (record,) = restore(house)
    assert record.tag == f"{record.job_id}-a2"
    house.look()
    assert status_of(house.store.get(record.job_id)) is JobStatus.COMPLETED


def test_a_restored_job_that_nobody_lists_is_left_to_a_person(house):
    planned(house)
    lose_everything(house)
    (record,) = restore(house)
    for _ in range(3):
        house.clock.advance(60)
        house.look()
    left = house.store.get(record.job_id)
    assert status_of(left) is JobStatus.FAILED
    assert "--absent" in (left.error_message or "")
    assert house.provider.jobs == {}
    house.engine.reconciler.declare_absent(record.job_id, house.provider)
    house.look()
    house.look()
    assert status_of(house.store.get(record.job_id)) is JobStatus.COMPLETED


def test_another_attempt_after_a_restoration_has_another_tag(house):
    house.provider.fail_next["submit"] = [LLMRateLimitError("later")]
    list(house.engine.submit_all(planned(house)))
    list(house.engine.submit_all(house.store.load()))
    lose_everything(house)
    (record,) = restore(house)
    house.engine.reconciler.declare_absent(record.job_id, house.provider)
    list(house.engine.submit_all(house.store.load()))
    assert house.store.get(record.job_id).attempts[-1].tag == f"{record.job_id}-a3"


def test_a_job_that_was_given_up_is_not_brought_back(house):
    list(house.engine.cancel_all(planned(house)))
    lose_everything(house)
    assert restore(house) == []


def test_another_tracking_files_jobs_are_not_restored(house):
    planned(house)
    neighbour = JobFolders(house.folders.root.parent / "other.json")
    assert list(lost_records(neighbour, (), ACCOUNTS)) == []


def test_known_jobs_and_other_providers_jobs_are_left_alone(house):
    planned(house)
    assert restore(house) == []
    lose_everything(house)
    assert restore(house, accounts={}) == []


def test_a_damaged_kept_record_is_named(house):
    (record,) = planned(house)
    path = house.folders.folder(record.job_id) / "record.json"
    path.write_bytes(path.read_bytes()[:20])
    lose_everything(house)
    with pytest.raises(TrackingError, match=r"record\.json is damaged"):
        restore(house)
