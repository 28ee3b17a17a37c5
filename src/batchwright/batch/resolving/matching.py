"""Is one of the provider's jobs the one we tried to create? Pure.

OpenAI and Gemini carry our tag and echo the uploaded file, so a match is exact and its absence means something.
Anthropic carries neither: there a job of the right age and size that nobody else has claimed is a candidate, and only
its answers' custom ids prove it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from batchwright.batch.lifecycle import position_of
from batchwright.job import Attempt, BatchJob, JobRecord
from batchwright.result import Result

CLOCK_SKEW = timedelta(minutes=5)
"""How far the vendor's clock may be behind ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a listing says about an attempt whose outcome is unknown."""

    found: BatchJob | None = None
    """The job, beyond doubt."""
    candidates: tuple[BatchJob, ...] = ()
    """Jobs that may be it; none means that the listing does not hold it."""
    behind: JobRecord | None = None
    """A job that exists and is not listed either: the listing lags, so that its silence means nothing."""


def match_exactly(attempt: Attempt, listed: Iterable[BatchJob]) -> Match:
    """Look for the attempt's job by tag, then by uploaded file, at a provider that echoes them."""
    jobs = list(listed)
    for job in jobs:
        if job.tag == attempt.tag:
            return Match(found=job)
    for job in jobs:
        if attempt.file_id is not None and job.input_file_id == attempt.file_id:
            return Match(found=job)
    return Match()


def match_by_age_and_size(
    record: JobRecord, attempt: Attempt, listed: Iterable[BatchJob], taken: Collection[str]
) -> Match:
    """Look for jobs that may be the attempt's; `taken` are job names that other records already have."""
    return Match(
        candidates=tuple(job for job in listed if job.job_name not in taken and _could_be(record, attempt, job))
    )


def missing_from(
    listed: Iterable[BatchJob], record: JobRecord, attempt: Attempt, known: Iterable[JobRecord]
) -> JobRecord | None:
    """Return a job of the same account that was created after the attempt began, still runs, and is not listed."""
    names = {job.job_name for job in listed}
    for other in known:
        same_list = (other.provider_name, other.account) == (record.provider_name, record.account)
        later = other.submitted_at is not None and other.submitted_at >= attempt.started_at
        if same_list and later and not other.state.ended and other.job_name not in {None, *names}:
            return other
    return None


def _could_be(record: JobRecord, attempt: Attempt, job: BatchJob) -> bool:
    young_enough = job.created_at is None or job.created_at >= attempt.started_at - CLOCK_SKEW
    return young_enough and job.counts.total == record.request_count


def proves(attempt: Attempt, first: Result | None) -> bool | None:
    """Say whether a candidate's first answer carries the attempt's tag; None when there is no answer to tell by."""
    if first is None or first.custom_id is None:
        return None
    return position_of(attempt.tag, first.custom_id) is not None
