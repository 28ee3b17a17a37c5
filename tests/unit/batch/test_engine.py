"""The whole batch engine over fakes: what is remembered, sent, collected and written."""

from dataclasses import replace

import pydantic_core
import pytest

from batchwright.batch.sending.planner import JobsPer
from batchwright.errors import (
    ClaimedJobError,
    LLMConnectionError,
    LLMInvalidRequestError,
    LLMProviderConfigurationError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
)
from batchwright.job import JobState, JobStatus, status_of
from batchwright.providers.base import Limits
from batchwright.result import Failure, FailureKind, Result, ResultStatus
from batchwright.tasks.overtaking import Overtaking
from batchwright.tasks.saving import save_rows


def only(records):
    (record,) = records
    return record


def test_documents_become_a_job_and_its_answers_become_reports(house):
    (submission,) = house.create()
    assert submission.record.state is JobState.SUBMITTED
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.COMPLETED
    assert house.report("a") == "id,word,answer\n0,one,ONE\n1,two,TWO\n2,three,THREE\n"
    assert house.report("b") == "id,word,answer\n0,four,FOUR\n"
    state = pydantic_core.from_json((house.folders.root.parent / "state.json").read_bytes())
    assert state == {
        "version": "1.0",
        "subjects": {
            "g": {
                "a": {"completed_batches": [0, 1], "total_issues": 3},
                "b": {"completed_batches": [0], "total_issues": 1},
            }
        },
    }


def test_every_custom_id_carries_the_tag_and_its_position(house):
    house.create()
    record = only(house.store.load())
    sent = house.provider.sent[record.job_name]
    assert [line["id"] for line in sent] == [f"{record.job_id}-a1-{n}" for n in range(3)]


def test_the_intent_is_on_record_before_the_create_is_sent(house):
    seen = []
    submit = house.provider.submit

    def spying(payload, *, tag, before_create):
        def uploaded(file_id):
            seen.append(only(house.store.load()))
            before_create(file_id)
            seen.append(only(house.store.load()))

        return submit(payload, tag=tag, before_create=uploaded)

    house.provider.submit = spying
    house.create()
    before, after = seen
    assert before.state is JobState.SUBMITTING
    assert before.attempts[-1].tag == f"{before.job_id}-a1"
    assert before.account == "fake-account"
    assert after.attempts[-1].file_id == f"file-{before.job_id}-a1"


def test_a_second_create_sends_nothing_while_pending_and_when_done(house):
    house.create()
    assert house.create() == []
    assert house.create(batch_size=3) == []
    house.look()
    assert house.create() == []
    assert house.create(batch_size=1) == []
    assert len(house.provider.jobs) == 1


def test_force_asks_everything_again(house):
    house.create()
    house.look()
    house.clock.advance(1)
    assert len(house.create(force=True)) == 1


@pytest.mark.parametrize(("jobs_per", "jobs"), [(JobsPer.RUN, 1), (JobsPer.DOCUMENT, 2), (JobsPer.BATCH, 3)])
def test_jobs_are_packed_as_asked(house, jobs_per, jobs):
    assert len(house.create(jobs_per=jobs_per)) == jobs


def test_a_job_never_exceeds_the_providers_limits(house):
    house.provider.limits = Limits(max_requests=2, max_bytes=1_000_000)
    house.create()
    assert sorted(len(lines) for lines in house.provider.sent.values()) == [1, 2]


def test_a_job_never_exceeds_the_providers_bytes(house):
    house.provider.limits = Limits(max_requests=100, max_bytes=100)
    house.create(batch_size=1)
    for record in house.store.load():
        size = house.folders.requests_path(record.job_id).stat().st_size
        assert size <= 100
    assert sum(len(lines) for lines in house.provider.sent.values()) == 4


def test_a_request_larger_than_a_job_may_be_is_skipped_by_name(house):
    house.task.words["a"][0] = "x" * 500
    house.provider.limits = Limits(max_requests=100, max_bytes=300)
    planned, jobs = house.plan()
    assert [skipped.document.name for skipped in planned.skipped] == ["a"]
    assert "smaller --batch-size" in planned.skipped[0].reason
    assert [batch.document for record in jobs for batch in record.batches] == ["b"]


