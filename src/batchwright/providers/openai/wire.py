"""OpenAI's batch and live formats: our nouns to their JSON and back. Pure: no I/O, no SDK.

Formats from the types of the openai SDK (3.31 and 3.52) and from recorded batches; oddities of real files (an error
file line whose `error` is null, a status code 0, an empty text for "no file") are decoded as they come.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic_core import to_json

from batchwright.job import BatchJob, JobState, RequestCounts
from batchwright.providers.failures import read_line_error, redact, to_failure
from batchwright.providers.jsonl import malformed
from batchwright.providers.openai.schema import response_schema
from batchwright.providers.parts import Reply, check_model, check_request, data_url, only_text, to_result
from batchwright.providers.plain_answers import ABSENT, NOTHING, PlainAnswers, counts, word
from batchwright.providers.reading import Json, as_count, as_list, as_object, as_text, as_time, as_word
from batchwright.request import ImagePart, Message, Params, Part, Request, Role, TextPart
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.usage import Usage

NAME = "openai"
Endpoint = Literal["chat.completions", "responses"]
"""Which of OpenAI's two interfaces answers."""
PATHS: Mapping[Endpoint, str] = {"chat.completions": "/v1/chat/completions", "responses": "/v1/responses"}
"""The endpoint's path, as the batch and each of its lines name it."""
LIVE_PATHS: Mapping[Endpoint, str] = {endpoint: path.removeprefix("/v1") for endpoint, path in PATHS.items()}
"""The same below an address, which ends in `/v1`."""
OVER_QUOTA = "token_limit_exceeded"
"""The code of a job that failed because too many tokens of its model were enqueued; it may be sent again later."""
RESULTS_KEPT = timedelta(days=30)
"""Output and error files are deleted this long after the batch ended."""

TAG_KEY = "batchwright"
"""The metadata key under which a batch carries our tag."""

_TAKES_TEMPERATURE = re.compile(r"(?:ft:)?(?:gpt-3\.5|gpt-4|chatgpt-4)")
"""Reasoning models (o1 on, gpt-5 on) refuse any but the default temperature."""
_O_SERIES = re.compile(r"(?:ft:)?o\d")
_FIRST_GPT5 = re.compile(r"(?:ft:)?gpt-5(?:-|$)")

_STATES = {
    "validating": JobState.SUBMITTED,
    "in_progress": JobState.IN_PROGRESS,
    "finalizing": JobState.IN_PROGRESS,
    "completed": JobState.COMPLETED,
    "failed": JobState.FAILED,
    "expired": JobState.EXPIRED,
    "cancelling": JobState.CANCELLING,
    "canceling": JobState.CANCELLING,
    "cancelled": JobState.CANCELLED,
    "canceled": JobState.CANCELLED,
}
_ENDS = {
    "completed_at": JobState.COMPLETED,
    "failed_at": JobState.FAILED,
    "expired_at": JobState.EXPIRED,
    "cancelled_at": JobState.CANCELLED,
}
_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.BLOCKED,
}
_NEVER_RAN = {"batch_expired": ResultStatus.EXPIRED, "batch_cancelled": ResultStatus.CANCELLED}

