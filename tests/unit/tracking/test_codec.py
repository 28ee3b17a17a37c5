import tracemalloc
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from batchwright.errors import TrackingError
from batchwright.job import (
    Attempt,
    BatchRef,
    CreateCall,
    JobRecord,
    JobState,
    JobStatus,
    JobSummary,
    RequestCounts,
    Tally,
    status_of,
)
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.spans import Spans
from batchwright.tracking.codec import RECORD_FIELDS, decode_first_generation, decode_record, encode_record
from batchwright.tracking.json_text import to_line, tracking_text
from batchwright.tracking.record_schema import read_records, read_summaries
from batchwright.tracking.result_codec import decode_result, encode_result
from batchwright.usage import Usage

TEXT = st.text(max_size=20)
NUMBERS = st.integers(0, 2**53)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))])).filter(
    lambda moment: 1 < moment.year < 9999
)
IDS = st.lists(NUMBERS, max_size=5).map(tuple)
RUNS = st.builds(lambda first, length: range(first, first + length), st.integers(0, 10**6), st.integers(3, 10**6))
SPANS = st.sets(st.integers(0, 2000), min_size=1).map(lambda ids: Spans(sorted(ids)))
BATCHES = st.one_of(
    st.builds(
        BatchRef,
        group=TEXT,
        document=TEXT,
        index=NUMBERS,
        item_ids=IDS,
        digest=TEXT,
        unanswered=st.none() | IDS,
        overtaken=IDS,
    ),
    st.builds(BatchRef, group=TEXT, document=TEXT, index=NUMBERS, item_ids=RUNS | SPANS, per_item=st.just(True)),
)
ATTEMPTS = st.builds(
    Attempt,
    tag=TEXT,
    started_at=MOMENTS,
    create=st.sampled_from(CreateCall),
    fenced_at=st.none() | MOMENTS,
    file_id=st.none() | TEXT,
    job_name=st.none() | TEXT,
    error=st.none() | TEXT,
)
ANY_COUNT = st.integers(-(2**70), 2**70)
RECORDS = st.builds(
    JobRecord,
    job_id=st.from_regex(r"job-[0-9a-z]{12}", fullmatch=True),
    provider_name=TEXT,
    task=TEXT,
    model=TEXT,
    batches=st.lists(BATCHES, max_size=3).map(tuple),
    request_count=NUMBERS,
    created_at=MOMENTS,
    batch_size=NUMBERS,
    state=st.sampled_from(JobState),
    provider_state=st.none() | TEXT,
    job_name=st.none() | TEXT,
    account=st.none() | TEXT,
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
    counts=st.builds(RequestCounts, total=ANY_COUNT, succeeded=ANY_COUNT),
    tally=st.none() | st.builds(Tally, succeeded=NUMBERS, missing=NUMBERS),
    usage=st.none() | st.builds(Usage, input_tokens=NUMBERS, cached_tokens=NUMBERS, reasoning_tokens=NUMBERS),
    cost=st.none() | st.decimals(0, 10**9, places=9),
    collected_at=st.none() | MOMENTS,
    polled_at=st.none() | MOMENTS,
    last_error=st.none() | TEXT,
    error_message=st.none() | TEXT,
)
RESULTS = st.builds(
    Result,
    custom_id=st.none() | TEXT,
    status=st.sampled_from(ResultStatus),
    text=st.none() | TEXT,
    failure=st.none()
    | st.builds(
        Failure,
        kind=st.sampled_from(FailureKind),
        message=TEXT,
        code=st.none() | TEXT,
        status_code=st.none() | NUMBERS,
    ),
    finish_reason=st.sampled_from(FinishReason),
    usage=st.builds(Usage, input_tokens=NUMBERS, output_tokens=NUMBERS, reasoning_tokens=NUMBERS),
    model=st.none() | TEXT,
    request_id=st.none() | TEXT,
    position=st.none() | NUMBERS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIRST_GENERATION = {
    "provider_name": "gemini",
    "job_name": "batches/abc",
    "subject": "Geography",
    "filename": "gcse.md",
    "batch_index": 2,
    "issue_ids": [20, 21],
    "created_at": "2025-11-03T10:20:30.123456",
    "status": "pending",
}
RECORD = JobRecord(
    job_id="job-0123456789ab",
    provider_name="gemini",
    task="categorise",
    model="m",
    batches=(BatchRef(group="Geography", document="gcse.md", index=0, item_ids=(0, 1, 2), unanswered=(1,)),),
    request_count=1,
    created_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
    attempts=(Attempt(tag="job-0123456789ab-a1", started_at=datetime(2026, 11, 20, 12, tzinfo=UTC)),),
    counts=RequestCounts(total=1),
    tally=Tally(succeeded=1),
)


def broken(value: object) -> st.SearchStrategy[object]:
    """Our own JSON with any one value in it, at any depth, replaced by any JSON at all."""
    if isinstance(value, dict) and value:
        places = [broken(item).map(lambda new, name=name: value | {name: new}) for name, item in value.items()]
        return st.one_of(JSON, *places)
    if isinstance(value, list) and value:
        return JSON | broken(value[0]).map(lambda new: [new, *value[1:]])
    return JSON


@given(RECORDS)
def test_a_record_comes_back_the_same(record):
    assert decode_record(record.job_id, from_json(to_line(encode_record(record)))) == record


@given(st.lists(RECORDS, max_size=3, unique_by=lambda record: record.job_id))
def test_a_whole_file_is_read_at_once_as_record_by_record(records):
    jobs = {record.job_id: encode_record(record) for record in records}
    content = b"".join(tracking_text({"schema_version": 2, "jobs": jobs}))
    assert read_records(content) == records
    listed = [field.name for field in fields(JobSummary)]
    assert [asdict(summary) for summary in read_summaries(content)] == [
        {name: asdict(record)[name] for name in listed} for record in records
    ]


@settings(max_examples=200)
@given(broken(encode_record(RECORD)))
def test_whatever_is_wrong_in_a_file_is_left_to_the_careful_reading(value):
    content = to_line({"schema_version": 2, "jobs": {RECORD.job_id: value}})
    try:
        expected = [decode_record(RECORD.job_id, from_json(content)["jobs"][RECORD.job_id])]
    except TrackingError:
        expected = None
    assert read_records(content) == expected


@pytest.mark.parametrize("noted", [{}, {"create": "a word of a later version"}])
def test_an_attempt_that_does_not_say_how_far_it_came_may_have_created_a_job(noted):
    value = encode_record(RECORD)
    value["attempts"] = [{"tag": "job-0123456789ab-a1", "started_at": "2026-11-20T12:00:00Z", **noted}]
    (attempt,) = decode_record(RECORD.job_id, value).attempts
    assert attempt.create is CreateCall.SENT


@given(RESULTS)
def test_a_result_comes_back_the_same_from_one_line(result):
    encoded = encode_result(result)
    assert encoded.endswith(b"\n")
    assert encoded.count(b"\n") == 1
    assert decode_result(encoded) == result


def record_or_tracking_error(decode: object, name: str, value: object) -> None:
    try:
        record = decode(name, value)  # type: ignore[operator]
    except TrackingError as exc:
        assert repr(name) in str(exc)  # noqa: PT017 (any value may be fine or not; nothing else may be raised)
    else:
        assert isinstance(record, JobRecord)


@settings(max_examples=400)
@given(broken(encode_record(RECORD)))
def test_any_json_is_a_record_or_a_tracking_error(value):
    record_or_tracking_error(decode_record, RECORD.job_id, value)


@settings(max_examples=200)
@given(broken(FIRST_GENERATION))
def test_any_json_is_a_first_generation_record_or_a_tracking_error(value):
    record_or_tracking_error(decode_first_generation, "batches/abc", value)


@settings(max_examples=300)
@given(
    st.binary(max_size=40)
    | JSON.map(to_line)
    | broken(
        from_json(
            encode_result(
                Result(
                    custom_id="a-1",
                    status=ResultStatus.ERRORED,
                    usage=Usage(input_tokens=3),
                    failure=Failure(kind=FailureKind.SERVER, message="m"),
                )
            )
        )
    ).map(to_line)
)
def test_any_line_is_a_result_or_a_tracking_error(line):
    try:
        result = decode_result(line)
    except TrackingError as exc:
        assert str(exc).startswith("not a result: ")  # noqa: PT017 (as above)
    else:
        assert isinstance(result, Result)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("created_at", "yesterday", "created_at is not an ISO 8601 time"),
        ("created_at", None, "created_at is not an ISO 8601 time"),
        ("state", "sleeping", "state is not one of 'planned', "),
        ("request_count", True, "request_count is not a whole number$"),
        ("request_count", -1, "request_count is not a whole number from 0"),
        ("request_count", 2**53 + 1, "request_count is too large a number"),
        ("batches", {}, "batches is not a list"),
        ("batches", [encode_record(RECORD)["batches"][0], 3], r"batches\[1\] is not an object"),
        ("batches", [{"subject": "Geography"}], r"batches\[0\]\.filename is missing"),
        (
            "batches",
            [encode_record(RECORD)["batches"][0] | {"issue_ids": {"from": 3, "to": 2}}],
            r"batches\[0\]\.issue_ids runs backwards",
        ),
        ("attempts", [{"tag": 1}], r"attempts\[0\]\.tag is not text"),
        ("counts", {"total": "3"}, r"counts\.total is not a whole number"),
        ("cost", "much", "cost is not an amount of dollars"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(field, value, complaint):
    with pytest.raises(TrackingError, match=f"^job 'job-0123456789ab': {complaint}"):
        decode_record(RECORD.job_id, encode_record(RECORD) | {field: value})


@pytest.mark.parametrize("job_id", ["", "job-", "../../etc", "job-ABC", "batches/abc", "job-a/b"])
def test_an_id_that_could_not_name_a_folder_is_refused(job_id):
    with pytest.raises(TrackingError, match="its id is not one of ours"):
        decode_record(job_id, encode_record(RECORD))


def test_the_guides_names_are_in_the_file():
    value = encode_record(replace(RECORD, job_name="batches/abc", error_message="why"))
    assert {"provider_name", "job_name", "created_at", "status", "error_message"} <= value.keys()
    assert value["status"] == status_of(replace(RECORD, job_name="batches/abc", error_message="why"))
    assert value["batches"] == [
        {"subject": "Geography", "filename": "gcse.md", "batch_index": 0, "issue_ids": [0, 1, 2], "unanswered": [1]}
    ]


def test_what_has_its_default_is_left_out():
    bare = replace(RECORD, attempts=(), counts=RequestCounts(), tally=None)
    assert encode_record(bare).keys() == {
        "provider_name",
        "status",
        "state",
        "task",
        "model",
        "created_at",
        "request_count",
        "batches",
    }


def test_only_known_fields_are_written():
    assert encode_record(RECORD).keys() <= RECORD_FIELDS


def test_fields_of_a_later_version_are_passed_over():
    assert decode_record(RECORD.job_id, encode_record(RECORD) | {"mood": [1]}) == RECORD


def test_a_job_of_a_hundred_thousand_rows_takes_one_short_line():
    batch = BatchRef(group="g", document="d", index=0, item_ids=range(100_000), per_item=True)
    value = encode_record(replace(RECORD, batches=(batch,), request_count=100_000))
    assert value["batches"][0]["issue_ids"] == {"from": 0, "to": 99_999}


def test_rows_with_gaps_take_two_numbers_a_run():
    batch = BatchRef(group="g", document="d", index=0, item_ids=Spans([0, 1, 2, 4, 7, 8]), per_item=True)
    value = encode_record(replace(RECORD, batches=(batch,)))
    assert value["batches"][0]["issue_ids"] == "0-2,4,7-8"


def test_a_job_of_rows_with_gaps_is_read_into_little_memory():
    ids = Spans(row for row in range(150_000) if row % 3)
    batch = BatchRef(group="g", document="d", index=0, item_ids=ids, per_item=True)
    value = encode_record(replace(RECORD, batches=(batch,), request_count=100_000))
    tracemalloc.start()
    try:
        record = decode_record(RECORD.job_id, value)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert record.batches[0].item_ids == ids
    assert held < 20 * 50_000  # two numbers a run; a tuple of them takes four million bytes


@pytest.mark.parametrize("ids", ["", "1,", ",1", "3-", "-3", "1 2", "1,2,x", "\u0661", "1-2-3", "9" * 16])
def test_runs_that_are_none_are_told(ids):
    value = encode_record(RECORD)
    value["batches"] = [value["batches"][0] | {"issue_ids": ids}]
    with pytest.raises(TrackingError, match="issue_ids is not a list, nor runs"):
        decode_record(RECORD.job_id, value)


@pytest.mark.parametrize("ids", ["3-2", "1-4,4-5", "7,3"])
def test_runs_that_run_backwards_are_told(ids):
    value = encode_record(RECORD)
    value["batches"] = [value["batches"][0] | {"issue_ids": ids}]
    with pytest.raises(TrackingError, match="issue_ids runs backwards"):
        decode_record(RECORD.job_id, value)


def test_listed_rows_of_earlier_versions_are_read():
    batch = BatchRef(group="g", document="d", index=0, item_ids=(1, 2, 4), per_item=True)
    value = encode_record(replace(RECORD, batches=(batch,)))
    assert value["batches"][0]["issue_ids"] == [1, 2, 4]
    assert decode_record(RECORD.job_id, value).batches[0].item_ids == (1, 2, 4)


def test_half_a_surrogate_pair_in_an_answer_does_not_stop_it_being_kept():
    result = Result(custom_id="a-1", status=ResultStatus.SUCCEEDED, text="smile \ud83d")
    assert decode_result(encode_result(result)).text == "smile \ufffd"


@pytest.mark.parametrize(
    ("word", "state", "status", "unanswered"),
    [
        ("pending", JobState.SUBMITTED, JobStatus.PENDING, None),
        ("completed", JobState.COMPLETED, JobStatus.COMPLETED, ()),
        ("failed", JobState.SUBMITTED, JobStatus.PENDING, None),
    ],
)
def test_a_first_generation_job_is_done_or_for_the_provider_to_decide(word, state, status, unanswered):
    record = decode_first_generation("batches/abc", FIRST_GENERATION | {"status": word, "error_message": "timeout"})
    assert (record.state, status_of(record), record.batches[0].unanswered) == (state, status, unanswered)
    assert (record.job_name, record.provider_state) == ("batches/abc", None)
    assert (record.error_message or record.last_error) == "timeout"


@pytest.mark.parametrize(
    ("word", "status"), [("pending", "pending"), ("completed", "completed"), ("failed", "pending")]
)
def test_a_first_generation_job_without_items_has_its_status_too(word, status):
    record = decode_first_generation("batches/abc", FIRST_GENERATION | {"status": word, "issue_ids": []})
    assert status_of(record) == status


def test_a_first_generation_time_without_a_zone_is_utc():
    record = decode_first_generation("batches/abc", FIRST_GENERATION)
    assert record.created_at == datetime(2025, 11, 3, 10, 20, 30, 123456, tzinfo=UTC)


def test_a_first_generation_job_becomes_a_record_of_ours_that_comes_back():
    record = decode_first_generation("batches/abc", FIRST_GENERATION)
    assert decode_record(record.job_id, encode_record(record)) == record
