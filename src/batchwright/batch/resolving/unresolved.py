"""What is concluded about a job whose create may have been sent, and how its record changes. Pure.

A list that does not show a job proves little: the create may take effect later, and a list may lag. So how much silence
it takes to plan a job again depends on what its sender noted and on whether a late create could still do anything:

- never left: nothing can exist, and no list is needed.
- left, and the sender died: in most cases it died with the create. Silence for a grace, then the *fence*: the uploaded
  input is deleted, so that a create that takes effect from now on has nothing to run. Silence for another grace covers
  one that took effect before and is not listed yet.
- left, and the sender saw the answer lost: the provider had the call. With the fence up, only a list that lags can
  hide the job, so the silence must last longer than any list lags. Without a fence nothing but the job or a person ends
  the doubt.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from batchwright.batch.lifecycle import change_attempt
from batchwright.errors import LLMProviderError
from batchwright.job import Attempt, BatchJob, CreateCall, JobRecord, JobState

LONGEST_LAG = timedelta(hours=1)
"""For how long a list is taken to lack a job that exists; no provider says how long it may.

With the input deleted that is all that can hide a paid job: a create that takes effect later runs nothing. And a list
that lacks another job of ours as well does not count (`matching.missing_from`). Each hour more would only keep items
waiting that most likely nobody was asked about.
"""

ASK_A_PERSON = (
    "If you know: `batchwright batch-reconcile --job-names … --adopt JOB_NAME` takes a job for it, `--absent` says "
    "that there is none"
)

_LOST = "its create was sent and the answer lost"


class Verdict(StrEnum):
    """What it says that the provider's list does not show an unresolved job."""

    LOOK_AGAIN = "look again"
    """Nothing so far: it has to be missing for longer."""
    FENCE = "fence"
    """It has been missing long enough to delete its input."""
    ABSENT = "absent"
    """It does not exist, or can never run: it may be planned again."""
    LEAVE = "leave"
    """It may come all the same: only a person can say that it will not."""


def judge_silence(
    attempt: Attempt, *, since: datetime | None, can_fence: bool, grace: timedelta, now: datetime
) -> Verdict:
    """Conclude from a listing without the job, which is missing `since`, or since now.

    `can_fence` is whether its input can be deleted at the provider.
    """
    if since is None or now - since < grace:
        return Verdict.LOOK_AGAIN
    if attempt.restored:
        return Verdict.LEAVE
    died = attempt.create is CreateCall.SENT
    if attempt.fenced_at is None:
        if can_fence:
            return Verdict.FENCE
        return Verdict.ABSENT if died else Verdict.LEAVE
    return Verdict.ABSENT if now - attempt.fenced_at >= _silence_needed(attempt, grace) else Verdict.LOOK_AGAIN


def _silence_needed(attempt: Attempt, grace: timedelta) -> timedelta:
    """Return how long a job must still be missing after its input was deleted."""
    return max(grace, LONGEST_LAG) if attempt.create is CreateCall.UNANSWERED else grace


def unanswered(record: JobRecord, error: LLMProviderError) -> JobRecord:
    """A create was sent and its answer lost: the job stays `submitting` until that is resolved."""
    record = change_attempt(record, create=CreateCall.UNANSWERED)
    return replace(record, last_error=str(error), missed_at=None)


def never_sent(record: JobRecord) -> JobRecord:
    """The sender died before the create could take effect: the job is planned again."""
    return _planned_again(record, "never sent")


def proven_absent(record: JobRecord) -> JobRecord:
    """There is no job, or none that can run: it is planned again and will be sent as a new attempt."""
    return _planned_again(record, "never created")


def _planned_again(record: JobRecord, why: str) -> JobRecord:
    record = change_attempt(record, error=why)
    return replace(record, state=JobState.PLANNED, missed_at=None, last_error=None, error_message=None)


def not_listed(record: JobRecord, *, grace: timedelta, now: datetime) -> JobRecord:
    """The provider does not list the job so far."""
    attempt = record.attempts[-1]
    why = f"{_LOST}; {record.provider_name} does not list it so far, looking again before sending"
    if attempt.fenced_at is not None:
        why = (
            f"{_LOST}; {record.provider_name} does not list it, and its input is deleted, so that it cannot start late"
        )
        if attempt.create is CreateCall.UNANSWERED:
            until = attempt.fenced_at + _silence_needed(attempt, grace)
            why += f"; it is sent again if it is still not listed at {until:%Y-%m-%d %H:%MZ}. {ASK_A_PERSON}"
    return replace(record, missed_at=record.missed_at or now, last_error=why)


def fenced(record: JobRecord, *, grace: timedelta, now: datetime) -> JobRecord:
    """The uploaded input is deleted: a create that takes effect from now on has nothing to run."""
    return not_listed(change_attempt(record, fenced_at=now), grace=grace, now=now)


def not_fenced(record: JobRecord, error: LLMProviderError) -> JobRecord:
    """The uploaded input could not be deleted, so the job stays as it is."""
    why = f"{_LOST}; it is not listed, and not sent again before its input is deleted, which failed: {error}"
    return replace(record, last_error=why)


def not_listed_yet(record: JobRecord, witness: JobRecord) -> JobRecord:
    """The provider does not list a job that is known to exist either, so not being listed proves nothing so far."""
    why = (
        f"{_LOST}; the provider's list lags, for it does not show {witness.job_id} either; looking again before sending"
    )
    return replace(record, missed_at=None, last_error=why)


def unproven(record: JobRecord, candidates: Sequence[BatchJob]) -> JobRecord:
    """Jobs at the provider may be this one. Those that still run are told by their answers when they end."""
    names = ", ".join(job.job_name for job in candidates)
    why = f"{_LOST}; it may be {names}, and is not sent again until that is known"
    if any(not job.done for job in candidates):
        return replace(record, missed_at=None, last_error=why, error_message=None)
    return replace(record, missed_at=None, last_error=None, error_message=f"{why}. {ASK_A_PERSON}")


def unresolved_elsewhere(record: JobRecord) -> JobRecord:
    """The job was sent with another key than the present one, so nobody here can look for it."""
    why = (
        f"it was being sent with another account's key; with that one, `batch-reconcile` finds out what became of it. "
        f"{ASK_A_PERSON}"
    )
    return replace(record, error_message=why)


def left(record: JobRecord) -> JobRecord:
    """The job is not listed and may come all the same: a person must say, unless a later look finds it."""
    name = record.provider_name
    why = f"{_LOST}; {name} does not list it and may run it all the same, so it is not sent again: look in its console"
    if record.attempts[-1].restored:
        why = f"restored from its folder; {name} does not list it, and it may be older than the list"
    return replace(record, last_error=None, error_message=f"{why}. {ASK_A_PERSON}")