_BODY = ("response", "body")
_CHOICE = (*_BODY, "choices", 0)
PLAIN = PlainAnswers(
    custom_id=("custom_id",),
    text=(*_CHOICE, "message", "content"),
    usage=(
        (*_BODY, "usage"),
        counts(
            input_tokens=("prompt_tokens",),
            output_tokens=("completion_tokens",),
            cached=("prompt_tokens_details", "cached_tokens"),
            cache_write=("prompt_tokens_details", "cache_write_tokens"),
            reasoning=("completion_tokens_details", "reasoning_tokens"),
        ),
    ),
    model=(*_BODY, "model"),
    request_id=("response", "request_id"),
    checks={
        ("response", "status_code"): word(200),
        (*_BODY, "error"): NOTHING,
        (*_BODY, "output"): ABSENT,
        (*_CHOICE, "finish_reason"): word("stop"),
        (*_CHOICE, "message", "refusal"): NOTHING,
    },
)
"""A chat completion that is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIWire:
    """Lays a job's requests out as JSONL for one endpoint; `defaults` names the job's model."""

    defaults: Params
    system: str = ""
    endpoint: Endpoint = "chat.completions"
    temperature: float = 0.2
    """Sent to models that take one, unless another is asked for."""
    suffix: str = ".jsonl"
    head: bytes = b""
    separator: bytes = b"\n"
    tail: bytes = b"\n"

    def encode(self, request: Request) -> bytes:
        """Return one line of the input file. Raises `ConfigurationError` if the request cannot be said so."""
        check_model(request, self.defaults)
        line = {
            "custom_id": request.custom_id,
            "method": "POST",
            "url": PATHS[self.endpoint],
            "body": self.body(request),
        }
        return to_json(line)

    def body(self, request: Request) -> dict[str, Any]:
        """Return the endpoint's own request body, as a live call sends it too."""
        check_request(request)
        return self._chat(request) if self.endpoint == "chat.completions" else self._responses(request)

    def _chat(self, request: Request) -> dict[str, Any]:
        params = request.params.over(self.defaults)
        system = self.system if request.system is None else request.system
        messages = [{"role": "system", "content": system}] if system else []
        body: dict[str, Any] = {"model": params.model, "messages": messages + [_chat_turn(m) for m in request.messages]}
        temperature = chosen_temperature(params, self.temperature)
        effort = reasoning_effort(params)
        if temperature is not None:
            body["temperature"] = temperature
        if params.max_output_tokens is not None:
            body["max_completion_tokens"] = params.max_output_tokens
        if effort is not None:
            body["reasoning_effort"] = effort
        if request.output_schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": response_schema(request.output_schema)}
        return body

    def _responses(self, request: Request) -> dict[str, Any]:
        params = request.params.over(self.defaults)
        system = self.system if request.system is None else request.system
        body: dict[str, Any] = {"model": params.model, "input": [_responses_turn(m) for m in request.messages]}
        temperature = chosen_temperature(params, self.temperature)
        effort = reasoning_effort(params)
        if system:
            body["instructions"] = system
        if temperature is not None:
            body["temperature"] = temperature
        if params.max_output_tokens is not None:
            body["max_output_tokens"] = params.max_output_tokens
        if effort is not None:
            body["reasoning"] = {"effort": effort}
        if request.output_schema is not None:
            body["text"] = {"format": {"type": "json_schema", **response_schema(request.output_schema)}}
        return body


def chosen_temperature(params: Params, default: float) -> float | None:
    """Return the temperature to send: one asked for always, the default only to models that take one."""
    if params.temperature is not None:
        return params.temperature
    return default if _TAKES_TEMPERATURE.match(params.model or "") else None


def reasoning_effort(params: Params) -> str | None:
    """Return the effort that comes nearest to a thinking budget: OpenAI counts thinking in words, not tokens.

    Up to 4,096 tokens is low, up to 16,384 medium, above high; 0 is the least the model knows (`none`, `minimal` for
    the first gpt-5 models, `low` for the o series). Models that do not reason get none.
    """
    model, budget = params.model or "", params.thinking_budget
    if budget is None or _TAKES_TEMPERATURE.match(model):
        return None
    if budget <= 0:
        if _O_SERIES.match(model):
            return "low"
        return "minimal" if _FIRST_GPT5.match(model) else "none"
    if budget <= 4096:  # noqa: PLR2004  (see the docstring)
        return "low"
    return "medium" if budget <= 16384 else "high"  # noqa: PLR2004  (see the docstring)


def _chat_turn(message: Message) -> dict[str, Any]:
    text = only_text(message.parts)
    return {"role": message.role.value, "content": text if text is not None else [_chat_part(p) for p in message.parts]}


def _chat_part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    return {"type": "file", "file": {"filename": part.filename, "file_data": data_url(part)}}


def _responses_turn(message: Message) -> dict[str, Any]:
    if message.role is Role.ASSISTANT:
        return {"role": "assistant", "content": only_text(message.parts)}
    return {"role": "user", "content": [_responses_part(part) for part in message.parts]}


def _responses_part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}
    return {"type": "input_file", "filename": part.filename, "file_data": data_url(part)}


def decode_job(batch: Json) -> BatchJob:
    """Return a batch object as our job; a status nobody knows is a job in progress until it has an end."""
    status = as_text(batch.get("status")) or "unknown"
    counts = as_object(batch.get("request_counts"))
    errors = [as_object(entry) for entry in as_list(as_object(batch.get("errors")).get("data"))]
    ends = ((moment, state) for field, state in _ENDS.items() if (moment := as_time(batch.get(field))))
    ended, end_state = next(ends, (None, JobState.IN_PROGRESS))
    files = (as_text(batch.get("output_file_id")), as_text(batch.get("error_file_id")))
    return BatchJob(
        provider_name=NAME,
        job_name=as_text(batch.get("id")) or "",
        state=_STATES.get(status.lower(), end_state),
        provider_state=status,
        counts=RequestCounts(
            total=as_count(counts.get("total")),
            succeeded=as_count(counts.get("completed")),
            errored=as_count(counts.get("failed")),
        ),
        created_at=as_time(batch.get("created_at")),
        ended_at=ended,
        results_until=ended + RESULTS_KEPT if ended else None,
        expires_at=as_time(batch.get("expires_at")),
        tag=as_text(as_object(batch.get("metadata")).get(TAG_KEY)),
        input_file_id=as_text(batch.get("input_file_id")),
        output_file_ids=tuple(name for name in files if name),
        error=_job_error(errors),
        error_code=as_word(errors[0].get("code")) if errors else None,
        over_quota=any(as_word(error.get("code")) == OVER_QUOTA for error in errors),
        model=as_text(batch.get("model")),
    )


