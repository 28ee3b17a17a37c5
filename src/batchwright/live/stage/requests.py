"""A page's request in OpenAI's words made one of ours."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from batchwright.errors import InputError
from batchwright.live.stage.media import read_media
from batchwright.live.stage.nouns import LLMBatchConfig, LLMRequest, ResponseFormat
from batchwright.request import DocumentPart, ImagePart, Message, OutputSchema, Params, Part, Request, Role, TextPart

_SYSTEM = frozenset({"system", "developer"})
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT}
_TEXTS = frozenset({"text", "input_text", "output_text"})
_IMAGES = frozenset({"image_url", "input_image"})
_FILES = frozenset({"file", "input_file"})
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 64


def to_request(request: LLMRequest, config: LLMBatchConfig, *, model: str | None, custom_id: str) -> Request:
    """Return what is sent for `request`; files that it names are read now.

    `model` is in the provider's own name. Raises `InputError` naming the request when it cannot be said.
    """
    try:
        system, messages = _conversation(request)
        return Request(
            custom_id=custom_id,
            system=system,
            messages=messages,
            params=Params(
                model=model,
                temperature=config.temperature if request.temperature is None else request.temperature,
                max_output_tokens=config.max_tokens if request.max_tokens is None else request.max_tokens,
                thinking_budget=config.thinking_budget,
            ),
            output_schema=output_schema(request.response_format),
        )
    except InputError as exc:
        raise InputError(f"request {request.id}: {exc}") from exc


def wants_json(response_format: ResponseFormat | None) -> bool:
    """Whether the answer is to be JSON."""
    if response_format is None:
        return False
    return not isinstance(response_format, Mapping) or response_format.get("type") != "text"


def output_schema(response_format: ResponseFormat | None) -> OutputSchema | None:
    """Return the schema that a response format asks for; `json_object` and `text` have none. Raises `InputError`."""
    if response_format is None or isinstance(response_format, OutputSchema):
        return response_format
    if isinstance(response_format, type) and issubclass(response_format, BaseModel):
        return OutputSchema(name=_named(response_format.__name__), schema=response_format.model_json_schema())
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind in ("json_object", "text"):
        return None
    given = response_format.get("json_schema") if isinstance(response_format, Mapping) else None
    schema = given.get("schema") if kind == "json_schema" and isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(schema, Mapping):
        raise InputError(
            'the response_format is {"type": "json_schema", "json_schema": {"name": …, "schema": {…}}}, '
            '{"type": "json_object"}, or a pydantic model'
        )
    return OutputSchema(name=_named(str(given.get("name") or "answer")), schema=schema)


def _named(name: str) -> str:
    return _UNFIT.sub("_", name)[:_LONGEST_NAME]


def _conversation(request: LLMRequest) -> tuple[str | None, tuple[Message, ...]]:
    """Return the system text and the turns, the images in front of the last turn of the user."""
    system: list[str] = []
    turns: list[tuple[Role, tuple[Part, ...]]] = []
    for entry in _messages(request.messages):
        role, parts = entry.get("role"), tuple(_parts(entry.get("content")))
        if role in _SYSTEM:
            system.extend(_only_texts(parts))
        elif role in _ROLES:
            turns.append((_ROLES[role], parts))
        else:
            raise InputError(f"a message's role is system, user or assistant, not {role!r}")
    images = tuple(map(read_media, _pictures(request.images)))
    if images:
        asked = [place for place, (role, _) in enumerate(turns) if role is Role.USER]
        if asked:
            turns[asked[-1]] = (Role.USER, (*images, *turns[asked[-1]][1]))
        else:
            turns.append((Role.USER, images))
    if not any(role is Role.USER for role, _ in turns):
        raise InputError("it has no message of the user")
    return "\n\n".join(system) or None, tuple(Message(role=role, parts=parts) for role, parts in turns)


def _pictures(images: object) -> Iterable[Any]:
    if isinstance(images, str | bytes | bytearray | memoryview) or not isinstance(images, Iterable):
        raise InputError("images is a list; one picture is [picture]")
    return images


def _messages(messages: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(messages, str | Mapping) or not isinstance(messages, Sequence):
        raise InputError('messages is a list like [{"role": "user", "content": "…"}]')
    for entry in messages:
        if not isinstance(entry, Mapping):
            raise InputError(f'a message is like {{"role": "user", "content": "…"}}, not {type(entry).__name__}')
        yield entry


def _only_texts(parts: Sequence[Part]) -> list[str]:
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) != len(parts):
        raise InputError("the system message can only be text")
    return texts


def _parts(content: object) -> Iterator[Part]:
    if isinstance(content, str):
        yield TextPart(text=content)
        return
    if not isinstance(content, Sequence) or not content:
        raise InputError("a message's content is a text or a list of parts")
    for part in content:
        yield _part(part)


def _part(part: object) -> Part:
    if isinstance(part, str):
        return TextPart(text=part)
    if isinstance(part, TextPart | ImagePart | DocumentPart):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or kind not in _TEXTS | _IMAGES | _FILES:
        raise InputError(f"a part of a message is a text, image_url or file, not {kind or type(part).__name__!r}")
    if kind in _TEXTS:
        return TextPart(text=str(part.get("text", "")))
    inner = part.get("file") if kind == "file" else part
    if kind in _FILES:
        return _file(inner)
    url = part.get("image_url")
    return read_media(url.get("url") if isinstance(url, Mapping) else url)


def _file(inner: object) -> Part:
    data = inner.get("file_data") if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or data is None:
        raise InputError('a file is {"type": "file", "file": {"filename": …, "file_data": "data:application/pdf;…"}}')
    read = read_media(data)
    if isinstance(read, DocumentPart) and inner.get("filename"):
        return DocumentPart(data=read.data, media_type=read.media_type, filename=str(inner["filename"]))
    return read
