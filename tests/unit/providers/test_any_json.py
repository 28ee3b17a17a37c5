"""Any JSON at all, whole or in one place of what a vendor sends, gives a job or a result that can be kept."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from batchwright.batch.lifecycle import observed
from batchwright.errors import LLMProviderError
from batchwright.job import BatchJob, BatchRef, JobRecord
from batchwright.providers.anthropic import wire as anthropic
from batchwright.providers.failures import Phase, read_error, read_line_error, to_exception, to_failure
from batchwright.providers.gemini import wire as gemini
from batchwright.providers.jsonl import read_line
from batchwright.providers.openai import wire as openai
from batchwright.result import Failure, Result
from batchwright.tracking.codec import decode_record, encode_record
from batchwright.tracking.json_text import to_line
from batchwright.tracking.result_codec import decode_result, encode_result

NOW = datetime(2026, 11, 1, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(min_value=10**300) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
TIMES = st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", 1e300, -1e300, 253402300799, "1" * 5000])
ANYTHING = JSON | TIMES | st.from_regex(r"[0-9\u0660-\u0669]{1,40}", fullmatch=True)

OPENAI_JOB = {
    "id": "batch_1",
    "status": "failed",
    "errors": {"data": [{"code": "token_limit_exceeded", "message": "m", "line": 3}]},
    "request_counts": {"total": 2, "completed": 1, "failed": 1},
    "created_at": 1_800_000_000,
    "completed_at": 1_800_000_100,
    "failed_at": None,
    "expires_at": 1_800_086_400,
    "metadata": {"batchwright": "job-1-a1"},
    "input_file_id": "file-1",
    "output_file_id": "file-2",
    "error_file_id": "",
    "model": "m",
}
ANTHROPIC_JOB = {
    "id": "msgbatch_1",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 1, "expired": 1},
    "created_at": "2026-01-01T00:00:00Z",
    "ended_at": "2026-01-01T00:00:01Z",
    "expires_at": "2026-01-02T00:00:00Z",
    "cancel_initiated_at": None,
}
GEMINI_JOB = {
    "name": "batches/1",
    "done": True,
    "metadata": {
        "model": "models/m",
        "state": "BATCH_STATE_SUCCEEDED",
        "displayName": "job-1-a1",
        "createTime": "2026-01-01T00:00:00.123456789Z",
        "endTime": "2026-01-01T00:00:01Z",
        "inputConfig": {"fileName": "files/1"},
        "batchStats": {"requestCount": "2", "successfulRequestCount": "1"},
        "output": {"responsesFile": "files/2"},
        "error": {"code": 13, "message": "m", "status": "INTERNAL"},
    },
    "response": {"responsesFile": "files/2"},
}
CHAT = {
    "id": "chatcmpl-1",
    "model": "m",
    "choices": [{"message": {"content": "text", "refusal": None}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
RESPONSE = {
    "id": "resp_1",
    "model": "m",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "t"}, {"type": "refusal", "refusal": "r"}]}
    ],
    "usage": {"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
}
MESSAGE = {
    "id": "msg_1",
    "model": "m",
    "content": [{"type": "text", "text": "t"}],
    "stop_reason": "refusal",
    "stop_details": {"explanation": "e"},
    "usage": {
        "input_tokens": 1,
        "cache_read_input_tokens": 1,
        "output_tokens": 1,
        "output_tokens_details": {"thinking_tokens": 1},
    },
}
GENERATED = {
    "candidates": [
        {"content": {"parts": [{"text": "t", "thought": False}]}, "finishReason": "STOP", "finishMessage": "m"}
    ],
    "promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "m"},
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "thoughtsTokenCount": 1},
    "modelVersion": "m",
    "responseId": "r",
}
DETAIL = {"reason": "r", "retryDelay": "7s", "violations": [{"quotaId": "PerDay"}]}
FAILED = {"code": 8, "message": "m", "status": "RESOURCE_EXHAUSTED", "type": "t", "details": [DETAIL]}
ANSWERED = {"status_code": 200, "request_id": "q", "body": CHAT}
NEVER_RAN = {"code": "batch_expired", "message": "m"}
ERRORED = {"type": "errored", "error": {"type": "error", "error": FAILED, "request_id": "r"}}

JOBS = {
    "openai": (openai.decode_job, OPENAI_JOB),
    "anthropic": (anthropic.decode_job, ANTHROPIC_JOB),
    "gemini": (gemini.decode_job, GEMINI_JOB),
}
LINES = {
    "openai": (openai.decode_line, {"custom_id": "a", "response": ANSWERED, "error": None}),
    "openai refused": (openai.decode_line, {"custom_id": "a", "response": {"status_code": 429, "body": FAILED}}),
    "openai expired": (openai.decode_line, {"custom_id": "a", "response": None, "error": NEVER_RAN}),
    "anthropic": (anthropic.decode_line, {"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}}),
    "anthropic refused": (anthropic.decode_line, {"custom_id": "a", "result": ERRORED}),
    "gemini": (gemini.decode_line, {"key": "a", "response": GENERATED}),
    "gemini refused": (gemini.decode_line, {"metadata": {"key": "a"}, "error": FAILED}),
}
ANSWERS = {
    "chat": (openai.decode_answer, CHAT),
    "responses": (openai.decode_answer, RESPONSE),
    "anthropic": (anthropic.decode_answer, MESSAGE),
    "gemini": (gemini.decode_answer, GENERATED),
}
INLINED = {"response": {"inlinedResponses": {"inlinedResponses": [{"response": GENERATED, "metadata": {"key": "a"}}]}}}
HEADERS = ("retry-after", "retry-after-ms", "date", "request-id")
WAITS = st.text() | st.sampled_from(["nan", "inf", "-1", "Thu, 01 Jan 1970 00:00:00"])


def broken(value):
    """A vendor's JSON with any one value in it, at any depth, replaced by anything."""
    if isinstance(value, dict) and value:
        places = [broken(item).map(lambda new, name=name: value | {name: new}) for name, item in value.items()]
        return st.one_of(ANYTHING, *places)
    if isinstance(value, list) and value:
        return ANYTHING | broken(value[0]).map(lambda new: [new, *value[1:]])
    return ANYTHING


