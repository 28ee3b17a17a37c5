"""Gemini's batch and live formats (Developer API): our nouns to their JSON and back. Pure: no I/O, no SDK.

REST JSON in camelCase, from the SDK's types (google-genai 2.30 and 3.4) and from recorded operations: counts are texts,
zero fields are left out, times have nanoseconds, and an error's code is gRPC's or HTTP's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json

from batchwright.job import BatchJob, JobState, RequestCounts
from batchwright.providers.failures import read_line_error, redact, to_failure
from batchwright.providers.gemini.schema import response_schema
from batchwright.providers.jsonl import malformed
from batchwright.providers.parts import Reply, base64_of, check_model, check_request, to_result
from batchwright.providers.plain_answers import ABSENT, NOTHING, PlainAnswers, word, worked_out
from batchwright.providers.reading import Json, as_count, as_list, as_object, as_text, as_time, as_word
from batchwright.request import Message, Params, Part, Request, Role, TextPart
from batchwright.result import FinishReason, Result, ResultStatus
from batchwright.usage import Usage

NAME = "gemini"
RESULTS_KEPT = timedelta(weeks=6)
"""Results are deleted this long after the job ended."""
INPUTS_KEPT = timedelta(hours=48)
"""Uploaded files are deleted this long after they came, whether or not their job has run."""
GIVES_UP_AFTER = timedelta(hours=48)
"""A job that is still unfinished by then expires, and nothing of it is returned."""

_SECOND_GENERATION = re.compile(r"(?:models/)?gemini-2\.")
_THINKING_BY_BUDGET = re.compile(r"(?:models/)?gemini-2\.5-(?!.*(?:image|tts))")

_STATES = {
    "PENDING": JobState.SUBMITTED,
    "QUEUED": JobState.SUBMITTED,
    "RUNNING": JobState.IN_PROGRESS,
    "SUCCEEDED": JobState.COMPLETED,
    "PARTIALLY_SUCCEEDED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLING": JobState.CANCELLING,
    "CANCELLED": JobState.CANCELLED,
    "EXPIRED": JobState.EXPIRED,
}
_BLOCKED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
_FINISH = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    **dict.fromkeys(_BLOCKED, FinishReason.BLOCKED),
}
_GRPC_CANCELLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiWire:
    """Lays a job's requests out as JSONL with keys; the model is the job's and stands in its URL."""

    defaults: Params
    system: str = ""
    temperature: float = 0.2
    """Sent to models before Gemini 3 (which is documented to work badly with any but its own), unless asked for."""
    thinking_budget: int | None = None
    """Tokens; sent to the 2.5 models, which take a budget, unless another is asked for."""
    suffix: str = ".jsonl"
    head: bytes = b""
    separator: bytes = b"\n"
    tail: bytes = b"\n"

    def encode(self, request: Request) -> bytes:
        """Return one line of the input file. Raises `ConfigurationError` if the request cannot be said so."""
        check_model(request, self.defaults)
        return to_json({"key": request.custom_id, "request": self.body(request)})

    def body(self, request: Request) -> dict[str, Any]:
        """Return a GenerateContentRequest, as a live call sends it too."""
        check_request(request)
        system = self.system if request.system is None else request.system
        body: dict[str, Any] = {"contents": [_content(message) for message in request.messages]}
        config = self._config(request)
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if config:
            body["generationConfig"] = config
        return body

    def _config(self, request: Request) -> dict[str, Any]:
        params = request.params.over(self.defaults)
        model = params.model or ""
        temperature, budget = params.temperature, params.thinking_budget
        if temperature is None and _SECOND_GENERATION.match(model):
            temperature = self.temperature
        if budget is None and _THINKING_BY_BUDGET.match(model):
            budget = self.thinking_budget
        config: dict[str, Any] = {}
        if temperature is not None:
            config["temperature"] = temperature
        if params.max_output_tokens is not None:
            config["maxOutputTokens"] = params.max_output_tokens
        if budget is not None:
            config["thinkingConfig"] = {"thinkingBudget": budget}
        if request.output_schema is not None:
            config["responseMimeType"] = "application/json"
            config["responseSchema"] = response_schema(request.output_schema)
        return config


@lru_cache
def live_path(api_version: str, model: str) -> str:
    """Return where a model answers live, below the address."""
    name = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    return f"/{api_version}/{quote(name)}:generateContent"


def _content(message: Message) -> dict[str, Any]:
    role = "user" if message.role is Role.USER else "model"
    return {"role": role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    return {"inlineData": {"mimeType": part.media_type, "data": base64_of(part)}}


def decode_job(operation: Json) -> BatchJob:
    """Return a batch operation as our job; a state nobody knows is a job in progress."""
    batch = as_object(operation.get("metadata")) or operation
    error = as_object(operation.get("error")) or as_object(batch.get("error"))
    stats = as_object(batch.get("batchStats"))
    output = as_object(batch.get("output")) or as_object(operation.get("response"))
    created, ended = as_time(batch.get("createTime")), as_time(batch.get("endTime"))
    uploaded = as_text(as_object(batch.get("inputConfig")).get("fileName"))
    state = as_text(batch.get("state")) or ""
    responses = as_text(output.get("responsesFile"))
    model = as_text(batch.get("model"))
    return BatchJob(
        provider_name=NAME,
        job_name=as_text(operation.get("name")) or as_text(batch.get("name")) or "",
        state=job_state(state, done=operation.get("done") is True, error=error),
        provider_state=state or "unknown",
        counts=RequestCounts(
            total=as_count(stats.get("requestCount")),
            succeeded=as_count(stats.get("successfulRequestCount")),
            errored=as_count(stats.get("failedRequestCount")),
        ),
        created_at=created,
        ended_at=ended,
        results_until=ended + RESULTS_KEPT if ended else None,
        inputs_until=created + INPUTS_KEPT if created and uploaded else None,
        expires_at=created + GIVES_UP_AFTER if created else None,
        tag=as_text(batch.get("displayName")),
        input_file_id=uploaded,
        output_file_ids=(responses,) if responses else (),
        error=redact(as_text(error.get("message")) or "no reason given") if error else None,
        error_code=as_text(error.get("status")) or as_word(error.get("code")),
        model=model.removeprefix("models/") if model else None,
    )


def job_state(state: str, *, done: bool, error: Json) -> JobState:
    """Return the state of an operation; one that says it is done without naming a state is told by its error."""
    known = _STATES.get(state.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_"))
    if known is not None:
        return known
    if not done:
        return JobState.IN_PROGRESS
    if error:
        return JobState.CANCELLED if error.get("code") == _GRPC_CANCELLED else JobState.FAILED
    return JobState.COMPLETED


def inlined_results(operation: Json) -> Iterator[Result]:
    """Yield the results of an inline job, by key, else by position (jobs of the first generation sent no keys)."""
    for document in (as_object(operation.get("metadata")).get("output"), operation.get("response")):
        inlined = as_object(document).get("inlinedResponses")
        entries = as_list(as_object(inlined).get("inlinedResponses")) or as_list(inlined)
        if entries:
            yield from (decode_line(as_object(entry), position=n) for n, entry in enumerate(entries))
            return


def decode_line(line: Json, *, position: int | None = None) -> Result:
    """Return one line of a responses file, or one inlined response, as a result."""
    key = as_text(line.get("key")) or as_text(as_object(line.get("metadata")).get("key"))
    result = _decode(key, line)
    return replace(result, position=position) if key is None else result


def _decode(key: str | None, line: Json) -> Result:
    if line.get("error"):
        failure = to_failure(read_line_error(NAME, {"error": line["error"]}))
        return Result(custom_id=key, status=ResultStatus.ERRORED, failure=failure)
    if not isinstance(line.get("response"), Mapping):
        return malformed(key, "a result line has neither a response nor an error")
    return decode_answer(key, line["response"])


def decode_answer(custom_id: str | None, response: Json) -> Result:
    """Return a GenerateContentResponse, from a batch or a live call, as a result."""
    candidate = as_object(next(iter(as_list(response.get("candidates"))), None))
    parts = [as_object(part) for part in as_list(as_object(candidate.get("content")).get("parts"))]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str) and not part.get("thought")]
    feedback = as_object(response.get("promptFeedback"))
    blocked = as_text(feedback.get("blockReason")) if not candidate else None
    word = blocked or as_text(candidate.get("finishReason"))
    finish = FinishReason.BLOCKED if blocked else _FINISH.get(word or "", FinishReason.OTHER)
    said = as_text(feedback.get("blockReasonMessage")) or as_text(candidate.get("finishMessage"))
    reply = Reply(
        text="".join(texts) if texts or finish is FinishReason.LENGTH else None,
        finish_reason=finish,
        stop_word=word,
        refusal=said or (f"the {'prompt' if blocked else 'answer'} was blocked: {word}" if word else None),
        usage=_usage(response.get("usageMetadata")),
        model=as_text(response.get("modelVersion")),
        request_id=as_text(response.get("responseId")),
    )
    return to_result(custom_id, reply)


def _usage(value: object) -> Usage:
    usage = as_object(value)
    thoughts = as_count(usage.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=as_count(usage.get("promptTokenCount")) + as_count(usage.get("toolUsePromptTokenCount")),
        output_tokens=as_count(usage.get("candidatesTokenCount")) + thoughts,
        cached_tokens=as_count(usage.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )


_CANDIDATE = ("response", "candidates", 0)
_PARTS = (*_CANDIDATE, "content", "parts")
PLAIN = PlainAnswers(
    custom_id=("key",),
    text=(*_PARTS, 0, "text"),
    usage=(("response", "usageMetadata"), worked_out(_usage)),
    model=("response", "modelVersion"),
    request_id=("response", "responseId"),
    checks={
        ("error",): NOTHING,
        (*_PARTS, 0, "thought"): ABSENT,
        (*_PARTS, 1): ABSENT,
        (*_CANDIDATE, "finishReason"): word("STOP"),
    },
)
"""A response of one text that is whole."""
