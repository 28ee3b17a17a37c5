"""Is there room at the provider for one more job? Pure.

Vendors count unfinished jobs, creations in an hour and enqueued tokens. What does not fit stays planned; a later look
sends it when there is room. The token quota depends on the account and is learned by running into it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batchwright.job import JobRecord, JobState
from batchwright.providers.base import Limits

HOUR = timedelta(hours=1)
LEARNED_FOR = timedelta(days=1)
"""How long a token quota that was run into is believed; accounts rise in tier."""
SHARE_OF_REFUSED = 0.9
"""Part of the tokens that were too many which is tried again."""

_AT_PROVIDER = frozenset({JobState.SUBMITTING, JobState.SUBMITTED, JobState.IN_PROGRESS, JobState.CANCELLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Whether a job may be sent now."""

    wait: str | None = None
    """Why it has to wait."""
    too_large: bool = False
    """It does not even fit alone, so it must be split."""


def running_at(records: Iterable[JobRecord], provider_name: str) -> list[JobRecord]:
    """Return the jobs that are, or may be, unfinished at a provider."""
    return [record for record in records if record.provider_name == provider_name and record.state in _AT_PROVIDER]


def room_for(record: JobRecord, others: Sequence[JobRecord], limits: Limits, now: datetime) -> Room:
    """Decide whether `record` may be sent while `others` are known."""
    others = [other for other in others if other.job_id != record.job_id]
    running = running_at(others, record.provider_name)
    if limits.max_concurrent_jobs is not None and len(running) >= limits.max_concurrent_jobs:
        return Room(wait=f"{record.provider_name} takes {limits.max_concurrent_jobs} jobs at once, {len(running)} run")
    created = sum(
        attempt.started_at > now - HOUR
        for other in others
        if other.provider_name == record.provider_name
        for attempt in other.attempts
    )
    if limits.max_creations_per_hour is not None and created >= limits.max_creations_per_hour:
        return Room(wait=f"{record.provider_name} takes {limits.max_creations_per_hour} new jobs an hour")
    return _token_room(record, [*others, record], running, limits, now)


def _token_room(
    record: JobRecord, records: Sequence[JobRecord], running: Sequence[JobRecord], limits: Limits, now: datetime
) -> Room:
    quota = token_quota(records, record, limits, now)
    waiting = enqueued_tokens(running, record.model)
    if quota is None or waiting + record.input_tokens <= quota:
        return Room()
    if waiting == 0:
        return Room(too_large=True)
    return Room(wait=f"about {quota:,} tokens of {record.model} may wait at {record.provider_name}, {waiting:,} do")


def enqueued_tokens(running: Iterable[JobRecord], model: str) -> int:
    """Return the input tokens of a model's unfinished jobs."""
    return sum(record.input_tokens for record in running if record.model == model)


def token_quota(records: Iterable[JobRecord], like: JobRecord, limits: Limits, now: datetime) -> int | None:
    """Return how many tokens of a model may wait: what was set, or less where that was refused lately."""
    learned = [
        int(attempt.over_tokens * SHARE_OF_REFUSED)
        for record in records
        if (record.provider_name, record.model) == (like.provider_name, like.model)
        for attempt in record.attempts
        if attempt.over_tokens and attempt.started_at > now - LEARNED_FOR
    ]
    known = [*learned, *([limits.max_enqueued_tokens] if limits.max_enqueued_tokens is not None else [])]
    return min(known, default=None)