def _job_error(errors: list[Json]) -> str | None:
    if not errors:
        return None
    first = errors[0]
    where = f"line {first['line']}: " if first.get("line") is not None else ""
    code = f" ({first['code']})" if first.get("code") else ""
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return redact(f"{where}{as_text(first.get('message')) or 'no reason given'}{code}{more}")


def decode_line(line: Json) -> Result:
    """Return one line of an output or error file as a result."""
    custom_id = as_text(line.get("custom_id"))
    response = as_object(line.get("response"))
    if not response:
        return _never_answered(custom_id, line)
    status = as_count(response.get("status_code"))
    body = as_object(response.get("body"))
    request_id = as_text(response.get("request_id"))
    if 200 <= status < 300 and not body.get("error"):  # noqa: PLR2004  (HTTP)
        return decode_answer(custom_id, body, request_id=request_id)
    error = read_line_error(NAME, body or response, status_code=status or 500)
    failure = to_failure(error, status_code=status or None)
    return Result(custom_id=custom_id, status=ResultStatus.ERRORED, failure=failure, request_id=request_id)


def _never_answered(custom_id: str | None, line: Json) -> Result:
    error = as_object(line.get("error"))
    if not error:
        return malformed(custom_id, "a result line has neither a response nor an error")
    code = as_word(error.get("code"))
    status = _NEVER_RAN.get(code or "", ResultStatus.ERRORED)
    failure = to_failure(read_line_error(NAME, {"error": error}))
    if status is not ResultStatus.ERRORED:
        failure = Failure(kind=FailureKind(status.value), message=failure.message, code=code)
    return Result(custom_id=custom_id, status=status, failure=failure)


def decode_answer(custom_id: str | None, body: Json, *, request_id: str | None = None) -> Result:
    """Return the body of a successful answer, of either endpoint, as a result."""
    reply = _responses_reply(body, request_id) if "output" in body else _chat_reply(body, request_id)
    return to_result(custom_id, reply)


def _chat_reply(body: Json, request_id: str | None) -> Reply:
    choice = as_object(next(iter(as_list(body.get("choices"))), None))
    message = as_object(choice.get("message"))
    usage = as_object(body.get("usage"))
    word = as_text(choice.get("finish_reason"))
    content, refusal = message.get("content"), as_text(message.get("refusal"))
    if content is None and word == "length":  # all of it went into thinking
        content = ""
    return Reply(
        text=content if isinstance(content, str) else None,
        finish_reason=FinishReason.BLOCKED if refusal else _FINISH.get(word or "", FinishReason.OTHER),
        stop_word="refusal" if refusal else word,
        refusal=refusal,
        usage=_chat_usage(usage),
        model=as_text(body.get("model")),
        request_id=request_id or as_text(body.get("id")),
    )


def _chat_usage(usage: Json) -> Usage:
    read = as_object(usage.get("prompt_tokens_details"))
    return Usage(
        input_tokens=as_count(usage.get("prompt_tokens")),
        output_tokens=as_count(usage.get("completion_tokens")),
        cached_tokens=as_count(read.get("cached_tokens")),
        cache_write_tokens=as_count(read.get("cache_write_tokens")),
        reasoning_tokens=as_count(as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _responses_reply(body: Json, request_id: str | None) -> Reply:
    turns = [as_object(item) for item in as_list(body.get("output"))]
    parts = [as_object(p) for turn in turns if turn.get("type") == "message" for p in as_list(turn.get("content"))]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    refusal = next((as_text(part.get("refusal")) for part in parts if part.get("type") == "refusal"), None)
    word = as_text(as_object(body.get("incomplete_details")).get("reason"))
    if word is None and body.get("status") in ("completed", None):
        word = "stop"
    usage = as_object(body.get("usage"))
    read = as_object(usage.get("input_tokens_details"))
    cut = word == "max_output_tokens"
    return Reply(
        text="".join(texts) if texts or cut else None,
        finish_reason=FinishReason.BLOCKED if refusal else _FINISH.get(word or "", FinishReason.OTHER),
        stop_word="refusal" if refusal else word or as_text(body.get("status")),
        refusal=refusal,
        usage=Usage(
            input_tokens=as_count(usage.get("input_tokens")),
            output_tokens=as_count(usage.get("output_tokens")),
            cached_tokens=as_count(read.get("cached_tokens")),
            cache_write_tokens=as_count(read.get("cache_write_tokens")),
            reasoning_tokens=as_count(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
        ),
        model=as_text(body.get("model")),
        request_id=request_id or as_text(body.get("id")),
    )
