"""A create whose answer was lost: found again, proven absent, or left; never sent on a guess."""

from dataclasses import replace

import pytest

from batchwright.batch.planner import JobsPer
from batchwright.errors import ClaimedJobError, LLMOutcomeUnknownError, LLMServerError, TrackingError
from batchwright.job import JobState, JobStatus, status_of

GRACE = 60


def only(records):
    (record,) = records
    return record


def lose_the_answer(house, *, created):
    """Make the next create end with its answer lost, whether or not the provider made the job."""
    submit = house.provider.submit

    def losing(payload, *, tag, on_uploaded):
        house.provider.submit = submit
        if created:
            submit(payload, tag=tag, on_uploaded=on_uploaded)
        else:
            on_uploaded(f"file-{tag}")
        raise LLMOutcomeUnknownError("connection lost")

    house.provider.submit = losing


def untagged(house):
    """Turn the provider into one that carries no tag, as Anthropic."""
    house.provider.tags_jobs = False
    listing = house.provider.list_jobs
    house.provider.list_jobs = lambda since: (replace(job, tag=None, input_file_id=None) for job in listing(since))


def test_a_create_with_unknown_outcome_is_pending_and_its_items_are_not_sent_again(house):
    lose_the_answer(house, created=False)
    (submission,) = house.create()
    assert submission.record.state is JobState.SUBMITTING
    assert status_of(submission.record) is JobStatus.PENDING
    assert house.create() == []


@pytest.mark.parametrize("by", ["tag", "file"])
def test_a_job_that_was_created_is_found_and_collected_and_never_sent_twice(house, by):
    lose_the_answer(house, created=True)
    house.create()
    if by == "file":
        house.provider.jobs = {name: replace(job, tag=None) for name, job in house.provider.jobs.items()}
    house.look()
    record = only(house.store.load())
    assert status_of(record) is JobStatus.COMPLETED
    assert record.attempts[-1].job_name == record.job_name
    assert len(house.provider.jobs) == 1


def test_a_job_is_sent_again_only_after_two_listings_a_grace_apart(house):
    lose_the_answer(house, created=False)
    house.create()
    house.look()
    house.clock.advance(GRACE - 1)
    house.look()
    assert house.provider.jobs == {}
    house.clock.advance(1)
    house.look()
    record = only(house.store.load())
    assert record.tag == f"{record.job_id}-a2"
    assert len(house.provider.jobs) == 1
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_a_job_listed_late_is_adopted_and_not_sent_again(house):
    lose_the_answer(house, created=True)
    house.create()
    hidden, house.provider.jobs = house.provider.jobs, {}
    house.look()
    house.provider.jobs = hidden
    house.clock.advance(GRACE)
    house.look()
    assert len(house.provider.jobs) == 1
    assert only(house.store.load()).job_name in hidden


def test_a_dead_senders_job_is_resolved_like_a_lost_answer(house):
    _, jobs = house.plan()
    submit = house.provider.submit

    def dying(payload, *, tag, on_uploaded):
        submit(payload, tag=tag, on_uploaded=on_uploaded)
        raise SystemExit

    house.provider.submit = dying
    with pytest.raises(SystemExit):
        list(house.engine.submit_all(jobs))
    house.provider.submit = submit
    assert only(house.store.load()).state is JobState.SUBMITTING
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert len(house.provider.jobs) == 1


def test_a_listing_that_fails_changes_nothing(house):
    lose_the_answer(house, created=False)
    house.create()
    house.provider.fail_next["list_jobs"] = [LLMServerError("down")] * 99
    house.look()
    record = only(house.store.load())
    assert (record.state, record.missed_at) == (JobState.SUBMITTING, None)
    assert record.last_error == "down"


def test_a_live_sender_is_left_alone(house):
    lose_the_answer(house, created=False)
    house.create()
    record = only(house.store.load())
    with house.folders.claim(record.job_id):
        (look,) = house.engine.resolve_all([record])
    assert isinstance(look.error, ClaimedJobError)
    assert only(house.store.load()) == record


