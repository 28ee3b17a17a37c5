from datetime import UTC, datetime

import pytest

from batchwright.errors import ConfigurationError
from batchwright.job import BatchRef, JobRecord, JobState
from batchwright.tasks.base import Document
from batchwright.tasks.planning import grid, pending_items, plan_documents

KEY = ("Geography", "a.md")
DOCUMENT = Document(group="Geography", name="a.md", item_ids=range(25))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(state, item_ids=(0, 1), **changes):
    batch = BatchRef(group="Geography", document="a.md", index=0, item_ids=item_ids)
    return JobRecord(
        job_id="job-000000000001",
        provider_name="fake",
        task="t",
        model="m",
        batches=(batch,),
        request_count=1,
        created_at=NOW,
        state=state,
        **changes,
    )


def cells_of(plans):
    return [(cell.index, cell.item_ids) for plan in plans for cell in plan.cells()]


def plan(*, answered=(), pending=(), batch_size=10, limit=None):
    return plan_documents(
        [DOCUMENT], answered={KEY: answered}, pending={KEY: pending}, batch_size=batch_size, limit=limit
    )


def test_everything_is_asked_once_on_a_grid_of_the_batch_size():
    assert cells_of(plan()) == [(0, tuple(range(10))), (1, tuple(range(10, 20))), (2, tuple(range(20, 25)))]


def test_answered_and_pending_items_are_left_out_and_the_index_stays():
    assert cells_of(plan(answered=range(10), pending=(10, 12))) == [
        (1, (11, 13, 14, 15, 16, 17, 18, 19)),
        (2, (20, 21, 22, 23, 24)),
    ]


@pytest.mark.parametrize("batch_size", [1, 4, 5, 10, 100])
def test_nothing_is_asked_when_all_is_answered_whatever_the_batch_size(batch_size):
    assert cells_of(plan(answered=range(25), batch_size=batch_size)) == []


def test_an_answered_item_does_not_count_as_pending():
    (only,) = plan(answered=(0, 1), pending=(1, 2))
    assert (only.answered, only.pending) == (2, 1)


def test_a_limit_counts_batches_over_all_documents():
    other = Document(group="French", name="b.md", item_ids=range(30))
    plans = plan_documents([DOCUMENT, other], answered={}, pending={}, batch_size=10, limit=4)
    assert [len(list(p.cells())) for p in plans] == [3, 1]


def test_a_plan_takes_no_room_for_the_batches_of_a_large_document():
    huge = Document(group="g", name="rows", item_ids=range(10**12))
    (only,) = plan_documents([huge], answered={}, pending={}, batch_size=1, limit=None)
    assert next(only.cells()).item_ids == (0,)


@pytest.mark.parametrize(("batch_size", "limit"), [(0, None), (-5, None), (10, 0), (10, -1)])
def test_sizes_below_one_are_refused(batch_size, limit):
    with pytest.raises(ConfigurationError, match="1"):
        plan(batch_size=batch_size, limit=limit)


def test_the_grid_holds_each_item_exactly_once():
    assert [item for cell in grid(range(23), 7) for item in cell.item_ids] == list(range(23))


@pytest.mark.parametrize(
    "state",
    sorted(set(JobState) - {JobState.FAILED, JobState.LOST}),
)
def test_a_job_that_may_still_bring_answers_keeps_its_items_from_being_asked(state):
    assert pending_items([record(state)]) == {KEY: {0, 1}}


def test_an_unresolved_or_unwritten_job_keeps_its_items_from_being_asked():
    assert pending_items([record(JobState.SUBMITTING, error_message="unknown")]) == {KEY: {0, 1}}
    assert pending_items([record(JobState.COMPLETED, error_message="read-only")]) == {KEY: {0, 1}}


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.LOST])
def test_a_job_that_brings_nothing_lets_its_items_be_asked_again(state):
    assert pending_items([record(state)]) == {}


def test_a_collected_job_lets_its_items_be_asked_again():
    assert pending_items([record(JobState.COMPLETED, collected_at=NOW)]) == {}
