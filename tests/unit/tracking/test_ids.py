from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from batchwright.tracking.ids import JOB_ID, JobIds, hashed_job_id

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)


@given(MOMENTS, st.integers(0, 2**15 - 1))
def test_an_id_is_job_and_twelve_lower_case_characters(now, drawn):
    job_id = JobIds(lambda: now, lambda _: drawn)()
    assert len(job_id) == 16
    assert JOB_ID.fullmatch(job_id)


@given(MOMENTS, st.integers(1, 10**9), st.integers(0, 2**15 - 1), st.integers(0, 2**15 - 1))
def test_ids_sort_by_time(now, later_ms, first, second):
    later = now + timedelta(milliseconds=later_ms + 1)
    assert JobIds(lambda: now, lambda _: first)() < JobIds(lambda: later, lambda _: second)()


def test_ids_made_at_one_moment_differ_and_keep_their_order():
    make = JobIds(lambda: datetime(2026, 11, 20, tzinfo=UTC))
    ids = [make() for _ in range(40_000)]
    assert len(set(ids)) == 40_000
    assert ids == sorted(ids)


def test_two_processes_at_one_moment_draw_different_ids():
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert len({JobIds(lambda: now)() for _ in range(20)}) > 15


def test_a_hashed_id_is_the_same_in_every_process():

    assert hashed_job_id("batches/abc") != hashed_job_id("batches/abd")
    assert hashed_job_id("batches/ab12cd34") == HASH_OF_KNOWN_NAME


HASH_OF_KNOWN_NAME = "job-z6pv8apjs6g8"
