"""The shape of a record in the tracking file, told to pydantic's core, which reads ten thousand of them in a moment.

Each noun is a dataclass of ours with its fields' schemas; the names in the file are aliases. Numbers and texts are
taken strictly (`"3"` is no number, `true` neither), unknown fields are passed over.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from pydantic_core import CoreSchema, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from batchwright.job import Attempt, BatchRef, CreateCall, JobRecord, JobState, JobSummary, RequestCounts, Tally
from batchwright.spans import Spans
from batchwright.tracking.ids import JOB_ID
from batchwright.tracking.names import (
    ATTEMPTS,
    BATCH_INDEX,
    BATCHES,
    COUNTS,
    DOCUMENT,
    GROUP,
    ITEM_IDS,
    SCHEMA_VERSION,
    TALLY,
    USAGE,
)
from batchwright.usage import Usage

_LARGEST_ID: Final = 2**53
_SPAN: Final = "[0-9]{1,15}(?:-[0-9]{1,15})?"
_SPANS: Final = re.compile(f"{_SPAN}(?:,{_SPAN})*")
_REASONS: Final = {
    "missing": "is missing",
    "string_type": "is not text",
    "int_type": "is not a whole number",
    "greater_than_equal": "is not a whole number from 0",
    "less_than_equal": "is too large a number",
    "bool_type": "is not true or false",
    "tuple_type": "is not a list",
    "dataclass_type": "is not an object",
    "enum": "is not one of {expected}",
    "literal_error": "is not {expected}",
}
"""pydantic's kinds of error in our words."""


class MalformedError(ValueError):
    """A value is not what it has to be; the message says which and why."""


def read_record(job_id: str, value: dict[str, Any]) -> JobRecord:
    """Return the record of a JSON object. Raises `MalformedError` naming the place of the first thing that is wrong."""
    return cast("JobRecord", _read(_RECORD, value | {"job_id": job_id}))


def read_records(content: bytes) -> list[JobRecord] | None:
    """Return the records of a whole tracking file of our version, or None where anything in it is not as it should be.

    That takes two thirds of the time of parsing first and reading record by record, which is how one finds out what
    is wrong: nothing else is made than the records themselves.
    """
    return _read_file(_FILE, content)


def read_summaries(content: bytes) -> list[JobSummary] | None:
    """Return what a list shows of the records of a tracking file; as `read_records`."""
    return _read_file(_LISTED_FILE, content)


def _read_file(schema: SchemaValidator, content: bytes) -> list[Any] | None:
    try:
        jobs: dict[str, JobSummary] = schema.validate_json(content)["jobs"]
    except ValidationError:
        return None
    if not all(map(JOB_ID.fullmatch, jobs)):
        return None
    for job_id, job in jobs.items():
        # Nobody has seen it yet, and a copy with the id in it would cost as much as all the other fields.
        object.__setattr__(job, "job_id", job_id)
    return list(jobs.values())


