"""Job records as JSON, in the names the guide gave the tracking file.

A record is a JSON object; what has its default value is left out, and unknown fields are passed over, so that small
additions stay readable by older versions. Whatever JSON is handed in, the answer is a record or a `TrackingError`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, cast

from batchwright.errors import TrackingError
from batchwright.job import Attempt, BatchRef, CreateCall, JobRecord, JobState, RequestCounts, Tally, status_of
from batchwright.spans import Spans
from batchwright.tracking.ids import JOB_ID, hashed_job_id
from batchwright.tracking.names import (
    ATTEMPTS,
    BATCH_INDEX,
    BATCHES,
    COUNTS,
    DOCUMENT,
    GROUP,
    ITEM_IDS,
    MOMENTS,
    TALLY,
    TEXTS,
    USAGE,
)
from batchwright.tracking.record_schema import MalformedError, read_first_entry, read_record
from batchwright.usage import Usage

FIRST_GENERATION_TASK: Final = "categorise"
"""The only task the first generation had."""

_SHORTEST_RUN: Final = 2

RECORD_FIELDS: Final = frozenset(
    {"provider_name", "job_name", "status", "state", "provider_state", "task", "model", "created_at"}
    | {
        *MOMENTS,
        *TEXTS,
        "request_count",
        "batch_size",
        "input_tokens",
        "retries",
        "counts",
        "tally",
        "usage",
        "cost",
        ATTEMPTS,
        BATCHES,
    }
)
"""Every field of a record this version writes; others in a file belong to a later one."""


def encode_record(record: JobRecord) -> dict[str, Any]:
    """Return the JSON object of a record, in stable key order, without its id (which is its key in the file)."""
    value: dict[str, Any] = {"provider_name": record.provider_name}
    _put(value, "job_name", record.job_name)
    value["status"] = str(status_of(record))
    value["state"] = str(record.state)
    _put(value, "provider_state", record.provider_state)
    value["task"] = record.task
    value["model"] = record.model
    value["created_at"] = _iso(record.created_at)
    for name in MOMENTS:
        moment = getattr(record, name)
        _put(value, name, None if moment is None else _iso(moment))
    value["request_count"] = record.request_count
    _put(value, "batch_size", record.batch_size or None)
    _put(value, "input_tokens", record.input_tokens or None)
    _put(value, "retries", record.retries or None)
    _put(value, "counts", _encode_numbers(record.counts, COUNTS) or None)
    _put(value, "tally", None if record.tally is None else _encode_numbers(record.tally, TALLY))
    _put(value, "usage", None if record.usage is None else _encode_numbers(record.usage, USAGE))
    # As text: a number would be read back by many a program as the nearest binary fraction.
    _put(value, "cost", None if record.cost is None else format(record.cost, "f"))
    for name in TEXTS:
        _put(value, name, getattr(record, name))
    _put(value, ATTEMPTS, [_encode_attempt(attempt) for attempt in record.attempts] or None)
    value[BATCHES] = [_encode_batch(batch) for batch in record.batches]
    return value


def decode_record(job_id: str, value: object) -> JobRecord:
    """Return the record of a JSON object. Raises `TrackingError` naming the job and the field."""
    if not JOB_ID.fullmatch(job_id):
        raise TrackingError(f"job {job_id!r}: its id is not one of ours")
    try:
        return read_record(job_id, _object(value))
    except MalformedError as exc:
        raise TrackingError(f"job {job_id!r}: {exc}") from exc


def decode_first_generation(job_name: str, value: object) -> JobRecord:
    """Return the record of an entry of the first generation's flat map, whose keys were the providers' job names.

    That tool wrote "failed" for its own trouble as well, without asking the provider. So such a job is pending here,
    with the trouble as `last_error`: its answers may be there and paid for, and the provider's word decides.
    Raises `TrackingError` naming the job and the field.
    """
    try:
        return _of_first_generation(job_name, read_first_entry(_object(value)))
    except MalformedError as exc:
        raise TrackingError(f"job {job_name!r}: {exc}") from exc


def _put(value: dict[str, Any], name: str, field: object) -> None:
    if field is not None:
        value[name] = field


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _encode_numbers(counts: RequestCounts | Tally | Usage, names: Sequence[str]) -> dict[str, int]:
    return {name: number for name in names if (number := getattr(counts, name))}


def _encode_attempt(attempt: Attempt) -> dict[str, Any]:
    value: dict[str, Any] = {"tag": attempt.tag, "started_at": _iso(attempt.started_at)}
    _put(value, "create", None if attempt.create is CreateCall.SENT else str(attempt.create))
    for name in ("file_id", "job_name", "error"):
        _put(value, name, getattr(attempt, name))
    _put(value, "fenced_at", None if attempt.fenced_at is None else _iso(attempt.fenced_at))
    _put(value, "over_tokens", attempt.over_tokens or None)
    _put(value, "restored", attempt.restored or None)
    return value


def _encode_batch(batch: BatchRef) -> dict[str, Any]:
    value: dict[str, Any] = {GROUP: batch.group, DOCUMENT: batch.document, BATCH_INDEX: batch.index}
    value[ITEM_IDS] = _encode_run(batch.item_ids) if batch.per_item else list(batch.item_ids)
    _put(value, "digest", batch.digest or None)
    _put(value, "per_item", batch.per_item or None)
    _put(value, "unanswered", None if batch.unanswered is None else list(batch.unanswered))
    _put(value, "overtaken", list(batch.overtaken) or None)
    return value


def _encode_run(ids: Sequence[int]) -> list[int] | dict[str, int] | str:
    """A run without gaps takes two numbers, so that a job of a hundred thousand rows is a line; several are a text."""
    if ids and isinstance(ids, Spans):
        return ",".join([str(first) if first == last else f"{first}-{last}" for first, last in ids.runs()])
    whole = isinstance(ids, range) or all(after == before + 1 for before, after in pairwise(ids))
    return {"from": ids[0], "to": ids[-1]} if whole and len(ids) > _SHORTEST_RUN else list(ids)


def _object(value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise MalformedError("there is something other than an object")
    return cast("dict[str, Any]", value)


def _of_first_generation(job_name: str, entry: Mapping[str, Any]) -> JobRecord:
    done, trouble = entry["status"] == "completed", entry["error_message"]
    batch = BatchRef(
        group=entry[GROUP],
        document=entry[DOCUMENT],
        index=entry[BATCH_INDEX],
        item_ids=entry[ITEM_IDS],
        unanswered=() if done else None,
    )
    return JobRecord(
        job_id=hashed_job_id(job_name),
        provider_name=entry["provider_name"],
        task=FIRST_GENERATION_TASK,
        model="",
        batches=(batch,),
        request_count=1,
        created_at=entry["created_at"],
        state=JobState.COMPLETED if done else JobState.SUBMITTED,
        job_name=job_name,
        submitted_at=entry["created_at"],
        collected_at=entry["created_at"] if done else None,
        last_error=None if done else trouble,
        error_message=trouble if done else None,
    )
