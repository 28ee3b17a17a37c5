"""Asking again what a collected job left open."""

from dataclasses import replace

import pytest

from batchwright.batch.retries import MAX_RETRIES
from batchwright.batch.retrying import Retrying, RetryWish
from batchwright.batch.sending.assembler import Assembly
from batchwright.batch.sending.planner import JobsPer
from batchwright.job import JobState, JobStatus, status_of
from batchwright.result import Failure, FailureKind, Result, ResultStatus
from batchwright.tasks.planning import key_of, pending_items
from batchwright.tasks.remaining import answered_items


def retry(house, parent, *, busy=(), **wish):
    settled = {key: set(items) for key, items in pending_items(house.store.load()).items()}
    for document in house.task.documents():
        settled.setdefault(key_of(document), set()).update(answered_items(house.task, document))
    house.clock.advance(1)
    retrying = Retrying(
        parent=parent,
        assembly=Assembly(
            task=house.task,
            provider=house.provider,
            jobs_per=JobsPer.RUN,
            batch_size=parent.batch_size,
            parent=parent,
            open_payload=lambda job_id, suffix: house.folders.writer(house.folders.requests_path(job_id, suffix)),
            new_job_id=house.job_ids,
            now=house.clock.now,
        ),
        folders=house.folders,
        wish=RetryWish(**wish),
        settled=settled,
        busy=busy,
    )
    jobs = list(retrying.write_jobs())
    house.store.add(jobs)
    return jobs, retrying.left


def collected_with(house, outcome):
    """Create and collect a job whose first request ends as `outcome(result)` says; an answer of None is left out."""
    house.create()
    answers = house.provider.results

    def changed(job):
        for result in answers(job):
            changed_result = outcome(result) if result.custom_id.endswith("-0") else result
            if changed_result is not None:
                yield changed_result

    house.provider.results = changed
    (look,) = house.look()
    house.provider.results = answers
    return look.record


def errored(kind):
    failure = Failure(kind=kind, message="the reason")
    return lambda result: Result(custom_id=result.custom_id, status=ResultStatus.ERRORED, failure=failure)


@pytest.mark.parametrize("outcome", [errored(FailureKind.SERVER), lambda _: None], ids=["errored", "missing"])
def test_only_the_requests_without_an_answer_are_asked_again(house, outcome):
    parent = collected_with(house, outcome)
    (record,), left = retry(house, parent)
    assert left == []
    assert [(batch.document, batch.item_ids) for batch in record.batches] == [("a", (0, 1))]
    assert (record.parent, record.retries) == (parent.job_id, 1)
    list(house.engine.submit_all([record]))
    house.look()
    assert status_of(house.store.get(record.job_id)) is JobStatus.COMPLETED
    assert house.report("a").count("\n") == 4


@pytest.mark.parametrize("kind", [FailureKind.INVALID_REQUEST, FailureKind.BLOCKED])
def test_what_would_fail_again_is_left_with_its_reason_unless_asked_for(house, kind):
    parent = collected_with(house, errored(kind))
    jobs, (left,) = retry(house, parent)
    assert jobs == []
    assert "the reason" in left.reason
    assert "--include-invalid" in left.reason
    (record,), left = retry(house, parent, include_invalid=True)
    assert (record.request_count, left) == (1, [])


def test_items_in_a_live_job_or_answered_since_are_not_asked_twice(house):
    parent = collected_with(house, errored(FailureKind.SERVER))
    (record,), _ = retry(house, parent)
    assert retry(house, parent) == ([], [])
    list(house.engine.submit_all([record]))
    house.look()
    assert retry(house, parent) == ([], [])


def test_what_a_live_run_is_asking_about_is_left_to_it(house):
    parent = collected_with(house, errored(FailureKind.SERVER))
    jobs, (left,) = retry(house, parent, busy={("g", "a")})
    assert jobs == []
    assert (left.batch.document, left.batch.item_ids) == ("a", (0, 1))
    assert "live run" in left.reason
    (record,), left = retry(house, parent, busy={("g", "b")})
    assert (record.request_count, left) == (1, [])


def test_tries_are_limited(house):
    parent = replace(collected_with(house, errored(FailureKind.SERVER)), retries=MAX_RETRIES)
    jobs, (left,) = retry(house, parent)
    assert jobs == []
    assert "--max-retries" in left.reason
    assert len(retry(house, parent, max_retries=MAX_RETRIES + 1)[0]) == 1


def test_an_expired_job_uses_up_no_try(house):
    expired = replace(collected_with(house, errored(FailureKind.SERVER)), state=JobState.EXPIRED, retries=MAX_RETRIES)
    (record,), _ = retry(house, expired)
    assert record.retries == MAX_RETRIES


def test_an_answer_that_left_items_out_is_asked_for_those_alone(house):
    parent = collected_with(house, lambda result: replace(result, text="0=ONE"))
    (record,), _ = retry(house, parent)
    assert [batch.item_ids for batch in record.batches] == [(1,)]


@pytest.mark.parametrize("repair", [True, False])
def test_a_repair_tells_the_model_what_was_wrong(house, repair):
    parent = collected_with(house, lambda result: replace(result, text=""))
    (record,), _ = retry(house, parent, repair=repair)
    payload = house.folders.requests_path(record.job_id).read_text(encoding="utf-8")
    assert ("could not be used" in payload) is repair
    assert "0=one" in payload


def test_a_document_that_changed_is_left_with_its_reason(house):
    parent = collected_with(house, errored(FailureKind.SERVER))
    house.task.words["a"] = []
    jobs, (left,) = retry(house, parent)
    assert (jobs, left.reason) == ([], "gone")


def test_without_the_answers_nothing_is_asked_again_on_a_guess(house):
    parent = collected_with(house, errored(FailureKind.INVALID_REQUEST))
    house.folders.results_path(parent.job_id).unlink()
    jobs, (left,) = retry(house, parent)
    assert jobs == []
    assert "batch-fetch" in left.reason
