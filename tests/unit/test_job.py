from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batchwright.job import Attempt, BatchRef, JobRecord, JobState, JobStatus, status_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = BatchRef(group="g", document="d", index=0, item_ids=(0, 1))
RECORD = JobRecord(
    job_id="job-000000000001",
    provider_name="fake",
    task="t",
    model="m",
    batches=(OPEN,),
    request_count=1,
    created_at=NOW,
)


def answered(*unanswered):
    return (replace(OPEN, unanswered=unanswered),)


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.FAILED, JobState.LOST}))
def test_whatever_may_still_bring_answers_is_pending(state):
    assert status_of(replace(RECORD, state=state)) is JobStatus.PENDING


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.LOST])
def test_a_job_with_nothing_to_bring_is_failed(state):
    assert status_of(replace(RECORD, state=state)) is JobStatus.FAILED


@pytest.mark.parametrize("state", [JobState.SUBMITTING, JobState.COMPLETED])
def test_a_job_that_needs_a_person_is_failed(state):
    assert status_of(replace(RECORD, state=state, error_message="what to do")) is JobStatus.FAILED


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.EXPIRED, JobState.CANCELLED])
def test_a_collected_job_is_completed_only_when_every_item_has_its_row(state):
    collected = replace(RECORD, state=state, collected_at=NOW)
    assert status_of(replace(collected, batches=answered())) is JobStatus.COMPLETED
    assert status_of(replace(collected, batches=answered(1))) is JobStatus.FAILED
    assert status_of(collected) is JobStatus.FAILED


def test_a_batch_is_one_request_and_a_run_of_items_is_many():
    assert OPEN.request_count == 1
    assert replace(OPEN, per_item=True, item_ids=range(500)).request_count == 500


def test_the_tag_is_that_of_the_attempt_that_became_the_job():
    first = Attempt(tag="job-1-a1", started_at=NOW, job_name="fake/1")
    second = Attempt(tag="job-1-a2", started_at=NOW)
    assert replace(RECORD, attempts=(first, second), job_name="fake/1").tag == "job-1-a1"
    assert replace(RECORD, attempts=(first, second)).tag == "job-1-a2"
    assert RECORD.tag is None
