"""A create whose answer was lost: found again, proven absent, or left; never sent on a guess."""

from dataclasses import replace
from datetime import timedelta

import pytest

from batchwright.batch.sending.planner import JobsPer
from batchwright.errors import ClaimedJobError, LLMOutcomeUnknownError, LLMServerError, TrackingError
from batchwright.job import JobState, JobStatus, status_of

GRACE = 60
UNFENCED_GRACE = 900
HOUR = 3_600
DAY = 86_400


def only(records):
    (record,) = records
    return record


def lose_the_answer(house, *, created):
    """Make the next create end with its answer lost, whether or not the provider made the job."""
    submit = house.provider.submit

    def losing(payload, *, tag, before_create):
        house.provider.submit = submit
        if created:
            submit(payload, tag=tag, before_create=before_create)
        else:
            before_create(f"file-{tag}" if house.provider.tags_jobs else None)
        raise LLMOutcomeUnknownError("connection lost")

    house.provider.submit = losing


def die(house, *, created=None):
    """Make the next sender die: before the create could leave (None), or after, when the job was created or not."""
    submit = house.provider.submit

    def dying(payload, *, tag, before_create):
        house.provider.submit = submit
        if created:
            submit(payload, tag=tag, before_create=before_create)
        elif created is False:
            before_create(f"file-{tag}" if house.provider.tags_jobs else None)
        raise SystemExit

    house.provider.submit = dying
    with pytest.raises(SystemExit):
        house.create()


def lose_the_answer_of(house):
    lose_the_answer(house, created=True)
    house.create()


def untagged(house):
    """Turn the provider into one that carries no tag and takes no upload, as Anthropic."""
    house.provider.tags_jobs = False
    submit = house.provider.submit
    house.provider.submit = lambda payload, *, tag, before_create: submit(
        payload, tag=tag, before_create=lambda _file_id: before_create(None)
    )
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


def test_a_create_that_never_left_is_sent_again_at_once_and_no_list_is_asked(house):
    die(house)
    house.provider.fail_next["list_jobs"] = [LLMServerError("down")] * 99
    house.provider.account = "other"
    house.look()
    record = only(house.store.load())
    assert record.tag == f"{record.job_id}-a2"
    assert len(house.provider.jobs) == 1
    assert house.provider.deleted == []


def test_a_dead_senders_job_is_sent_again_only_when_it_is_missing_and_can_run_no_more(house):
    die(house, created=False)
    record = only(house.store.load())
    for wait, deleted in ((0, []), (GRACE - 1, []), (1, [f"file-{record.tag}"]), (GRACE - 1, [f"file-{record.tag}"])):
        house.clock.advance(wait)
        house.look()
        assert house.provider.deleted == deleted
        assert house.provider.jobs == {}
    house.clock.advance(1)
    house.look()
    record = only(house.store.load())
    assert record.tag == f"{record.job_id}-a2"
    assert len(house.provider.jobs) == 1
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_a_job_whose_answer_was_seen_to_be_lost_is_sent_again_only_when_no_list_can_lag_so_long(house):
    lose_the_answer(house, created=False)
    house.create()
    house.look()
    house.clock.advance(GRACE)
    house.look()
    assert len(house.provider.deleted) == 1
    until = house.clock.now() + timedelta(hours=1)
    house.clock.advance(HOUR - 1)
    house.look()
    record = only(house.store.load())
    assert status_of(record) is JobStatus.PENDING
    assert "--absent" in record.last_error
    assert f"if it is still not listed at {until:%Y-%m-%d %H:%MZ}" in record.last_error
    assert house.provider.jobs == {}
    house.clock.advance(1)
    house.look()
    record = only(house.store.load())
    assert record.tag == f"{record.job_id}-a2"
    assert len(house.provider.jobs) == 1


def test_a_grace_that_is_longer_than_any_list_lags_is_waited_for_and_said(house):
    house.engine = replace(house.engine, grace=3 * HOUR)
    lose_the_answer(house, created=False)
    house.create()
    house.look()
    house.clock.advance(3 * HOUR)
    house.look()
    until = house.clock.now() + timedelta(hours=3)
    assert f"if it is still not listed at {until:%Y-%m-%d %H:%MZ}" in only(house.store.load()).last_error
    house.clock.advance(3 * HOUR - 1)
    house.look()
    assert house.provider.jobs == {}
    house.clock.advance(1)
    house.look()
    assert len(house.provider.jobs) == 1


