from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.job import Attempt, BatchRef, JobRecord, JobState, JobStatus, Spans, status_of

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


ASCENDING = st.sets(st.integers(0, 60)).map(sorted)


@given(ASCENDING)
def test_spans_are_the_ids_they_were_made_of(ids):
    spans = Spans(ids)
    assert list(spans) == ids
    assert len(spans) == len(ids)
    assert [spans[place] for place in range(-len(ids), len(ids))] == ids + ids
    assert [item in spans for item in range(-1, 62)] == [item in ids for item in range(-1, 62)]
    assert [spans.index(item) for item in ids] == list(range(len(ids)))
    again = Spans.between(spans.runs())
    assert (again, hash(again)) == (spans, hash(spans))


@given(ASCENDING, st.slices(60))
def test_a_part_of_spans_is_that_part_of_the_ids(ids, part):
    assert list(Spans(ids)[part]) == ids[part]


def test_runs_that_meet_are_one():
    assert list(Spans.between([(0, 2), (3, 3), (7, 8)]).runs()) == [(0, 3), (7, 8)]


@pytest.mark.parametrize("runs", [[(3, 2)], [(0, 2), (2, 4)], [(5, 6), (0, 1)], [(-2, -1)]])
def test_runs_that_do_not_ascend_are_refused(runs):
    with pytest.raises(ValueError, match=r"ascend|ends"):
        Spans.between(runs)


@pytest.mark.parametrize("stranger", [1, 7, -1, "0", None])
def test_what_is_not_among_the_ids_has_no_place(stranger):
    spans = Spans([0, 2, 3])
    assert stranger not in spans
    with pytest.raises(ValueError, match="not among"):
        spans.index(stranger)


def test_a_place_beyond_the_last_id_is_an_error():
    with pytest.raises(IndexError):
        Spans([0, 2])[2]
