"""How a record changes. Pure: every event has one function from the old record to the new one.

Only the provider's own word moves `state` of a job that was sent. What goes wrong on our side is noted in `last_error`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from batchwright.errors import BatchwrightError, LLMProviderConfigurationError, LLMProviderError, LLMQuotaError
from batchwright.job import Attempt, BatchJob, BatchRef, CreateCall, JobRecord, JobState, Tally
from batchwright.result import ResultStatus

NOT_FOUND = 404
SETTLING = timedelta(hours=1)
"""How long after a job ended it is taken for normal that its results cannot be had yet."""


def next_tag(record: JobRecord) -> str:
    """Return the tag of the next attempt to create this job."""
    last = record.attempts[-1].tag.rpartition("-a")[2] if record.attempts else "0"
    return f"{record.job_id}-a{int(last) + 1}"


def change_attempt(record: JobRecord, **fields: Any) -> JobRecord:
    """Return the record with fields of its last attempt changed."""
    *earlier, last = record.attempts
    return replace(record, attempts=(*earlier, replace(last, **fields)))


def unmoved(now: JobRecord, seen: JobRecord) -> bool:
    """Say whether a record is still about what was seen: not sent again, given back or collected by somebody else."""
    return (
        now.job_name == seen.job_name
        and len(now.attempts) == len(seen.attempts)
        and now.collected_at == seen.collected_at
        and now.request_count == seen.request_count
    )


_MOST_DIGITS = 18
"""Of a position: longer numbers are nobody's, and Python refuses to read very long ones."""


def custom_id(tag: str, position: int) -> str:
    """Return the id of a job's n-th request, counted from 0."""
    return f"{tag}-{position}"


def position_of(tag: str, custom_id: str | None) -> int | None:
    """Return the n of one of our custom ids, or None if it was not sent under `tag`."""
    prefix = tag + "-"
    if custom_id is None or not custom_id.startswith(prefix):
        return None
    number = custom_id[len(prefix) :]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS else None


def intended(record: JobRecord, *, tag: str, account: str, now: datetime) -> JobRecord:
    """A create is about to be sent; this is on disk before the first byte leaves."""
    attempt = Attempt(tag=tag, started_at=now, create=CreateCall.HELD)
    return replace(
        record,
        state=JobState.SUBMITTING,
        account=account,
        attempts=(*record.attempts, attempt),
        last_error=None,
        error_message=None,
    )


def leaving(record: JobRecord, file_id: str | None) -> JobRecord:
    """The create may take effect from now on; the uploaded input's id, if any, finds the job should it get lost."""
    return change_attempt(record, create=CreateCall.SENT, file_id=file_id)


def created(record: JobRecord, job: BatchJob, now: datetime) -> JobRecord:
    """The provider answered the create."""
    record = change_attempt(record, job_name=job.job_name, create=CreateCall.SENT)
    return observed(replace(record, job_name=job.job_name, submitted_at=now), job, now)


def refused(record: JobRecord, error: LLMProviderError) -> JobRecord:
    """The provider answered that it created nothing.

    What waiting mends (a rate limit, a lost network, a provider in trouble) leaves the job planned, to be sent by a
    later look; so does trouble with the account, but then only a person can mend it. Anything else is about this job,
    whose items may be planned again.
    """
    record = replace(change_attempt(record, error=str(error)), last_error=str(error))
    if error.retryable:
        return replace(record, state=JobState.PLANNED)
    if is_account_trouble(error):
        why = f"not sent: {error}; when that is mended, `batch-create` sends it"
        return replace(record, state=JobState.PLANNED, error_message=why)
    why = f"not created: {error}; when that is mended, `batch-create` asks its items again"
    return replace(record, state=JobState.FAILED, error_message=why)


def sent_back(record: JobRecord, error: LLMProviderError) -> JobRecord:
    """The provider found the job too large and created nothing."""
    return replace(change_attempt(record, error=str(error)), state=JobState.PLANNED, last_error=str(error))


