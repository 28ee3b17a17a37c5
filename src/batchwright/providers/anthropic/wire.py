"""Anthropic's batch and live formats: our nouns to their JSON and back. Pure: no I/O, no SDK.

Formats from the types of the anthropic SDK (1.15 and 2.11) and from recorded batches. A batch is one JSON body, so the
wire file is that body, one request a line. There is no failed, expired or cancelled batch: the counts tell.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from batchwright.errors import ConfigurationError
from batchwright.job import BatchJob, JobState, RequestCounts
from batchwright.providers.anthropic.schema import response_schema
from batchwright.providers.base import Rates
from batchwright.providers.failures import read_line_error, to_failure
from batchwright.providers.jsonl import malformed
from batchwright.providers.parts import Reply, base64_of, check_request, only_text, to_result
from batchwright.providers.plain_answers import ABSENT, PlainAnswers, word, worked_out
from batchwright.providers.rates import count_in, rates_or_none
from batchwright.providers.reading import Json, as_count, as_list, as_object, as_text, as_time
from batchwright.request import ImagePart, Message, Params, Part, Request, TextPart
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.usage import Usage

NAME = "anthropic"
RESULTS_KEPT = timedelta(days=29)
"""Results are deleted this long after the batch was created; the batch itself stays visible."""
MAX_OUTPUT_TOKENS = 16384
"""Anthropic asks for a limit in every request; every current model allows this much, and only what is used is paid."""
LAST_VERSION_WITH_TEMPERATURE = "2023-06-01"
"""`anthropic-version` 2026-10-21, which SDKs from 2 on send, answers 400 to temperature, top_p and top_k."""
NEWEST_VERSION = "2026-10-21"

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?")
_FIRST_THINKING, _LAST_WITH_BUDGET = (3, 7), (4, 6)

_FINISH = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.BLOCKED,
}
_NEVER_RAN = {
    "expired": (ResultStatus.EXPIRED, "the batch's 24 hours ran out before this request was run"),
    "canceled": (ResultStatus.CANCELLED, "the batch was cancelled before this request was run"),
    "cancelled": (ResultStatus.CANCELLED, "the batch was cancelled before this request was run"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicWire:
    """Lays a job's requests out as the one JSON body of a create."""

    defaults: Params
    system: str = ""
    takes_temperature: bool = True
    """Whether the API version that will be named accepts one."""
    temperature: float | None = None
    """Sent where it is accepted, unless another is asked for."""
    suffix: str = ".json"
    head: bytes = b'{"requests":[\n'
    separator: bytes = b",\n"
    tail: bytes = b"\n]}\n"

    def encode(self, request: Request) -> bytes:
        """Return one element of `requests`. Raises `ConfigurationError` if the request cannot be said so."""
        return to_json({"custom_id": request.custom_id, "params": self.body(request)})

    def body(self, request: Request) -> dict[str, Any]:
        """Return the body of `/v1/messages`, as a live call sends it too."""
        check_request(request)
        params = request.params.over(self.defaults)
        system = self.system if request.system is None else request.system
        thinking, effort = thinking_of(params)
        body: dict[str, Any] = {
            "model": params.model,
            "max_tokens": _max_tokens(params, thinking),
            "messages": [_turn(message) for message in request.messages],
        }
        temperature = self._temperature(request, params, thinking)
        if system:
            body["system"] = system
        if temperature is not None:
            body["temperature"] = temperature
        if thinking is not None:
            body["thinking"] = thinking
        config: dict[str, Any] = {} if effort is None else {"effort": effort}
        if request.output_schema is not None:
            config["format"] = {"type": "json_schema", "schema": response_schema(request.output_schema)}
        if config:
            body["output_config"] = config
        return body

    def _temperature(self, request: Request, params: Params, thinking: Mapping[str, Any] | None) -> float | None:
        if params.temperature is None:
            # Thinking and any temperature but 1 exclude each other.
            return self.temperature if self.takes_temperature and not _is_on(thinking) else None
        if not self.takes_temperature:
            raise ConfigurationError(
                f"request {request.custom_id}: Anthropic takes no temperature since API version 2026-10-21, which the "
                "installed SDK uses; leave the temperature out"
            )
        return params.temperature


