"""The provider's limits are kept before anything is sent; what does not fit waits or is split."""

from dataclasses import replace

import pytest

from batchwright.batch.sending.planner import JobsPer
from batchwright.batch.sending.room import Room, room_for, token_quota
from batchwright.errors import LLMRequestTooLargeError, NoRoomError
from batchwright.job import Attempt, BatchRef, JobRecord, JobState, JobStatus, status_of
from batchwright.providers.base import Limits
from batchwright.testing import START

HOUR = 3600


def limits(**values):
    return Limits(max_requests=1000, max_bytes=1_000_000, **values)


def record(number, state=JobState.PLANNED, tokens=100, **changes):
    return replace(
        JobRecord(
            job_id=f"job-{number:012}",
            provider_name="fake",
            task="t",
            model="m",
            batches=(BatchRef(group="g", document="d", index=0, item_ids=(0,)),),
            request_count=1,
            created_at=START,
            state=state,
            input_tokens=tokens,
        ),
        **changes,
    )


def test_without_limits_there_is_always_room():
    others = [record(n, JobState.IN_PROGRESS) for n in range(1, 500)]
    assert room_for(record(0), others, limits(), START) == Room()


@pytest.mark.parametrize("state", [JobState.SUBMITTING, JobState.SUBMITTED, JobState.IN_PROGRESS, JobState.CANCELLING])
def test_unfinished_jobs_fill_the_places(state):
    two = limits(max_concurrent_jobs=2)
    assert room_for(record(0), [record(1, state)], two, START) == Room()
    full = room_for(record(0), [record(1, state), record(2, state)], two, START)
    assert full.wait == "fake takes 2 jobs at once, 2 run"


@pytest.mark.parametrize("state", [JobState.PLANNED, JobState.COMPLETED, JobState.FAILED, JobState.LOST])
def test_jobs_that_are_not_at_the_provider_fill_none(state):
    assert room_for(record(0), [record(1, state)], limits(max_concurrent_jobs=1), START) == Room()


def test_other_providers_jobs_do_not_count():
    other = record(1, JobState.IN_PROGRESS, provider_name="other")
    assert room_for(record(0), [other], limits(max_concurrent_jobs=1), START) == Room()


def test_creations_are_counted_over_an_hour():
    attempt = Attempt(tag="t", started_at=START)
    earlier = [record(n, JobState.COMPLETED, attempts=(attempt,)) for n in (1, 2)]
    two = limits(max_creations_per_hour=2)
    assert room_for(record(0), earlier, two, START).wait is not None
    assert room_for(record(0), earlier, two, START.replace(hour=1, minute=1)) == Room()


def test_tokens_of_unfinished_jobs_count_by_model():
    quota = limits(max_enqueued_tokens=250)
    running = record(1, JobState.IN_PROGRESS, tokens=200)
    assert room_for(record(0), [running], quota, START).wait is not None
    assert room_for(record(0), [replace(running, model="other")], quota, START) == Room()


def test_a_job_over_the_quota_alone_must_be_split():
    assert room_for(record(0, tokens=300), [], limits(max_enqueued_tokens=250), START) == Room(too_large=True)


def test_a_refused_amount_is_learned_for_a_day_and_for_its_model():
    refused = Attempt(tag="t", started_at=START, over_tokens=1000)
    known = [record(1, JobState.PLANNED, attempts=(refused,))]
    assert token_quota(known, record(0), limits(), START) == 900
    assert token_quota(known, record(0), limits(max_enqueued_tokens=500), START) == 500
    assert token_quota(known, record(0, model="other"), limits(), START) is None
    assert token_quota(known, record(0), limits(), START.replace(day=3)) is None