def is_account_trouble(error: Exception | None) -> bool:
    """Say whether every job of the account would be refused like this: quota, credit, key; not an unknown model."""
    if isinstance(error, LLMProviderConfigurationError):
        return error.status_code != NOT_FOUND
    return isinstance(error, LLMQuotaError)


def settled(record: JobRecord, answered: Mapping[tuple[str, str], Collection[int]]) -> JobRecord:
    """Close the items of a collected job that have their rows by now, from whichever job."""
    batches = tuple(
        replace(
            batch,
            unanswered=tuple(
                item for item in batch.unanswered if item not in answered.get((batch.group, batch.document), ())
            ),
        )
        if batch.unanswered
        else batch
        for batch in record.batches
    )
    open_still = any(batch.unanswered for batch in batches)
    return replace(record, batches=batches, error_message=record.error_message if open_still else None)


def over_quota(record: JobRecord, *, enqueued: int, why: str) -> JobRecord:
    """The provider gave the job back unrun because too many tokens were waiting: it is planned again, for later."""
    record = change_attempt(record, error=why, over_tokens=enqueued)
    return replace(
        record,
        state=JobState.PLANNED,
        provider_state=None,
        job_name=None,
        submitted_at=None,
        ended_at=None,
        expires_at=None,
        last_error=why,
        error_message=None,
    )


def split_up(record: JobRecord, halves: Sequence[JobRecord], now: datetime) -> JobRecord:
    """The job was too large and two others have its requests; nothing is left of it to do."""
    names = " and ".join(half.job_id for half in halves)
    return replace(
        record,
        state=JobState.CANCELLED,
        batches=(),
        request_count=0,
        input_tokens=0,
        ended_at=now,
        collected_at=now,
        last_error=f"split into {names}",
        error_message=None,
    )


def cleaned(record: JobRecord, now: datetime) -> JobRecord:
    """What we left at the provider is deleted there; our own record and reports stay."""
    return replace(record, cleaned_at=now, results_until=None, inputs_until=None)


def dropped(record: JobRecord, now: datetime) -> JobRecord:
    """A job that was never sent is given up."""
    return replace(
        record,
        state=JobState.CANCELLED,
        batches=tuple(replace(batch, unanswered=tuple(batch.item_ids)) for batch in record.batches),
        ended_at=now,
        collected_at=now,
        error_message="cancelled before it was sent; `batch-create` asks its items again",
    )


def unsendable(record: JobRecord, why: str) -> JobRecord:
    """A planned job cannot be sent as it is, or not from this machine: a person must go on."""
    return replace(record, error_message=why)


def observed(record: JobRecord, job: BatchJob, now: datetime) -> JobRecord:
    """The provider told us the job's state; a job once lost comes back, its results if they can be had again."""
    return replace(
        record,
        state=job.state,
        provider_state=job.provider_state,
        counts=job.counts,
        ended_at=(record.ended_at or job.ended_at or now) if job.done else None,
        expires_at=job.expires_at or record.expires_at,
        results_until=job.results_until or record.results_until,
        inputs_until=None if job.done else job.inputs_until,
        polled_at=now,
        missed_at=record.missed_at if job.done else None,
        last_error=None,
        # Until its answers were looked at again, what a collected job lacks stays as it was.
        error_message=_failure_of(job) or (record.error_message if record.collected_at else None),
    )


def troubled(record: JobRecord, error: Exception) -> JobRecord:
    """Looking at the job failed on our side; nothing is known to have changed at the provider."""
    return replace(record, last_error=str(error))