def test_another_accounts_key_cannot_prove_anything(house):
    lose_the_answer(house, created=True)
    house.create()
    house.provider.account = "other"
    for _ in range(3):
        house.clock.advance(GRACE)
        house.look()
    record = only(house.store.load())
    assert record.state is JobState.SUBMITTING
    assert status_of(record) is JobStatus.FAILED
    assert "another account" in (record.error_message or "")
    assert house.create() == []


def test_without_tags_a_running_candidate_is_waited_for_and_proven_by_its_answers(house):
    untagged(house)
    lose_the_answer(house, created=True)
    house.create()
    house.look()
    record = only(house.store.load())
    assert record.state is JobState.SUBMITTING
    assert status_of(record) is JobStatus.PENDING
    assert "fake/1" in (record.last_error or "")
    house.provider.get_batch_job("fake/1")
    house.clock.advance(10 * GRACE)
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert len(house.provider.jobs) == 1


def test_without_tags_somebody_elses_job_of_the_same_size_is_told_by_its_answers(house):
    untagged(house)
    lose_the_answer(house, created=True)
    house.create()
    house.provider.get_batch_job("fake/1")
    house.provider.sent["fake/1"] = [{"id": "somebody-1", "text": ""} for _ in house.provider.sent["fake/1"]]
    house.look()
    house.clock.advance(GRACE)
    house.look()
    record = only(house.store.load())
    assert record.tag == f"{record.job_id}-a2"
    assert len(house.provider.jobs) == 2


def test_a_list_that_lacks_a_job_known_to_exist_does_not_prove_another_one_absent(house):
    house.provider._polls_until_done = 1000
    _, (lost, known) = house.plan(jobs_per=JobsPer.DOCUMENT)
    lose_the_answer(house, created=True)
    for job in (lost, known):
        list(house.engine.submit_all([job]))
    listing = house.provider.list_jobs
    house.provider.list_jobs = lambda since: iter(())
    for _ in range(3):
        house.look()
        house.clock.advance(GRACE + 1)
    unresolved = house.store.get(lost.job_id)
    assert unresolved.state is JobState.SUBMITTING
    assert f"it does not show {known.job_id} either" in unresolved.last_error
    house.provider.list_jobs = listing
    house.look()
    assert house.store.get(lost.job_id).job_name is not None
    assert len(house.provider.jobs) == 2


def test_without_tags_jobs_that_other_records_have_are_no_candidates(house):
    untagged(house)
    house.create(jobs_per=JobsPer.DOCUMENT)
    known = {record.job_name for record in house.store.load()}
    house.task.words["c"] = ["five"]
    lose_the_answer(house, created=False)
    house.create()
    house.look()
    house.clock.advance(GRACE)
    house.look()
    assert len(house.provider.jobs) == len(known) + 1


def test_without_tags_a_candidate_that_cannot_be_proven_is_left_to_a_person(house):
    untagged(house)
    lose_the_answer(house, created=True)
    house.create()
    house.provider.get_batch_job("fake/1")
    house.provider.results = lambda job: iter(())
    house.look()
    record = only(house.store.load())
    assert status_of(record) is JobStatus.FAILED
    assert "--adopt" in (record.error_message or "")
    assert "fake/1" in (record.error_message or "")
    assert house.create() == []


def test_a_person_may_say_which_job_it_is(house):
    untagged(house)
    lose_the_answer(house, created=True)
    house.create()
    record = only(house.store.load())
    adopted = house.engine.reconciler.adopt(record.job_id, "fake/1", house.provider)
    assert adopted.job_name == "fake/1"
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_a_person_may_say_that_there_is_none(house):
    untagged(house)
    lose_the_answer(house, created=False)
    house.create()
    record = only(house.store.load())
    assert house.engine.reconciler.declare_absent(record.job_id).state is JobState.PLANNED
    house.look()
    assert only(house.store.load()).tag == f"{record.job_id}-a2"


def test_a_person_decides_nothing_about_a_job_that_was_resolved_meanwhile(house):
    lose_the_answer(house, created=True)
    house.create()
    house.look()
    record = only(house.store.load())
    with pytest.raises(TrackingError, match="meanwhile"):
        house.engine.reconciler.declare_absent(record.job_id)
    with pytest.raises(TrackingError, match="meanwhile"):
        house.engine.reconciler.adopt(record.job_id, "fake/1", house.provider)
    assert only(house.store.load()) == record