def an_object(document):
    """What reaches a decoder: whatever else a vendor sends, `parse_object` refused."""
    return document if isinstance(document, dict) else {}


def keeps(result):
    """Whether a result is one, and comes back from its line the same."""
    assert isinstance(result, Result)
    kept = decode_result(encode_result(result))
    assert kept == decode_result(encode_result(kept))


@pytest.mark.parametrize("vendor", JOBS)
@given(data=st.data())
def test_any_job_can_be_read_and_remembered(vendor, data):
    decode, document = JOBS[vendor]
    job = decode(an_object(data.draw(broken(document))))
    assert isinstance(job, BatchJob)
    record = JobRecord(
        job_id="job-000000000000",
        provider_name=vendor,
        task="t",
        model="m",
        batches=(BatchRef(group="g", document="d", index=0, item_ids=(0,)),),
        request_count=1,
        created_at=NOW,
    )
    seen = observed(record, job, NOW)
    assert decode_record(record.job_id, from_json(to_line(encode_record(seen)))).state is job.state


@pytest.mark.parametrize("kind", LINES)
@given(data=st.data())
def test_any_line_is_a_result(kind, data):
    decode, document = LINES[kind]
    drawn = data.draw(broken(document))
    keeps(decode(an_object(drawn)))
    keeps(read_line(to_line(drawn), decode))


@pytest.mark.parametrize("kind", LINES)
@given(line=st.binary(max_size=60))
def test_any_bytes_are_a_result(kind, line):
    keeps(read_line(line, LINES[kind][0]))


@pytest.mark.parametrize("kind", ANSWERS)
@given(data=st.data())
def test_any_answer_is_a_result(kind, data):
    decode, document = ANSWERS[kind]
    keeps(decode("a", an_object(data.draw(broken(document)))))


@given(document=broken(INLINED))
def test_any_inline_responses_are_results(document):
    for result in gemini.inlined_results(an_object(document)):
        keeps(result)


@given(
    body=broken({"error": FAILED}) | broken([{"error": FAILED}]) | st.text(),
    status=st.none() | st.integers(0, 999),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date", "request-id"]),
        st.text() | st.sampled_from(["nan", "inf", "-1", "Thu, 01 Jan 1970 00:00:00"]),
    ),
)
@pytest.mark.parametrize("phase", Phase)
def test_any_refusal_is_one_of_our_errors(phase, body, status, headers):
    error = read_error("openai", status_code=status, headers=headers, body=body, now=NOW)
    assert isinstance(to_exception(error, phase, secrets=("key",)), LLMProviderError)
    assert isinstance(to_failure(read_line_error("openai", body, status_code=status)), Failure)