def not_found(record: JobRecord, *, account: str, now: datetime, grace: float) -> JobRecord:
    """The provider said it does not know the job.

    Once may be its own hiccup: it is lost only when it says so again at least `grace` seconds later, and only to the
    account that sent the job. First-generation records name no account; theirs is taken to be the present one.
    """
    if record.account not in (None, account):
        why = (
            f"{record.provider_name} does not know {record.job_name} under this key: it was sent with another one. "
            f"Fetch it with that: batch-fetch --job-names {record.job_id}"
        )
        return replace(record, last_error=None, error_message=record.error_message if record.collected_at else why)
    if record.collected_at is not None:
        return replace(record, last_error=f"{record.provider_name} does not know this job any more")
    if record.missed_at is None:
        return replace(record, missed_at=now, last_error=f"{record.provider_name} does not know this job; asking again")
    if now - record.missed_at < timedelta(seconds=grace):
        return replace(record, last_error=f"{record.provider_name} still does not know this job; asking again")
    why = (
        f"lost: {record.provider_name} does not know {record.job_name} any more; its answers were never fetched. "
        "`batch-create` asks its items again"
    )
    return replace(record, state=JobState.LOST, ended_at=now, last_error=None, error_message=why)


def is_settling(record: JobRecord, now: datetime) -> bool:
    """Say whether a job ended so recently that its results may still come."""
    return record.ended_at is not None and now - record.ended_at < SETTLING


def without_results(
    record: JobRecord, error: BatchwrightError, *, account: str, now: datetime, grace: float
) -> JobRecord:
    """The job has ended and the provider says that there are no results.

    Soon after its end they may still come. Later, it is lost as one is that the provider does not know: when it says so
    twice, at least `grace` seconds apart, to the account that sent the job.
    """
    if record.account not in (None, account) or is_settling(record, now) or record.collected_at is not None:
        return troubled(record, error)
    if record.missed_at is None or now - record.missed_at < timedelta(seconds=grace):
        return replace(record, missed_at=record.missed_at or now, last_error=f"{error}; asking again")
    why = f"lost: {error}; its answers cannot be had any more. `batch-create` asks its items again"
    return replace(record, state=JobState.LOST, last_error=None, error_message=why)


def collected(
    record: JobRecord, *, batches: Sequence[BatchRef], tally: Tally, now: datetime, refusals: Sequence[str] = ()
) -> JobRecord:
    """Every answer there is has its rows on disk, but for those that `refusals` say were not merged."""
    open_items = sum(len(batch.unanswered or ()) for batch in batches)
    items = sum(len(batch.item_ids) for batch in batches)
    reasons = [record.error_message] if record.state is JobState.FAILED and record.error_message else []
    if refusals:
        reasons.extend(refusals)
    elif open_items:
        reasons.append(f"{open_items} of {items} items have no answer{_blame(tally)}; `batch-create` asks them again")
    return replace(
        record,
        # What a live run has overtaken meanwhile is known to the record alone.
        batches=tuple(replace(new, overtaken=old.overtaken) for new, old in zip(batches, record.batches, strict=True)),
        tally=tally,
        collected_at=now,
        missed_at=None,
        last_error=None,
        error_message="; ".join(reasons) or None,
    )


def unwritten(record: JobRecord, reasons: Sequence[str]) -> JobRecord:
    """The answers were downloaded and some report could not be written: a person must act, nothing is asked again."""
    return replace(
        record,
        collected_at=None,
        error_message=f"{'; '.join(reasons)}; the answers are kept, `batch-fetch` writes them when this is mended",
    )


def _blame(tally: Tally) -> str:
    counts = {
        ResultStatus.ERRORED: tally.errored,
        ResultStatus.EXPIRED: tally.expired,
        ResultStatus.CANCELLED: tally.cancelled,
        ResultStatus.MISSING: tally.missing,
    }
    words = [f"{count} {status}" for status, count in counts.items() if count]
    return f" (requests: {', '.join(words)})" if words else ""


def _failure_of(job: BatchJob) -> str | None:
    if job.state is not JobState.FAILED:
        return None
    return f"{job.provider_name} failed the job: {job.error or job.provider_state}"