def api_version(sdk_version: str) -> str:
    """Return the `anthropic-version` that this version of the SDK sends, so that live calls and batches speak alike."""
    return LAST_VERSION_WITH_TEMPERATURE if sdk_version.startswith(("0.", "1.")) else NEWEST_VERSION


def _is_on(thinking: Mapping[str, Any] | None) -> bool:
    return thinking is not None and thinking["type"] != "disabled"


def thinking_of(params: Params) -> tuple[dict[str, Any] | None, str | None]:
    """Return `thinking` and `output_config.effort` for a thinking budget in tokens; (None, None) without one.

    Models from 3.7 to 4.6 take the budget itself (at least 1,024). Newer ones decide on their own how much to think and
    take an effort instead: low up to 4,096, medium up to 16,384, high above.
    """
    budget = params.thinking_budget
    if budget is None:
        return None, None
    if budget <= 0:
        return {"type": "disabled"}, None
    if takes_budget(params.model or ""):
        return {"type": "enabled", "budget_tokens": max(1024, budget)}, None
    effort = "low" if budget <= 4096 else "medium" if budget <= 16384 else "high"  # noqa: PLR2004  (see the docstring)
    return {"type": "adaptive"}, effort


def takes_budget(model: str) -> bool:
    """Return whether a model takes `budget_tokens`; an unknown name counts as new."""
    found = _VERSION.match(model)
    return found is not None and _FIRST_THINKING <= (int(found[1]), int(found[2] or 0)) <= _LAST_WITH_BUDGET


def _max_tokens(params: Params, thinking: Mapping[str, Any] | None) -> int:
    budget = int((thinking or {}).get("budget_tokens", 0))
    if params.max_output_tokens is None:
        return MAX_OUTPUT_TOKENS + budget
    if params.max_output_tokens <= budget:
        raise ConfigurationError(
            f"the output limit ({params.max_output_tokens}) must be above the thinking budget ({budget}): "
            "Anthropic counts thinking as output"
        )
    return params.max_output_tokens


def _turn(message: Message) -> dict[str, Any]:
    text = only_text(message.parts)
    return {"role": message.role.value, "content": text if text is not None else [_block(p) for p in message.parts]}


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        source = {"type": "base64", "media_type": part.media_type, "data": base64_of(part)}
        return {"type": "image", "source": source}
    if part.media_type.startswith("text/"):
        text = part.data.decode("utf-8", "replace")
        source = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": base64_of(part)}
    return {"type": "document", "source": source, "title": part.filename}


def decode_job(batch: Json) -> BatchJob:
    """Return a message batch as our job; a status nobody knows is a job in progress until it has an end."""
    status = as_text(batch.get("processing_status")) or "unknown"
    counts = as_object(batch.get("request_counts"))
    known = RequestCounts(
        total=sum(as_count(counts.get(word)) for word in ("processing", "succeeded", "errored", "canceled", "expired")),
        succeeded=as_count(counts.get("succeeded")),
        errored=as_count(counts.get("errored")),
        expired=as_count(counts.get("expired")),
        cancelled=as_count(counts.get("canceled")),
    )
    created, ended = as_time(batch.get("created_at")), as_time(batch.get("ended_at"))
    return BatchJob(
        provider_name=NAME,
        job_name=as_text(batch.get("id")) or "",
        state=job_state(status, known, cancel_asked=bool(batch.get("cancel_initiated_at")), ended=ended is not None),
        provider_state=status,
        counts=known,
        created_at=created,
        results_until=created + RESULTS_KEPT if created else None,
        ended_at=ended,
        expires_at=as_time(batch.get("expires_at")),
    )


