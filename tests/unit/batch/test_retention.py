from dataclasses import replace
from datetime import timedelta

import pytest

from batchwright.batch.retention import retention_remark, until
from batchwright.job import BatchRef, JobRecord, JobState
from batchwright.testing import START

KEPT_UNTIL = START + timedelta(days=29)
RECORD = JobRecord(
    job_id="job-000000000001",
    provider_name="anthropic",
    task="t",
    model="m",
    batches=(BatchRef(group="g", document="d", index=0, item_ids=(0,)),),
    request_count=1,
    created_at=START,
    state=JobState.COMPLETED,
    job_name="msgbatch_1",
    results_until=KEPT_UNTIL,
)


def test_a_job_with_answers_to_fetch_shows_until_when():
    assert until(RECORD) == "until 2026-01-30"


@pytest.mark.parametrize(
    ("days_left", "told"), [(30, False), (6, False), (4, True), (-1, True)], ids=["long", "enough", "soon", "past"]
)
def test_a_person_is_told_in_time(days_left, told):
    remark = retention_remark(RECORD, KEPT_UNTIL - timedelta(days=days_left))
    assert (remark is not None) is told
    if remark is not None:
        assert "2026-01-30" in remark
        assert RECORD.job_id in remark


@pytest.mark.parametrize(
    "changes",
    [
        {"collected_at": START},
        {"cleaned_at": START},
        {"job_name": None},
    ],
    ids=["collected", "cleaned", "never created"],
)
def test_nobody_is_told_about_what_is_not_needed(changes):
    record = replace(RECORD, **changes)
    assert retention_remark(record, KEPT_UNTIL) is None
    assert until(record) == "-"


def test_an_input_that_goes_before_its_job_has_run_is_told():
    waiting = replace(RECORD, state=JobState.SUBMITTED, results_until=None, inputs_until=START + timedelta(hours=48))
    assert retention_remark(waiting, START + timedelta(hours=30)) is None
    assert "input" in (retention_remark(waiting, START + timedelta(hours=40)) or "")