def test_what_does_not_fit_waits_and_is_sent_when_a_place_is_free(house):
    house.provider.limits = limits(max_concurrent_jobs=1)
    outcomes = house.create(jobs_per=JobsPer.BATCH)
    assert sum(submission.error is None for submission in outcomes) == 1
    assert all(isinstance(s.error, NoRoomError) and s.waiting for s in outcomes if s.error)
    for _ in range(6):
        assert sum(not job.done for job in house.provider.jobs.values()) <= 1
        house.look()
    assert {status_of(record) for record in house.store.load()} == {JobStatus.COMPLETED}
    assert len(house.provider.jobs) == 3


def test_a_job_refused_as_too_large_is_halved_and_the_halves_are_sent(house):
    submit = house.provider.submit
    sizes = []

    def small_only(payload, *, tag, before_create):
        count = payload.read_bytes().count(b"\n")
        sizes.append(count)
        if count > 1:
            raise LLMRequestTooLargeError("413")
        return submit(payload, tag=tag, before_create=before_create)

    house.provider.submit = small_only
    outcomes = house.create()
    assert sorted(sizes) == [1, 1, 1, 2, 3]
    assert len(outcomes) == 3
    for name, lines in house.provider.sent.items():
        job = house.provider.jobs[name]
        assert [line["id"] for line in lines] == [f"{job.tag}-0"]
    house.look()
    assert {status_of(record) for record in house.store.load()} == {JobStatus.COMPLETED}
    assert house.report("a").count("\n") == 4


def test_a_single_request_that_is_too_large_is_refused_for_good(house):
    def never(_payload, *, tag, before_create):
        raise LLMRequestTooLargeError("413")

    house.provider.submit = never
    outcomes = house.create(jobs_per=JobsPer.BATCH)
    assert {submission.record.state for submission in outcomes} == {JobState.FAILED}


def test_a_job_given_back_for_its_tokens_is_sent_again_later_under_a_new_tag(house):
    house.create()
    (record,) = house.store.load()
    job = house.provider.jobs[record.job_name]
    house.provider.jobs[record.job_name] = replace(job, state=JobState.FAILED, error="limit", over_quota=True)
    (look,) = house.look()
    assert look.record.state is JobState.PLANNED
    assert status_of(look.record) is JobStatus.PENDING
    assert look.record.attempts[-1].over_tokens == record.input_tokens
    split = next(look for look in iter(lambda: house.look()[0], None) if look.halves)
    assert {half.job_id for half in split.halves} < {record.job_id for record in house.store.load()}
    for _ in range(8):
        house.look()
    records = house.store.load()
    assert {status_of(record) for record in records} == {JobStatus.COMPLETED}
    assert house.report("a").count("\n") == 4


def test_the_halves_of_a_job_are_looked_at_in_its_place(house):
    house.create()
    (record,) = house.store.load()
    job = house.provider.jobs[record.job_name]
    house.provider.jobs[record.job_name] = replace(job, state=JobState.FAILED, error="limit", over_quota=True)
    house.look()
    parent, *halves = house.engine.look_at_all(house.store.load())
    # Each is yielded as it is done, so either may come first.
    assert sorted(look.record.job_id for look in halves) == sorted(half.job_id for half in parent.halves)
    assert len(halves) == 2


def test_a_job_given_back_lowers_what_may_wait(house):
    house.create()
    (record,) = house.store.load()
    job = house.provider.jobs[record.job_name]
    house.provider.jobs[record.job_name] = replace(job, state=JobState.FAILED, error="limit", over_quota=True)
    house.look()
    (given_back,) = house.store.load()
    assert room_for(given_back, [], limits(), house.clock.now()).too_large


def test_runs_of_single_items_are_cut_where_the_job_is(house):
    from batchwright.batch.sending.splitting import batches_between  # noqa: PLC0415

    run = BatchRef(group="g", document="d", index=0, item_ids=range(10), per_item=True)
    single = BatchRef(group="g", document="e", index=0, item_ids=(3, 4))
    assert [batch.item_ids for batch in batches_between([run, single], 0, 5)] == [range(5)]
    assert [batch.item_ids for batch in batches_between([run, single], 5, 11)] == [range(5, 10), (3, 4)]
