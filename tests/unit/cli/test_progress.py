"""The line that says what is waited for, where there is no terminal."""

from datetime import UTC, datetime

from batchwright.cli.progress import Progress
from batchwright.job import JobRecord
from batchwright.testing import FakeClock


def test_a_job_whose_first_look_has_not_ended_is_one_of_those_waited_for(capsys):
    now = datetime(2026, 11, 20, tzinfo=UTC)
    record = JobRecord(
        job_id="job-0123456789ab",
        provider_name="openai",
        task="categorise",
        model="m",
        batches=(),
        request_count=3,
        created_at=now,
    )
    with Progress(FakeClock()) as progress:
        progress.show([record], {})
    assert "waiting for 1 of 1 job(s), 0/3 requests" in capsys.readouterr().err