def read_first_entry(value: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry of a first-generation file, its time and ids read. Raises `MalformedError`."""
    return cast("dict[str, Any]", _read(_FIRST_ENTRY, value))


def _moment(value: object) -> datetime:
    """A time, in UTC."""
    if type(value) is not str:
        raise MalformedError("is not an ISO 8601 time")
    try:
        read = datetime.fromisoformat(value)
        if read.tzinfo is UTC:
            return read
        # The first generation wrote times without a zone; there they are in UTC.
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise MalformedError("is not an ISO 8601 time") from exc


def _read(schema: SchemaValidator, value: dict[str, Any]) -> object:
    try:
        return schema.validate_python(value)
    except ValidationError as exc:
        raise MalformedError(_first_complaint(exc)) from exc


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ""
    for step in first["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    if first["type"] == "value_error":
        return f"{place} {first['ctx']['error']}"
    return f"{place} {_REASONS[first['type']].format_map(first.get('ctx', {}))}"


def _run(value: object, ids: cs.ValidatorFunctionWrapHandler) -> Sequence[int]:
    """Item ids; a run without gaps is two numbers, whatever its length, several are a text such as `0-4,7,9-120`."""
    if type(value) is str:
        return _spans(value)
    if type(value) is not dict:
        return cast("tuple[int, ...]", ids(value))
    first, last = ids([value.get("from"), value.get("to")])
    if last < first:
        raise MalformedError("runs backwards")
    return range(first, last + 1)


def _spans(text: str) -> Spans:
    if not _SPANS.fullmatch(text):
        raise MalformedError("is not a list, nor runs such as 0-4,7,9-120")
    runs = ((int(first), int(last or first)) for first, _, last in (run.partition("-") for run in text.split(",")))
    try:
        return Spans.between(runs)
    except ValueError as exc:
        raise MalformedError("runs backwards") from exc


def _dollars(value: object) -> Decimal:
    try:
        dollars = Decimal(value) if type(value) is str else None
    except InvalidOperation:
        dollars = None
    if dollars is None or not dollars.is_finite():
        raise MalformedError("is not an amount of dollars")
    return dollars


def _optional(schema: CoreSchema, default: object = None) -> CoreSchema:
    """A field that may be left out; one without another default may be null as well."""
    return cs.with_default_schema(cs.nullable_schema(schema) if default is None else schema, default=default)


def _noun(noun: type, fields: dict[str, CoreSchema], names: dict[str, str] | None = None) -> CoreSchema:
    """The schema of one of our dataclasses; `names` are its fields' names in the file, where these are others."""
    named = names or {}
    arguments = [
        cs.dataclass_field(name, schema, kw_only=True, validation_alias=named.get(name))
        for name, schema in fields.items()
    ]
    shape = cs.dataclass_args_schema(noun.__name__, arguments, extra_behavior="ignore")
    return cs.dataclass_schema(noun, shape, list(fields), slots=True, frozen=True)


def _many(schema: CoreSchema) -> CoreSchema:
    return cs.tuple_variable_schema(schema, strict=False)


_TEXT: Final = cs.str_schema(strict=True)
_NUMBER: Final = cs.int_schema(strict=True, ge=0, le=_LARGEST_ID)
_COUNT: Final = _optional(cs.int_schema(strict=True), 0)
"""The vendors' counts are taken as they came, nonsense too: a display, and never a reason to refuse a record."""
_MOMENT: Final = cs.no_info_plain_validator_function(_moment)
_IDS: Final = _many(_NUMBER)

_BATCH: Final = _noun(
    BatchRef,
    {
        "group": _TEXT,
        "document": _TEXT,
        "index": _NUMBER,
        "item_ids": cs.no_info_wrap_validator_function(_run, _IDS),
        "digest": _optional(_TEXT, ""),
        "per_item": _optional(cs.bool_schema(strict=True), default=False),
        "unanswered": _optional(_IDS),
        "overtaken": _optional(_IDS, ()),
    },
    {"group": GROUP, "document": DOCUMENT, "index": BATCH_INDEX, "item_ids": ITEM_IDS},
)
_ATTEMPT: Final = _noun(
    Attempt,
    {
        "tag": _TEXT,
        "started_at": _MOMENT,
        # What is not noted may have left: the careful reading of a record of another version.
        "create": cs.with_default_schema(
            cs.enum_schema(CreateCall, list(CreateCall)), default=CreateCall.SENT, on_error="default"
        ),
        "file_id": _optional(_TEXT),
        "fenced_at": _optional(_MOMENT),
        "job_name": _optional(_TEXT),
        "error": _optional(_TEXT),
        "restored": _optional(cs.bool_schema(strict=True), default=False),
        "over_tokens": _optional(_NUMBER, 0),
    },
)
_COUNTS: Final = _noun(RequestCounts, dict.fromkeys(COUNTS, _COUNT))
_SUMMARY_FIELDS: Final = {
    # It is the record's key in the file, and set from that.
    "job_id": _optional(_TEXT, ""),
    "provider_name": _TEXT,
    BATCHES: _many(_BATCH),
    "request_count": _NUMBER,
    "created_at": _MOMENT,
    "state": cs.enum_schema(JobState, list(JobState)),
    "provider_state": _optional(_TEXT),
    "job_name": _optional(_TEXT),
    "counts": _optional(_COUNTS, RequestCounts()),
    "tally": _optional(_noun(Tally, dict.fromkeys(TALLY, _COUNT))),
    "results_until": _optional(_MOMENT),
    "inputs_until": _optional(_MOMENT),
    "cleaned_at": _optional(_MOMENT),
    "collected_at": _optional(_MOMENT),
    "last_error": _optional(_TEXT),
    "error_message": _optional(_TEXT),
}
_JOB: Final = _noun(
    JobRecord,
    {
        **_SUMMARY_FIELDS,
        "task": _TEXT,
        "model": _TEXT,
        "batch_size": _optional(_NUMBER, 0),
        "account": _optional(_TEXT),
        "parent": _optional(_TEXT),
        "input_tokens": _optional(_NUMBER, 0),
        "retries": _optional(_NUMBER, 0),
        ATTEMPTS: _optional(_many(_ATTEMPT), ()),
        "usage": _optional(_noun(Usage, dict.fromkeys(USAGE, _COUNT))),
        "cost": _optional(cs.no_info_plain_validator_function(_dollars)),
        "submitted_at": _optional(_MOMENT),
        "ended_at": _optional(_MOMENT),
        "expires_at": _optional(_MOMENT),
        "polled_at": _optional(_MOMENT),
        "missed_at": _optional(_MOMENT),
    },
)


def _file_of(job: CoreSchema) -> SchemaValidator:
    fields = {
        "schema_version": cs.typed_dict_field(cs.literal_schema([SCHEMA_VERSION])),
        "jobs": cs.typed_dict_field(cs.dict_schema(cs.str_schema(), job)),
    }
    return SchemaValidator(cs.typed_dict_schema(fields, extra_behavior="ignore"))


_RECORD: Final = SchemaValidator(_JOB)
_FILE: Final = _file_of(_JOB)
_LISTED_FILE: Final = _file_of(_noun(JobSummary, _SUMMARY_FIELDS))
_FIRST_ENTRY: Final = SchemaValidator(
    cs.typed_dict_schema(
        {
            name: cs.typed_dict_field(schema)
            for name, schema in {
                "provider_name": _TEXT,
                GROUP: _TEXT,
                DOCUMENT: _TEXT,
                BATCH_INDEX: _NUMBER,
                ITEM_IDS: _IDS,
                "created_at": _MOMENT,
                "status": cs.literal_schema(["pending", "completed", "failed"]),
                "error_message": _optional(_TEXT),
            }.items()
        },
        extra_behavior="ignore",
    )
)
