"""Job records as JSON, in the names the guide gave the tracking file. No other tracking module knows those names.

A record is a JSON object; what has its default value is left out, and unknown fields are passed over, so that small
additions stay readable by older versions. Whatever JSON is handed in, the answer is a record or a `TrackingError`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Final, TypeVar, cast

from batchwright.errors import TrackingError
from batchwright.job import Attempt, BatchRef, CreateCall, JobRecord, JobState, RequestCounts, Tally, status_of
from batchwright.tracking.ids import JOB_ID, hashed_job_id
from batchwright.usage import Usage

_T = TypeVar("_T")

BATCHES: Final = "batches"
ATTEMPTS: Final = "attempts"
GROUP: Final = "subject"
DOCUMENT: Final = "filename"
BATCH_INDEX: Final = "batch_index"
ITEM_IDS: Final = "issue_ids"
GROUPS: Final = "subjects"
"""Of the state file."""
TOTAL_ITEMS: Final = "total_issues"
"""Of the state file."""
COMPLETED_BATCHES: Final = "completed_batches"
"""Of the state file."""

FIRST_GENERATION_TASK: Final = "categorise"
"""The only task the first generation had."""

_LARGEST_ID: Final = 2**53
_SHORTEST_RUN: Final = 2
_COUNTS: Final = ("total", "succeeded", "errored", "expired", "cancelled")
_TALLY: Final = ("succeeded", "errored", "expired", "cancelled", "missing", "duplicates", "unknown")
_MOMENTS: Final = (
    "submitted_at",
    "ended_at",
    "expires_at",
    "results_until",
    "inputs_until",
    "cleaned_at",
    "collected_at",
    "polled_at",
    "missed_at",
)
_USAGE: Final = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_TEXTS: Final = ("account", "parent", "last_error", "error_message")
_INT: Final = frozenset({int})
"""What a whole number from JSON may be; `bool` is none."""
_STATES: Final = {str(state): state for state in JobState}
_CREATE_CALLS: Final = {str(call): call for call in CreateCall}

RECORD_FIELDS: Final = frozenset(
    {"provider_name", "job_name", "status", "state", "provider_state", "task", "model", "created_at"}
    | {
        *_MOMENTS,
        *_TEXTS,
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


class _MalformedError(ValueError):
    """A value is not what it has to be; the message says which and why."""


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
    for name in _MOMENTS:
        moment = getattr(record, name)
        _put(value, name, None if moment is None else _iso(moment))
    value["request_count"] = record.request_count
    _put(value, "batch_size", record.batch_size or None)
    _put(value, "input_tokens", record.input_tokens or None)
    _put(value, "retries", record.retries or None)
    _put(value, "counts", _encode_numbers(record.counts, _COUNTS) or None)
    _put(value, "tally", None if record.tally is None else _encode_numbers(record.tally, _TALLY))
    _put(value, "usage", None if record.usage is None else _encode_numbers(record.usage, _USAGE))
    # As text: a number would be read back by many a program as the nearest binary fraction.
    _put(value, "cost", None if record.cost is None else format(record.cost, "f"))
    for name in _TEXTS:
        _put(value, name, getattr(record, name))
    _put(value, ATTEMPTS, [_encode_attempt(attempt) for attempt in record.attempts] or None)
    value[BATCHES] = [_encode_batch(batch) for batch in record.batches]
    return value


def decode_record(job_id: str, value: object) -> JobRecord:
    """Return the record of a JSON object. Raises `TrackingError` naming the job and the field."""
    if not JOB_ID.fullmatch(job_id):
        raise TrackingError(f"job {job_id!r}: its id is not one of ours")
    try:
        return _decode_record(job_id, _object(value))
    except _MalformedError as exc:
        raise TrackingError(f"job {job_id!r}: {exc}") from exc


def decode_first_generation(job_name: str, value: object) -> JobRecord:
    """Return the record of an entry of the first generation's flat map, whose keys were the providers' job names.

    That tool wrote "failed" for its own trouble as well, without asking the provider. So such a job is pending here,
    with the trouble as `last_error`: its answers may be there and paid for, and the provider's word decides.
    Raises `TrackingError` naming the job and the field.
    """
    try:
        return _decode_first_generation(job_name, _object(value))
    except _MalformedError as exc:
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


def _encode_run(ids: Sequence[int]) -> list[int] | dict[str, int]:
    """A run without gaps takes two numbers, so that a job of a hundred thousand rows is a line."""
    whole = isinstance(ids, range) or all(after == before + 1 for before, after in pairwise(ids))
    return {"from": ids[0], "to": ids[-1]} if whole and len(ids) > _SHORTEST_RUN else list(ids)


def _decode_record(job_id: str, value: Mapping[str, Any]) -> JobRecord:
    tally, usage = value.get("tally"), value.get("usage")
    return JobRecord(
        job_id=job_id,
        provider_name=_text(value, "provider_name"),
        task=_text(value, "task"),
        model=_text(value, "model"),
        batches=_each(value, BATCHES, _decode_batch),
        request_count=_number(value, "request_count"),
        created_at=_moment(value, "created_at"),
        batch_size=_number(value, "batch_size", 0),
        state=_state(value),
        provider_state=_optional_text(value, "provider_state"),
        job_name=_optional_text(value, "job_name"),
        input_tokens=_number(value, "input_tokens", 0),
        retries=_number(value, "retries", 0),
        attempts=_each(value, ATTEMPTS, _decode_attempt, default=[]),
        counts=RequestCounts(**_numbers(value.get("counts", {}), _COUNTS, "counts")),
        tally=None if tally is None else Tally(**_numbers(tally, _TALLY, "tally")),
        usage=None if usage is None else Usage(**_numbers(usage, _USAGE, "usage")),
        cost=_optional_dollars(value, "cost"),
        **_present(value, _MOMENTS, _moment),
        **_present(value, _TEXTS, _text),
    )


def _decode_batch(item: object) -> BatchRef:
    value = _object(item)
    per_item = value.get("per_item", False)
    if type(per_item) is not bool:
        raise _MalformedError("per_item is not true or false")
    return BatchRef(
        group=_text(value, GROUP),
        document=_text(value, DOCUMENT),
        index=_number(value, BATCH_INDEX),
        item_ids=_decode_run(value.get(ITEM_IDS)),
        digest=_text(value, "digest", ""),
        per_item=per_item,
        unanswered=None if value.get("unanswered") is None else _ids(value["unanswered"], "unanswered"),
        overtaken=_ids(value["overtaken"], "overtaken") if "overtaken" in value else (),
    )


def _decode_attempt(item: object) -> Attempt:
    value = _object(item)
    return Attempt(
        tag=_text(value, "tag"),
        started_at=_moment(value, "started_at"),
        create=_create_call(value),
        fenced_at=_optional_moment(value, "fenced_at"),
        file_id=_optional_text(value, "file_id"),
        job_name=_optional_text(value, "job_name"),
        error=_optional_text(value, "error"),
        over_tokens=_number(value, "over_tokens", 0),
        restored=value.get("restored", False) is True,
    )


def _decode_first_generation(job_name: str, value: Mapping[str, Any]) -> JobRecord:
    created_at = _moment(value, "created_at")
    ids = _ids(value.get(ITEM_IDS), ITEM_IDS)
    status, trouble = _text(value, "status"), _optional_text(value, "error_message")
    if status not in {"pending", "completed", "failed"}:
        raise _MalformedError("status is not pending, completed or failed")
    done = status == "completed"
    batch = BatchRef(
        group=_text(value, GROUP),
        document=_text(value, DOCUMENT),
        index=_number(value, BATCH_INDEX),
        item_ids=ids,
        unanswered=() if done else None,
    )
    return JobRecord(
        job_id=hashed_job_id(job_name),
        provider_name=_text(value, "provider_name"),
        task=FIRST_GENERATION_TASK,
        model="",
        batches=(batch,),
        request_count=1,
        created_at=created_at,
        state=JobState.COMPLETED if done else JobState.SUBMITTED,
        job_name=job_name,
        submitted_at=created_at,
        collected_at=created_at if done else None,
        last_error=None if done else trouble,
        error_message=trouble if done else None,
    )


def _object(value: object) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise _MalformedError("there is something other than an object")
    return cast("dict[str, Any]", value)


def _each(
    value: Mapping[str, Any], name: str, decode: Callable[[object], _T], default: object = None
) -> tuple[_T, ...]:
    items = value.get(name, default)
    if type(items) is not list:
        raise _MalformedError(f"{name} is not a list")
    decoded: list[_T] = []
    try:
        for item in items:
            decoded.append(decode(item))  # noqa: PERF401  (its length is the position of the one that fails)
    except _MalformedError as exc:
        raise _MalformedError(f"{name}[{len(decoded)}]: {exc}") from exc
    return tuple(decoded)


def _text(value: Mapping[str, Any], name: str, default: str | None = None) -> str:
    text = value.get(name, default)
    if type(text) is not str:
        raise _MalformedError(f"{name} is missing or not text")
    return text


def _optional_text(value: Mapping[str, Any], name: str) -> str | None:
    text = value.get(name)
    if text is not None and type(text) is not str:
        raise _MalformedError(f"{name} is not text")
    return text


def _present(
    value: Mapping[str, Any], names: Sequence[str], decode: Callable[[Mapping[str, Any], str], object]
) -> dict[str, Any]:
    """Decode those of the names that are there; most of them are not, in most records."""
    return {name: decode(value, name) for name in names if value.get(name) is not None}


def _number(value: Mapping[str, Any], name: str, default: int | None = None) -> int:
    number = value.get(name, default)
    if type(number) is not int or not 0 <= number <= _LARGEST_ID:
        raise _MalformedError(f"{name} is missing or not a whole number from 0")
    return number


def _numbers(value: object, names: Sequence[str], name: str) -> dict[str, int]:
    """The vendors' counts are taken as they came, nonsense too: a display, and never a reason to refuse a record."""
    found = {field: value[field] for field in names if field in value} if type(value) is dict else None
    if found is None or not _INT.issuperset(map(type, found.values())):
        raise _MalformedError(f"{name} is not an object of whole numbers")
    return found


