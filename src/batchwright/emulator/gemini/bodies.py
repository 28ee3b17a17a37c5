"""Gemini's GenerateContentRequest: what it asks, what is wrong with it, and the response that answers. Pure.

Field names are those of the REST reference as the official SDK sends them (google-genai 3.4). Like every proto message
in JSON, fields are understood in camelCase and in snake_case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from batchwright.emulator.asks import Ask, joined, tokens
from batchwright.emulator.gemini.errors import invalid, unknown_name
from batchwright.emulator.identifiers import derived_base58
from batchwright.emulator.sampling import defect

_REQUEST_FIELDS = frozenset(
    [
        "model",
        "contents",
        "systemInstruction",
        "generationConfig",
        "safetySettings",
        "tools",
        "toolConfig",
        "cachedContent",
        "labels",
        "store",
        "serviceTier",
    ]
)
_CONFIG_FIELDS = frozenset(
    [
        "audioTranscriptionConfig",
        "candidateCount",
        "enableAffectiveDialog",
        "enableEnhancedCivicAnswers",
        "frequencyPenalty",
        "imageConfig",
        "logprobs",
        "maxOutputTokens",
        "mediaResolution",
        "presencePenalty",
        "responseFormat",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "seed",
        "speechConfig",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
        "translationConfig",
    ]
) | {"_responseJsonSchema"}
_SCHEMA_FIELDS = frozenset(
    [
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "default",
        "items",
        "minimum",
        "maximum",
    ]
)
_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}


def snake(name: str) -> str:
    """`generationConfig` as `generation_config`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match[1].lower(), name)


def camel(name: str) -> str:
    """`generation_config` as `generationConfig`; a leading underscore stays."""
    return re.sub(r"(?<=[a-z])_([a-z])", lambda match: match[1].upper(), name)


def field(document: Mapping[str, Any], name: str) -> Any:
    """The field with this camelCase name, in either spelling; None if absent."""
    value = document.get(name)
    return document.get(snake(name)) if value is None else value


def check_names(document: Any, known: frozenset[str] | set[str], where: str) -> None:
    """Raise `RefusedError` for a field that is not known, or where this is not an object."""
    if not isinstance(document, Mapping):
        raise invalid(f"Invalid value at '{where or 'request'}' (expected an object)")
    for name in document:
        if camel(name) not in known:
            raise unknown_name(name, where)


def ask_of(request: Any, *, model: str, in_batch: bool, where: str = "") -> Ask:
    """What the request asks of the model. Raises `RefusedError` with Gemini's own words where it is wrong.

    In a batch `responseJsonSchema` is silently ignored, as users of the real service found; live it is heeded.
    `where` is the path of the request in the body, for messages.
    """
    check_names(request, _REQUEST_FIELDS, where)
    config = field(request, "generationConfig") or {}
    inner = f"{where}.generation_config".lstrip(".")
    check_names(config, _CONFIG_FIELDS, inner)
    schema = field(config, "responseSchema")
    if schema is not None:
        _check_schema(schema, f"{inner}.response_schema")
    elif not in_batch:
        schema = field(config, "responseJsonSchema") or config.get("_responseJsonSchema")
    if schema is not None and (found := defect(schema)):
        raise invalid(f"Invalid value at '{inner}.response_schema': {found}.")
    contents = request.get("contents")
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n")
    turns = [_turn(content) for content in (contents if isinstance(contents, list) else [contents])]
    from_user = [text for role, text in turns if role != "model"]
    instruction = field(request, "systemInstruction")
    return Ask(
        model=model,
        prompt=joined(_text(instruction) if instruction else "", *(text for _, text in turns)),
        last_user_text=from_user[-1] if from_user else "",
        schema=schema,
    )


def _turn(content: Any) -> tuple[str, str]:
    if not isinstance(content, Mapping):
        raise invalid("Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1main.Content)")
    role = content.get("role", "user")
    if role not in ("user", "model"):
        raise invalid("Please use a valid role: user, model.")
    return role, _text(content)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content.get("parts", []) if isinstance(content, Mapping) else []
    parts = parts if isinstance(parts, list) else [parts]
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def _check_schema(schema: Any, where: str) -> None:
    check_names(schema, _SCHEMA_FIELDS, where)
    kind = schema.get("type")
    if kind is not None and str(kind).upper() not in _TYPES:
        raise invalid(f"Invalid value at '{where}.type' (type.googleapis.com/google.ai.generativelanguage.v1main.Type)")
    properties = schema.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise invalid(f"Invalid value at '{where}.properties' (expected an object)")
    for name, inner in properties.items():
        _check_schema(inner, f"{where}.properties[{name}]")
    if schema.get("items") is not None:
        _check_schema(schema["items"], f"{where}.items")
    elif str(kind).upper() == "ARRAY":
        raise invalid(f"* GenerateContentRequest.{where}.items: missing field.\n")
    options = field(schema, "anyOf") or ()
    for number, inner in enumerate(options if isinstance(options, list) else ()):
        _check_schema(inner, f"{where}.any_of[{number}]")


def response_of(ask: Ask, text: str, *, seed: str, cut: bool = False) -> dict[str, Any]:
    """The response that carries `text`; `seed` decides its id, `cut` tells of the token limit.

    Thinking is billed as much again as the answer.
    """
    read, made = tokens(ask.prompt), tokens(text)
    return {
        "candidates": [
            {
                "content": {"parts": [{"text": text}], "role": "model"},
                "finishReason": "MAX_TOKENS" if cut else "STOP",
                "index": 0,
            },
        ],
        "usageMetadata": {
            "promptTokenCount": read,
            "candidatesTokenCount": made,
            "totalTokenCount": read + 2 * made,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}],
            "thoughtsTokenCount": made,
            "serviceTier": "SERVICE_TIER_STANDARD",
        },
        "modelVersion": ask.model.removeprefix("models/"),
        "responseId": derived_base58(23, "response", seed),
    }