def test_an_unreadable_document_is_skipped_and_the_others_go_on(house):
    house.task.unreadable.add("a")
    planned, jobs = house.plan()
    assert [skipped.document.name for skipped in planned.skipped] == ["a"]
    assert [batch.document for batch in only(jobs).batches] == ["b"]


def test_nothing_is_planned_when_nothing_can_be_read(house):
    house.task.unreadable.update("ab")
    planned, jobs = house.plan()
    assert len(planned.skipped) == 2
    assert jobs == []
    assert list(house.folders.root.glob("job-*")) == []


def test_a_refused_job_is_failed_and_its_items_can_be_asked_again(house):
    house.provider.fail_next["submit"] = [LLMInvalidRequestError("bad model")]
    (submission,) = house.create()
    assert submission.error is not None
    assert status_of(submission.record) is JobStatus.FAILED
    assert "bad model" in (submission.record.error_message or "")
    house.clock.advance(1)
    (again,) = house.create()
    assert again.record.state is JobState.SUBMITTED


@pytest.mark.parametrize("method", ["upload", "submit"])
@pytest.mark.parametrize("error", [LLMServerError("overloaded"), LLMConnectionError("no connection")])
def test_a_job_that_trouble_kept_from_being_created_stays_planned_and_is_sent_later(house, method, error):
    house.provider.fail_next[method] = [error]
    (submission,) = house.create()
    assert submission.waiting
    assert status_of(submission.record) is JobStatus.PENDING
    assert submission.record.last_error == str(error)
    house.look()
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert len(house.provider.sent) == 1


def test_a_refused_job_does_not_stop_the_others(house):
    house.provider.fail_next["submit"] = [LLMInvalidRequestError("no")]
    outcomes = house.create(jobs_per=JobsPer.BATCH)
    assert sorted(bool(submission.error) for submission in outcomes) == [False, False, True]


def test_a_rate_limited_job_stays_planned_and_is_sent_by_a_later_look_under_a_new_tag(house):
    house.provider.fail_next["submit"] = [LLMRateLimitError("slow down", retry_after=3)]
    (submission,) = house.create()
    assert submission.record.state is JobState.PLANNED
    assert status_of(submission.record) is JobStatus.PENDING
    house.look()
    record = only(house.store.load())
    assert record.tag == f"{record.job_id}-a2"
    assert next(line["id"] for line in house.provider.sent[record.job_name]) == f"{record.job_id}-a2-0"
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_trouble_with_the_account_stops_sending_and_leaves_everything_planned(house):
    house.task.words |= {f"d{n}": ["word"] for n in range(20)}
    house.provider.fail_next["submit"] = [LLMQuotaError("credit used up")] * 4
    outcomes = house.create(jobs_per=JobsPer.DOCUMENT)
    tried = [submission for submission in outcomes if not submission.held]
    assert 1 <= len(tried) <= 4
    assert len(outcomes) == 22
    assert {record.state for record in house.store.load()} == {JobState.PLANNED}
    assert house.create() == []
    house.provider.fail_next.clear()
    list(house.engine.submit_all(house.store.load()))
    assert {record.state for record in house.store.load()} == {JobState.SUBMITTED}


def test_an_account_in_trouble_needs_a_person(house):
    house.provider.fail_next["submit"] = [LLMProviderConfigurationError("key refused", status_code=401)]
    (submission,) = house.create()
    assert not submission.waiting
    assert status_of(submission.record) is JobStatus.FAILED
    assert "batch-create" in (submission.record.error_message or "")


def test_an_unknown_model_is_about_the_job_and_not_about_the_account(house):
    house.provider.fail_next["submit"] = [LLMProviderConfigurationError("no such model", status_code=404)]
    (submission,) = house.create()
    assert submission.record.state is JobState.FAILED


