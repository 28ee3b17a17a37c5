"""What the vendors' wire formats share: parts in base64, one model a job, answers with or without a text. Pure."""

from base64 import b64encode
from dataclasses import dataclass

from batchwright.errors import ConfigurationError
from batchwright.providers.failures import redact
from batchwright.request import DocumentPart, ImagePart, Params, Part, Request, Role, TextPart
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.usage import Usage


def base64_of(part: ImagePart | DocumentPart) -> str:
    """Return the data of a part in base64."""
    return b64encode(part.data).decode("ascii")


def data_url(part: ImagePart | DocumentPart) -> str:
    """Return a part as a `data:` URL."""
    return f"data:{part.media_type};base64,{base64_of(part)}"


def only_text(parts: tuple[Part, ...]) -> str | None:
    """Return the text of a message that has nothing else, or None."""
    if len(parts) == 1:  # nearly always
        part = parts[0]
        return part.text if isinstance(part, TextPart) else None
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return "\n".join(texts) if len(texts) == len(parts) else None


def check_request(request: Request) -> None:
    """Raise `ConfigurationError` for a request that no vendor can take."""
    if not request.messages or any(not message.parts for message in request.messages):
        raise ConfigurationError(f"request {request.custom_id} has no message, or one without parts")
    for message in request.messages:
        if message.role is Role.ASSISTANT and only_text(message.parts) is None:
            raise ConfigurationError(f"request {request.custom_id}: the model's own turns can only be text")


def check_model(request: Request, defaults: Params) -> None:
    """Raise `ConfigurationError` when `request` asks for another model than its job, where a job has one model."""
    wanted = request.params.model
    if wanted is not None and wanted != defaults.model:
        raise ConfigurationError(
            f"request {request.custom_id} asks for {wanted}, but its job is for {defaults.model}; a job has one model"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer as one vendor gave it, in common words."""

    text: str | None
    finish_reason: FinishReason
    stop_word: str | None
    """The vendor's own word for why it stopped."""
    usage: Usage
    model: str | None
    request_id: str | None
    refusal: str | None = None
    """Why the model or a safety rule declined, in the vendor's words."""


def to_result(custom_id: str | None, reply: Reply) -> Result:
    """Return the result of a reply: a blocked one is a failure even with some text, for that text is cut off.

    What a failed one used is kept: it is paid for.
    """
    failure = None
    if reply.finish_reason is FinishReason.BLOCKED:
        why = reply.refusal or "the provider stopped the answer"
        failure = Failure(kind=FailureKind.BLOCKED, message=redact(why), code=reply.stop_word)
    elif reply.text is None:
        stopped = f" (it stopped with {reply.stop_word})" if reply.stop_word else ""
        failure = Failure(kind=FailureKind.MALFORMED, message=f"the answer holds no text{stopped}")
    return Result(
        custom_id=custom_id,
        status=ResultStatus.SUCCEEDED if failure is None else ResultStatus.ERRORED,
        text=reply.text if failure is None else None,
        failure=failure,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        model=reply.model,
        request_id=reply.request_id,
    )