def job_state(status: str, counts: RequestCounts, *, cancel_asked: bool, ended: bool) -> JobState:
    """Return the state of a batch: an ended one is named after what cut it short, if anything did.

    Answers given before that are kept in either case.
    """
    if status == "canceling":
        return JobState.CANCELLING
    if status == "in_progress" or (status != "ended" and not ended):
        return JobState.IN_PROGRESS
    if counts.cancelled and (cancel_asked or counts.cancelled == counts.total):
        return JobState.CANCELLED
    return JobState.EXPIRED if counts.expired else JobState.COMPLETED


def decode_line(line: Json) -> Result:
    """Return one line of a results stream; unknown kinds of result are malformed, not guessed at."""
    custom_id = as_text(line.get("custom_id"))
    outcome = as_object(line.get("result"))
    kind = as_text(outcome.get("type"))
    if kind == "succeeded":
        return decode_answer(custom_id, as_object(outcome.get("message")))
    if kind in _NEVER_RAN:
        status, message = _NEVER_RAN[kind]
        failure = Failure(kind=FailureKind(status.value), message=message, code=kind)
        return Result(custom_id=custom_id, status=status, failure=failure)
    if kind == "errored":
        error = read_line_error(NAME, as_object(outcome.get("error")))
        return Result(
            custom_id=custom_id, status=ResultStatus.ERRORED, failure=to_failure(error), request_id=error.request_id
        )
    return malformed(custom_id, f"a result of a kind nobody knows: {kind}")


def decode_answer(custom_id: str | None, message: Json) -> Result:
    """Return a message, from a batch or a live call, as a result."""
    blocks = [as_object(block) for block in as_list(message.get("content"))]
    texts = [b["text"] for b in blocks if b.get("type") == "text" and isinstance(b.get("text"), str)]
    word = as_text(message.get("stop_reason"))
    finish = _FINISH.get(word or "", FinishReason.OTHER)
    reply = Reply(
        text="".join(texts) if texts or finish is FinishReason.LENGTH else None,
        finish_reason=finish,
        stop_word=word,
        refusal=as_text(as_object(message.get("stop_details")).get("explanation")),
        usage=_usage(message.get("usage")),
        model=as_text(message.get("model")),
        request_id=as_text(message.get("id")),
    )
    return to_result(custom_id, reply)


def _usage(value: object) -> Usage:
    usage = as_object(value)
    cached, written = as_count(usage.get("cache_read_input_tokens")), as_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=as_count(usage.get("input_tokens")) + cached + written,
        output_tokens=as_count(usage.get("output_tokens")),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


_MESSAGE = ("result", "message")
_CONTENT = (*_MESSAGE, "content")
PLAIN = PlainAnswers(
    custom_id=("custom_id",),
    text=(*_CONTENT, 0, "text"),
    usage=((*_MESSAGE, "usage"), worked_out(_usage)),
    model=(*_MESSAGE, "model"),
    request_id=(*_MESSAGE, "id"),
    checks={
        ("result", "type"): word("succeeded"),
        (*_CONTENT, 0, "type"): word("text"),
        (*_CONTENT, 1): ABSENT,
        (*_MESSAGE, "stop_reason"): word("end_turn"),
    },
)
"""A message of one text that is whole."""


def decode_rates(headers: Mapping[str, str], now: datetime) -> Rates | None:
    """Return what `anthropic-ratelimit-*` of an answer that came at `now` say of rates, or None without any.

    `tokens` is the tightest of the limits that hold; where it is left out, that of input tokens counts.
    """
    kind = "tokens" if "anthropic-ratelimit-tokens-limit" in headers else "input-tokens"
    return rates_or_none(
        Rates(
            requests_per_minute=count_in(headers, "anthropic-ratelimit-requests-limit"),
            tokens_per_minute=count_in(headers, f"anthropic-ratelimit-{kind}-limit"),
            remaining_requests=count_in(headers, "anthropic-ratelimit-requests-remaining"),
            remaining_tokens=count_in(headers, f"anthropic-ratelimit-{kind}-remaining"),
            requests_reset=_until(headers.get("anthropic-ratelimit-requests-reset"), now),
            tokens_reset=_until(headers.get(f"anthropic-ratelimit-{kind}-reset"), now),
        )
    )


def _until(text: str | None, now: datetime) -> float | None:
    moment = as_time(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())
