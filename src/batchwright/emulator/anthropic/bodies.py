"""Anthropic's message parameters: what they ask, what is wrong with them, and the message that answers. Pure.

Parameter names are those of the official SDK's request types (anthropic 2.11) and of the versions before it; what
each API version refuses is Anthropic's versioning page; what a batch refuses, its batch processing page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchwright.emulator.asks import Ask, joined, tokens
from batchwright.emulator.identifiers import derived_base58
from batchwright.emulator.sampling import defect

if TYPE_CHECKING:
    from collections.abc import Mapping

OLD_VERSION, NEW_VERSION = "2023-06-01", "2026-10-21"

_PARAMETERS = frozenset(
    [
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user_profile_id",
        "workspace_id",
    ]
)
_BATCH_ONLY_REFUSED = ("speed", "store", "previous_thread_event_id", "cache_hint", "context_hint")
_GONE_IN_NEW_VERSION = ("temperature", "top_p", "top_k")
_ROLES = ("user", "assistant", "system")
_UNSUPPORTED_BOUNDS = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems",),
}


def complaint(params: Any, *, version: str, in_batch: bool) -> str | None:
    """The message of the `invalid_request_error` that these parameters earn, or None for good ones."""
    if not isinstance(params, dict):
        return "params: Input should be a valid dictionary or object to extract fields from"
    refused_in_batch = [name for name in _BATCH_ONLY_REFUSED if name in params] + ["stream"] * bool(
        params.get("stream")
    )
    if in_batch and refused_in_batch:
        return f"{refused_in_batch[0]}: this parameter is not supported for message batches"
    if name := next((n for n in ("model", "max_tokens", "messages") if n not in params), None):
        return f"{name}: Field required"
    if unknown := next((name for name in params if name not in _PARAMETERS), None):
        return f"{unknown}: Extra inputs are not permitted"
    if version == NEW_VERSION and (name := next((n for n in _GONE_IN_NEW_VERSION if n in params), None)):
        return f"{name}: this parameter is not supported in API version {NEW_VERSION}"
    return (
        _scalar_complaint(params)
        or _messages_complaint(params["messages"])
        or _format_complaint(_output_format(params))
    )


def _scalar_complaint(params: Mapping[str, Any]) -> str | None:
    if not isinstance(params["model"], str) or not params["model"]:
        return "model: String should have at least 1 character"
    if not isinstance(params["max_tokens"], int) or isinstance(params["max_tokens"], bool):
        return "max_tokens: Input should be a valid integer"
    if params["max_tokens"] < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    return None


def _messages_complaint(messages: Any) -> str | None:
    if not isinstance(messages, list):
        return "messages: Input should be a valid list"
    if not messages:
        return "messages: at least one message is required"
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return f"messages.{number}.role: Input should be 'user' or 'assistant'"
        if "content" not in message:
            return f"messages.{number}.content: Field required"
        last_of_assistant = message["role"] == "assistant" and number == len(messages) - 1
        if not message["content"] and not last_of_assistant:
            return (
                f"messages.{number}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )
    return None


def _output_format(params: Mapping[str, Any]) -> Any:
    config = params.get("output_config")
    return (config.get("format") if isinstance(config, dict) else None) or params.get("output_format")


def _format_complaint(wanted: Any) -> str | None:
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return "output_config.format.type: Input should be 'json_schema'"
    if not isinstance(wanted.get("schema"), dict):
        return "output_config.format.schema: Field required"
    found = defect(wanted["schema"]) or _schema_complaint(wanted["schema"])
    return f"output_config.format.schema: {found}" if found else None


def _schema_complaint(node: Any) -> str | None:
    """Structured outputs close every object and know no bounds (Anthropic's list of JSON Schema limitations)."""
    if not isinstance(node, dict):
        return None
    kind = node.get("type")
    if kind == "object" and node.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    used = [name for name in _UNSUPPORTED_BOUNDS.get(str(kind), ()) if name in node]
    if used:
        return f"For '{kind}' type, properties {', '.join(used)} are not supported"
    if node.get("minItems") not in (None, 0, 1):
        return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    inner = [*(node.get("properties") or {}).values(), *(node.get("$defs") or {}).values(), node.get("items")]
    inner += [*(node.get("anyOf") or ()), *(node.get("allOf") or ())]
    return next((found for child in inner if (found := _schema_complaint(child))), None)


def ask_of(params: Mapping[str, Any]) -> Ask:
    """What good parameters ask of the model."""
    turns = [(message["role"], _text(message["content"])) for message in params["messages"]]
    from_user = [text for role, text in turns if role == "user"]
    wanted = _output_format(params)
    return Ask(
        model=params["model"],
        prompt=joined(_text(params.get("system", "")), *(text for _, text in turns)),
        last_user_text=from_user[-1] if from_user else "",
        schema=wanted["schema"] if wanted else None,
    )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        block["text"] for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)
    )


def message_of(ask: Ask, text: str, *, seed: str, service_tier: str, cut: bool = False) -> dict[str, Any]:
    """The message that carries `text`; `seed` decides its id, `service_tier` is `standard` or `batch`.

    `cut` tells of the token limit. An empty answer has no content block: the service refuses empty ones.
    """
    return {
        "id": f"msg_01{derived_base58(22, 'message', seed)}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": "max_tokens" if cut else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens(ask.prompt),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens(text),
            "service_tier": service_tier,
        },
    }