def _optional_dollars(value: Mapping[str, Any], name: str) -> Decimal | None:
    text = _optional_text(value, name)
    try:
        dollars = None if text is None else Decimal(text)
    except InvalidOperation as exc:
        raise _MalformedError(f"{name} is not an amount of dollars") from exc
    if dollars is not None and not dollars.is_finite():
        raise _MalformedError(f"{name} is not an amount of dollars")
    return dollars


def _state(value: Mapping[str, Any]) -> JobState:
    state = _STATES.get(_text(value, "state"))
    if state is None:
        raise _MalformedError("state is not one of " + ", ".join(_STATES))
    return state


def _create_call(value: Mapping[str, Any]) -> CreateCall:
    """What is not noted may have left: the careful reading of a record of another version."""
    return _CREATE_CALLS.get(_text(value, "create", str(CreateCall.SENT)), CreateCall.SENT)


def _moment(value: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value, name))
        if moment.tzinfo is UTC:
            return moment
        # The first generation wrote times without a zone; there they are in UTC.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise _MalformedError(f"{name} is missing or not an ISO 8601 time") from exc


def _optional_moment(value: Mapping[str, Any], name: str) -> datetime | None:
    return None if value.get(name) is None else _moment(value, name)


def _decode_run(value: object) -> Sequence[int]:
    if type(value) is not dict:
        return _ids(value, ITEM_IDS)
    first, last = _number(value, "from"), _number(value, "to")
    if last < first:
        raise _MalformedError(f"{ITEM_IDS} runs backwards")
    return range(first, last + 1)


def _ids(value: object, name: str) -> tuple[int, ...]:
    if type(value) is not list or not _INT.issuperset(map(type, value)):
        raise _MalformedError(f"{name} is missing or not a list of whole numbers")
    ids = cast("list[int]", value)
    if ids and not 0 <= min(ids) <= max(ids) <= _LARGEST_ID:
        raise _MalformedError(f"{name} has a number out of range")
    return tuple(ids)