def test_a_planned_job_without_its_file_is_this_machines_trouble_and_not_planned_twice(house):
    _, jobs = house.plan()
    path = house.folders.requests_path(only(jobs).job_id)
    content = path.read_bytes()
    path.unlink()
    (look,) = house.look()
    assert "missing here" in str(look.error)
    assert house.store.load() == tuple(jobs)
    assert house.create() == []
    path.write_bytes(content)
    house.look()
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_a_job_that_another_process_is_sending_is_left_alone(house):
    _, jobs = house.plan()
    job_id = only(jobs).job_id
    house.store.update(job_id, lambda old: replace(old, state=JobState.SUBMITTING))
    with house.folders.claim(job_id):
        (look,) = house.look()
    assert "another process" in str(look.error)
    assert only(house.store.load()).error_message is None


@pytest.mark.parametrize("method", ["get_batch_job", "results"])
def test_trouble_while_looking_changes_nothing_but_last_error(house, method):
    house.create()
    house.provider.fail_next[method] = [LLMServerError("overloaded")] * house.engine.patience.tries
    before = only(house.store.load())
    (look,) = house.look()
    assert look.error is not None
    assert status_of(look.record) is JobStatus.PENDING
    assert look.record.last_error == "overloaded"
    assert look.record.attempts == before.attempts
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert only(house.store.load()).last_error is None


@pytest.mark.parametrize("method", ["get_batch_job", "results"])
def test_a_read_that_fails_once_is_tried_again_at_once(house, method):
    house.create()
    house.provider.fail_next[method] = [LLMServerError("overloaded")]
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.COMPLETED


def test_two_fetches_at_once_do_not_write_one_jobs_answers_together(house):
    house.create()
    record = only(house.store.load())
    with house.folders.claim(record.job_id):
        (look,) = house.look()
    assert isinstance(look.error, ClaimedJobError)
    assert status_of(look.record) is JobStatus.PENDING


def test_a_missing_key_while_looking_is_trouble_on_our_side(house):
    house.create()
    house.provider.fail_next["get_batch_job"] = [LLMProviderConfigurationError("key refused", status_code=401)]
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.PENDING


def test_a_job_is_lost_only_after_two_answers_of_not_found_apart_and_comes_back(house):
    house.create()
    record = only(house.store.load())
    vanished = house.provider.jobs.pop(record.job_name)
    house.look()
    assert only(house.store.load()).state is JobState.SUBMITTED
    house.clock.advance(1)
    house.look()
    assert only(house.store.load()).state is JobState.SUBMITTED
    house.clock.advance(60)
    house.look()
    lost = only(house.store.load())
    assert lost.state is JobState.LOST
    assert status_of(lost) is JobStatus.FAILED
    assert "does not know" in (lost.error_message or "")
    house.provider.jobs[record.job_name] = vanished
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_another_accounts_key_never_makes_a_job_lost(house):
    house.create()
    record = only(house.store.load())
    del house.provider.jobs[record.job_name]
    house.provider.account = "other"
    for _ in range(3):
        house.clock.advance(1000)
        house.look()
    record = only(house.store.load())
    assert record.state is JobState.SUBMITTED
    assert status_of(record) is JobStatus.FAILED
    assert "another" in (record.error_message or "")
    assert house.create() == []


def test_a_failed_request_leaves_its_items_unanswered_and_the_rest_saved(house):
    house.create()
    answers = house.provider.results

    def one_fails(job):
        for result in answers(job):
            if result.custom_id.endswith("-0"):
                failure = Failure(kind=FailureKind.SERVER, message="internal error")
                yield Result(custom_id=result.custom_id, status=ResultStatus.ERRORED, failure=failure)
            else:
                yield result

    house.provider.results = one_fails
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.FAILED
    assert [batch.unanswered for batch in look.record.batches] == [(0, 1), (), ()]
    assert look.record.error_message == (
        "2 of 4 items have no answer (requests: 1 errored); `batch-create` asks them again"
    )
    assert look.collection.warnings == ("a: internal error",)
    house.clock.advance(1)
    house.provider.results = answers
    house.create()
    house.look()
    assert "0,one,ONE" in house.report("a")


