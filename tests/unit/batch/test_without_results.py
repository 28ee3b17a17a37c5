"""A job has ended and its results cannot be had: they may still come, or are gone."""

import pytest

from batchwright.errors import JobNotReadyError, LLMNotFoundError
from batchwright.job import JobState, JobStatus, status_of


def only(records):
    (record,) = records
    return record


GONE = [LLMNotFoundError("no such file", status_code=404), JobNotReadyError("no results")]


@pytest.mark.parametrize("error", GONE)
def test_results_that_are_not_there_may_come_for_an_hour_and_are_lost_when_missed_twice_after_it(house, error):
    house.create()
    results = house.provider.results

    def none(_job):
        raise error

    house.provider.results = none
    for seconds in (0, 1800, 1799):
        house.clock.advance(seconds)
        (look,) = house.look()
        assert status_of(look.record) is JobStatus.PENDING
        assert look.record.last_error == str(error)
    for seconds in (1, 59):
        house.clock.advance(seconds)
        house.look()
        assert only(house.store.load()).state is JobState.COMPLETED
    house.clock.advance(1)
    (look,) = house.look()
    assert look.record.state is JobState.LOST
    assert "`batch-create` asks its items again" in (look.record.error_message or "")
    house.provider.results = results
    house.look()
    assert status_of(only(house.store.load())) is JobStatus.COMPLETED


def test_results_that_are_found_again_once_are_not_missed_any_more(house):
    house.create()
    house.provider.fail_next["results"] = [*GONE]
    house.look()
    house.clock.advance(7200)
    house.look()
    assert only(house.store.load()).missed_at is not None
    house.look()
    assert only(house.store.load()).missed_at is None


def test_with_another_accounts_key_results_are_never_lost(house):
    house.create()
    house.provider.account = "other"
    for _ in range(4):
        house.provider.fail_next["results"] = [GONE[0]]
        house.clock.advance(7200)
        house.look()
    assert only(house.store.load()).state is JobState.COMPLETED


def test_a_finished_job_of_which_nothing_came_back_is_asked_for_an_hour_before_its_requests_are_missing(house):
    house.create()
    house.provider.results = lambda _job: iter(())
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.PENDING
    house.clock.advance(3600)
    (look,) = house.look()
    assert status_of(look.record) is JobStatus.FAILED
    assert look.record.tally.missing == look.record.request_count
