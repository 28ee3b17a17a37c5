"""From the responses of a chain to one of our results. Pure: only what a finished response has is looked at."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from batchwright.providers.reading import as_count, as_list, as_object, as_text
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.usage import Usage

_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "completed": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.BLOCKED,
    "refusal": FinishReason.BLOCKED,
    "safety": FinishReason.BLOCKED,
    "prohibited_content": FinishReason.BLOCKED,
    "blocklist": FinishReason.BLOCKED,
}
"""The vendors' words for why a model stopped, in lower case; they do not contradict each other."""


def result_of(custom_id: str, responses: Sequence[Any]) -> Result:
    """Return the result of a chain of finished responses, of which the last has the answer."""
    last = responses[-1]
    body = as_object(last.response_json)
    finish = finish_reason_of(body)
    text, refusal = last.text(), as_text(as_object(_choice(body).get("message")).get("refusal"))
    failure = None
    if refusal or finish is FinishReason.BLOCKED:
        failure = Failure(kind=FailureKind.BLOCKED, message=refusal or "the provider stopped the answer")
    elif not text and finish is not FinishReason.LENGTH:
        failure = Failure(kind=FailureKind.MALFORMED, message="the answer holds no text")
    return Result(
        custom_id=custom_id,
        status=ResultStatus.SUCCEEDED if failure is None else ResultStatus.ERRORED,
        text=text if failure is None else None,
        failure=failure,
        finish_reason=finish,
        usage=usage_of(responses),
        model=last.resolved_model or as_text(body.get("model")) or as_text(body.get("modelVersion")),
        request_id=as_text(body.get("id")),
    )


def usage_of(responses: Sequence[Any]) -> Usage:
    """Return what finished responses used together."""
    return sum((_usage(response) for response in responses), Usage())


def finish_reason_of(body: Mapping[str, Any]) -> FinishReason:
    """Return why a model stopped, from its answer in whichever vendor's form."""
    candidate = as_object(next(iter(as_list(body.get("candidates"))), None))
    words = (
        _choice(body).get("finish_reason"),
        body.get("finish_reason"),
        body.get("stop_reason"),
        candidate.get("finishReason"),
        as_object(body.get("incomplete_details")).get("reason"),
        body.get("status"),
    )
    word = next((text for value in words if (text := as_text(value))), "")
    return _FINISH.get(word.lower(), FinishReason.OTHER)


def _choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_object(next(iter(as_list(body.get("choices"))), None))


def _usage(response: Any) -> Usage:
    """Return one response's tokens.

    Of Anthropic's, `input` leaves out what was read from and written to the cache; the others' count everything.
    """
    details = as_object(response.token_details)
    read = as_object(details.get("prompt_tokens_details")) or as_object(details.get("input_tokens_details"))
    written = as_object(details.get("completion_tokens_details")) or as_object(details.get("output_tokens_details"))
    apart = as_count(details.get("cache_read_input_tokens"))
    stored = as_count(details.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=as_count(response.input_tokens) + apart + stored,
        output_tokens=as_count(response.output_tokens),
        cached_tokens=apart or as_count(read.get("cached_tokens")) or as_count(details.get("cachedContentTokenCount")),
        cache_write_tokens=stored or as_count(read.get("cache_write_tokens")),
        reasoning_tokens=as_count(written.get("reasoning_tokens"))
        or as_count(written.get("thinking_tokens"))
        or as_count(details.get("thoughtsTokenCount")),
    )