@pytest.mark.parametrize("lose", [lambda house: die(house, created=True), lose_the_answer_of])
def test_a_job_that_was_there_when_its_input_was_deleted_is_adopted(house, lose):
    lose(house)
    hidden, house.provider.jobs = house.provider.jobs, {}
    house.look()
    house.clock.advance(GRACE)
    house.look()
    assert len(house.provider.deleted) == 1
    house.provider.jobs = hidden
    house.clock.advance(GRACE)
    house.look()
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert len(house.provider.jobs) == 1


def test_a_job_that_came_late_and_failed_for_want_of_its_input_is_asked_again_by_batch_create(house):
    die(house, created=True)
    hidden, house.provider.jobs = house.provider.jobs, {}
    house.look()
    house.clock.advance(GRACE)
    house.look()
    house.provider.jobs = {
        name: replace(job, state=JobState.FAILED, provider_state="failed", error="no such file")
        for name, job in hidden.items()
    }
    house.look()
    record = only(house.store.load())
    assert (record.state, status_of(record)) == (JobState.FAILED, JobStatus.FAILED)
    assert "no such file" in record.error_message
    house.create()
    house.look()
    assert {status_of(record) for record in house.store.load()} == {JobStatus.FAILED, JobStatus.COMPLETED}


def test_a_job_whose_input_cannot_be_deleted_is_not_sent_again(house):
    die(house, created=False)
    house.look()
    house.provider.fail_next["delete_input"] = [LLMServerError("down")] * 99
    for _ in range(5):
        house.clock.advance(DAY)
        house.look()
    record = only(house.store.load())
    assert (record.state, house.provider.jobs) == (JobState.SUBMITTING, {})
    assert "its input is deleted, which failed: down" in record.last_error
    house.provider.fail_next.clear()
    for _ in range(2):
        house.look()
        house.clock.advance(GRACE)
    house.look()
    assert len(house.provider.jobs) == 1


def test_without_an_upload_a_job_that_may_have_left_is_missing_for_long_before_it_is_sent_again(house):
    untagged(house)
    die(house, created=False)
    for wait in (0, UNFENCED_GRACE - 1):
        house.clock.advance(wait)
        house.look()
        assert house.provider.jobs == {}
    house.clock.advance(1)
    house.look()
    assert len(house.provider.jobs) == 1
    assert house.provider.deleted == []


def test_without_an_upload_a_job_whose_answer_was_seen_to_be_lost_is_never_sent_again_by_itself(house):
    untagged(house)
    lose_the_answer(house, created=True)
    house.create()
    hidden, house.provider.jobs = house.provider.jobs, {}
    for _ in range(3):
        house.look()
        house.clock.advance(30 * DAY)
    record = only(house.store.load())
    assert (record.state, status_of(record)) == (JobState.SUBMITTING, JobStatus.FAILED)
    assert "--adopt" in record.error_message
    assert house.create() == []
    house.provider.jobs = hidden
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.PENDING
    house.provider.get_batch_job("fake/1")
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert len(house.provider.jobs) == 1


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

    def dying(payload, *, tag, before_create):
        submit(payload, tag=tag, before_create=before_create)
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
    die(house, created=True)
    house.provider.get_batch_job("fake/1")
    house.provider.sent["fake/1"] = [{"id": "somebody-1", "text": ""} for _ in house.provider.sent["fake/1"]]
    house.look()
    house.clock.advance(UNFENCED_GRACE)
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
    die(house, created=False)
    house.look()
    house.clock.advance(UNFENCED_GRACE)
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
    assert house.engine.reconciler.declare_absent(record.job_id, house.provider).state is JobState.PLANNED
    house.look()
    assert only(house.store.load()).tag == f"{record.job_id}-a2"


def test_a_person_decides_nothing_about_a_job_that_was_resolved_meanwhile(house):
    lose_the_answer(house, created=True)
    house.create()
    house.look()
    record = only(house.store.load())
    with pytest.raises(TrackingError, match="meanwhile"):
        house.engine.reconciler.declare_absent(record.job_id, house.provider)
    with pytest.raises(TrackingError, match="meanwhile"):
        house.engine.reconciler.adopt(record.job_id, "fake/1", house.provider)
    assert only(house.store.load()) == record