def test_every_request_is_accounted_for_by_id(house):
    house.create()
    answers = house.provider.results

    def mangled(job):
        first, second, _third = answers(job)
        stranger = replace(first, custom_id="somebody-else-7")
        yield from (first, first, second, stranger)

    house.provider.results = mangled
    (look,) = house.look()
    tally = look.record.tally
    assert (tally.succeeded, tally.missing, tally.duplicates, tally.unknown) == (2, 1, 1, 1)
    assert status_of(look.record) is JobStatus.FAILED


@pytest.mark.parametrize(("state", "outcome"), [(JobState.EXPIRED, "expired"), (JobState.CANCELLED, "cancelled")])
def test_an_ended_job_keeps_what_it_answered(house, state, outcome):
    house.create()
    record = only(house.store.load())
    house.provider.jobs[record.job_name] = replace(house.provider.jobs[record.job_name], state=state)
    answers = house.provider.results
    house.provider.results = lambda job: list(answers(job))[:1]
    (look,) = house.look()
    assert (look.record.tally.succeeded, getattr(look.record.tally, outcome)) == (1, 2)
    assert house.report("b") == "id,word,answer\n0,four,FOUR\n"


def test_a_job_failed_by_the_provider_says_why(house):
    house.create()
    record = only(house.store.load())
    job = house.provider.jobs[record.job_name]
    house.provider.jobs[record.job_name] = replace(job, state=JobState.FAILED, error="line 3: invalid json")
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.FAILED
    assert "line 3: invalid json" in (look.record.error_message or "")


def test_answers_are_not_merged_onto_items_that_changed(house):
    house.create()
    house.task.words["a"] = ["zero", "one", "two"]
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.FAILED
    assert "--accept-changed" in (look.record.error_message or "")
    assert not house.task.report_path("g", "a").exists()
    assert house.report("b") == "id,word,answer\n0,four,FOUR\n"


def test_changed_items_can_be_accepted(house):
    house.create()
    house.task.words["a"] = ["zero", "one", "two"]
    house.engine = replace(house.engine, collector=replace(house.engine.collector, accept_changed=True))
    house.look()
    assert "0,zero,ONE" in house.report("a")


def test_a_report_that_cannot_be_written_keeps_the_answers_and_is_not_asked_again(house):
    house.create()
    path = house.task.report_path("g", "a")
    path.mkdir(parents=True)
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.FAILED
    assert "the answers are kept" in (look.record.error_message or "")
    assert house.folders.results_path(look.record.job_id).is_file()
    path.rmdir()
    assert house.create() == []
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED
    assert "0,one,ONE" in house.report("a")


def test_collecting_twice_changes_nothing(house):
    house.create()
    house.look()
    before = house.report("a")
    house.look()
    assert house.report("a") == before


def test_cancelling_asks_the_provider_and_drops_what_was_never_sent(house):
    house.create(jobs_per=JobsPer.DOCUMENT)
    house.task.words["c"] = ["five"]
    house.plan()
    outcomes = {look.record.state for look in house.engine.cancel_all(house.store.load())}
    assert outcomes == {JobState.CANCELLED}
    dropped = house.store.load()[-1]
    assert dropped.job_name is None
    assert status_of(dropped) is JobStatus.FAILED
    house.clock.advance(1)
    _, jobs = house.plan()
    assert [batch.document for record in jobs for batch in record.batches] == ["c"]


def test_a_job_that_was_sent_meanwhile_is_not_dropped(house):
    _, jobs = house.plan()
    list(house.engine.submit_all(jobs))
    (look,) = house.engine.cancel_all(jobs)
    assert "sent meanwhile" in str(look.error)
    assert only(house.store.load()).state is JobState.SUBMITTED
    assert house.create() == []


def test_cancelling_a_job_nobody_knows_of_says_so_and_changes_nothing(house):
    _, jobs = house.plan()
    house.store.update(only(jobs).job_id, lambda old: replace(old, state=JobState.SUBMITTING, last_error="the truth"))
    before = house.store.load()
    (look,) = house.engine.cancel_all(before)
    assert "batch-reconcile" in str(look.error)
    assert house.store.load() == before


