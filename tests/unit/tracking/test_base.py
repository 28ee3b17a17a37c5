from datetime import UTC, datetime

import pytest

from batchwright.errors import UnknownJobError
from batchwright.job import JobRecord
from batchwright.tracking.base import find_job


def make_record(job_id: str, job_name: str | None = None) -> JobRecord:
    return JobRecord(
        job_id=job_id,
        provider_name="openai",
        task="categorise",
        model="m",
        batches=(),
        request_count=0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        job_name=job_name,
    )


RECORDS = (
    make_record("job-01ka00000001", "batch_abc"),
    make_record("job-01ka00000002", "batch_abcdef"),
    make_record("job-01kb00000003"),
)


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("job-01ka00000002", 1),
        ("batch_abcdef", 1),
        ("abcd", 1),
        ("01kb", 2),
        ("0003", 2),
    ],
)
def test_a_job_is_found_by_either_identity_or_a_part_only_it_has(name, position):
    assert find_job(RECORDS, name) is RECORDS[position]


def test_a_whole_name_wins_over_being_part_of_another():
    assert find_job(RECORDS, "batch_abc") is RECORDS[0]


@pytest.mark.parametrize("name", ["zzz", ""])
def test_no_match_names_the_word_and_the_next_step(name):
    with pytest.raises(UnknownJobError, match=f"^no job matches '{name}'; see: batchwright batch-list$"):
        find_job(RECORDS, name)


def test_several_matches_are_listed():
    with pytest.raises(UnknownJobError) as caught:
        find_job(RECORDS, "job-01k")
    assert str(caught.value) == (
        "'job-01k' matches 3 jobs: job-01ka00000001 (batch_abc), job-01ka00000002 (batch_abcdef), "
        "job-01kb00000003 (not created yet); give more of the name"
    )


def test_a_long_list_of_matches_is_cut():
    records = [make_record(f"job-{number:012d}") for number in range(9)]
    with pytest.raises(UnknownJobError) as caught:
        find_job(records, "job-")
    assert "matches 9 jobs" in str(caught.value)
    assert "job-000000000004" in str(caught.value)
    assert "job-000000000005" not in str(caught.value)
