from dataclasses import replace
from datetime import UTC, datetime

from batchwright.job import BatchRef, JobRecord, JobState
from batchwright.tasks.overtaking import Overtaking, overtaken
from batchwright.tracking.memory import MemoryJobStore

KEY = ("g", "a.md")
BATCHES = tuple(BatchRef(group="g", document="a.md", index=n, item_ids=(2 * n, 2 * n + 1)) for n in range(2))
RECORD = JobRecord(
    job_id="job-000000000001",
    provider_name="gemini",
    task="categorise",
    model="m",
    batches=(*BATCHES, BatchRef(group="g", document="b.md", index=0, item_ids=(0, 1, 2, 3))),
    request_count=3,
    created_at=datetime(2026, 11, 20, tzinfo=UTC),
    state=JobState.IN_PROGRESS,
)


def noted(record):
    return [batch.overtaken for batch in record.batches]


def test_a_note_names_the_items_that_the_job_asked_about_and_keeps_earlier_ones():
    once = overtaken(RECORD, key=KEY, items=frozenset({1, 9}))
    assert noted(once) == [(1,), (), ()]
    assert noted(overtaken(once, key=KEY, items=frozenset({0, 3}))) == [(0, 1), (3,), ()]


def test_a_job_about_other_items_stays_as_it_is():
    assert overtaken(RECORD, key=KEY, items=frozenset({7})) is RECORD
    assert overtaken(RECORD, key=("g", "c.md"), items=frozenset({0})) is RECORD


def test_every_job_that_asked_the_same_is_told_whatever_its_state():
    collected = replace(RECORD, job_id="job-000000000002", state=JobState.COMPLETED, collected_at=RECORD.created_at)
    other = replace(RECORD, job_id="job-000000000003", batches=RECORD.batches[2:])
    store = MemoryJobStore()
    store.add([RECORD, collected, other])
    Overtaking(store=store).note(KEY, {2})
    assert [noted(record) for record in store.load()] == [[(), (2,), ()], [(), (2,), ()], [()]]