def test_an_old_look_never_moves_a_job_back(house):
    house.create()
    stale = house.store.load()
    running = house.provider.jobs[only(stale).job_name]
    house.look()
    collected = house.store.load()
    house.provider.get_batch_job = lambda _name: running
    list(house.engine.look_at_all(stale))
    assert house.store.load() == collected


def test_a_job_given_back_twice_is_sent_again_once(house):
    house.create()
    stale = house.store.load()
    name = only(stale).job_name
    job = replace(house.provider.jobs[name], state=JobState.FAILED, error="limit", over_quota=True)
    house.provider.jobs[name] = job
    house.look()
    resent = list(house.engine.submit_all(house.store.load()))
    list(house.engine.look_at_all(stale))
    assert {record.job_id for record in house.store.load()} >= {submission.record.job_id for submission in resent}
    assert all(
        house.store.get(submission.record.job_id).job_name == submission.record.job_name for submission in resent
    )


def test_force_does_not_ask_what_an_unresolved_job_may_have_paid_for(house):
    _, jobs = house.plan()
    house.store.update(only(jobs).job_id, lambda old: replace(old, state=JobState.SUBMITTING))
    assert house.create(force=True) == []


def test_an_older_job_fetched_late_never_overwrites_a_newer_answer(house):
    house.create()
    older = house.store.load()
    house.clock.advance(1)
    house.provider._answer = lambda text: text.upper() + "!"
    newer = [submission.record for submission in house.create(force=True)]
    list(house.engine.look_at_all(newer))
    house.provider._answer = lambda text: text.upper()
    list(house.engine.look_at_all(older))
    assert house.report("b") == "id,word,answer\n0,four,FOUR!\n"
    assert {status_of(record) for record in house.store.load()} == {JobStatus.COMPLETED}


def answered_live(house, document, *rows):
    """As a live run by force does: rows for items that a job was asked about."""
    Overtaking(store=house.store).note(("g", document), {int(row["id"]) for row in rows})
    save_rows(house.task, ("g", document), rows, lock_folder=house.folders.locks)


def test_a_job_never_overwrites_what_a_live_run_was_told_to_ask_again(house):
    house.create()
    answered_live(house, "a", {"id": "1", "word": "two", "answer": "newer"})
    for _ in range(2):  # a job may be fetched again
        list(house.engine.look_at_all(house.store.load()))
        assert house.report("a") == "id,word,answer\n0,one,ONE\n1,two,newer\n2,three,THREE\n"
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_a_live_run_that_answers_while_a_job_is_downloaded_keeps_its_rows_too(house):
    house.create()
    results = house.provider.results

    def slow(job):
        yield from results(job)
        answered_live(house, "b", {"id": "0", "word": "four", "answer": "newer"})

    house.provider.results = slow
    house.look()
    assert house.report("b") == "id,word,answer\n0,four,newer\n"
    assert [batch.overtaken for batch in only(house.store.load()).batches] == [(), (), (0,)]
    house.look()
    assert house.report("b") == "id,word,answer\n0,four,newer\n"


def test_an_item_whose_live_answer_never_came_to_disk_has_the_jobs(house):
    house.create()
    Overtaking(store=house.store).note(("g", "b"), {0})
    house.look()
    assert house.report("b") == "id,word,answer\n0,four,FOUR\n"


def test_what_a_later_job_answers_is_closed_in_the_earlier_one(house):
    house.create()
    answers = house.provider.results
    house.provider.results = lambda _job: iter(())
    house.clock.advance(7200)
    house.look()
    house.clock.advance(7200)
    house.look()
    (parent,) = house.store.load()
    assert status_of(parent) is JobStatus.FAILED
    house.provider.results = answers
    house.clock.advance(1)
    created = [submission.record for submission in house.create()]
    list(house.engine.look_at_all(created))
    assert {status_of(record) for record in house.store.load()} == {JobStatus.COMPLETED}


def test_a_collected_job_is_never_lost(house):
    house.create()
    house.look()
    record = only(house.store.load())
    del house.provider.jobs[record.job_name]
    for _ in range(3):
        house.clock.advance(1000)
        house.look()
    assert only(house.store.load()).state is JobState.COMPLETED
