"""OpenAI's model endpoints: request bodies to what they ask, answers to response bodies. Pure.

Parameter names are those of the official SDK's request types (openai 3.52).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchwright.emulator.asks import Ask, joined, tokens
from batchwright.emulator.identifiers import derived_hex
from batchwright.emulator.openai.errors import missing_parameter, refused, unknown_parameter
from batchwright.emulator.sampling import defect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"

_CHAT_PARAMETERS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
_RESPONSES_PARAMETERS = frozenset(
    [
        "access_programs",
        "background",
        "context_management",
        "conversation",
        "image",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)


def ask_of(endpoint: str, body: Mapping[str, Any]) -> Ask:
    """What the body asks of the model. Raises `RefusedError` with OpenAI's own words where it is wrong."""
    return _READERS[endpoint](body)


def answer_body(
    endpoint: str, body: Mapping[str, Any], ask: Ask, text: str, *, seed: str, at: float, cut: bool = False
) -> dict[str, Any]:
    """The response body that carries `text`; `seed` decides its ids, `cut` tells of the token limit."""
    document = _WRITERS[endpoint](body, ask, text, seed, int(at))
    return _CUT[endpoint](document) if cut else document


def _checked(body: Any, known: frozenset[str], content: str) -> None:
    if not isinstance(body, dict):
        raise refused("Invalid type for 'body': expected an object.", param="body", code="invalid_type")
    for name in body:
        if name not in known:
            raise unknown_parameter(name)
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise missing_parameter("model")
    if not body.get(content):
        raise missing_parameter(content)
    if body.get("stream"):
        raise refused("Streaming is not supported here.", param="stream", code="unsupported_value")


def _chat_ask(body: Mapping[str, Any]) -> Ask:
    _checked(body, _CHAT_PARAMETERS, "messages")
    turns = _turns(body["messages"], "messages")
    wanted = _object(body, "response_format")
    schema = None
    if wanted.get("type") == "json_schema":
        form = _object(wanted, "json_schema", within="response_format.")
        schema = _checked_schema(form, form_param="response_format.json_schema", message_param="response_format")
    return _ask(body["model"], "", turns, schema)


def _responses_ask(body: Mapping[str, Any]) -> Ask:
    _checked(body, _RESPONSES_PARAMETERS, "input")
    given = body["input"]
    turns = [("user", given)] if isinstance(given, str) else _turns(given, "input")
    wanted = _object(_object(body, "text"), "format", within="text.")
    schema = None
    if wanted.get("type") == "json_schema":
        schema = _checked_schema(wanted, form_param="text.format", message_param="text.format.schema")
    instructions = body.get("instructions")
    return _ask(body["model"], instructions if isinstance(instructions, str) else "", turns, schema)


def _object(holder: Mapping[str, Any], name: str, *, within: str = "") -> Mapping[str, Any]:
    """The object under `name`; empty where there is none."""
    value = holder.get(name)
    if value is not None and not isinstance(value, dict):
        param = within + name
        raise refused(f"Invalid type for '{param}': expected an object.", param=param, code="invalid_type")
    return value or {}


def _ask(model: str, instructions: str, turns: list[tuple[str, str]], schema: Mapping[str, Any] | None) -> Ask:
    from_user = [text for role, text in turns if role == "user"]
    return Ask(
        model=model,
        prompt=joined(instructions, *(text for _, text in turns)),
        last_user_text=from_user[-1] if from_user else "",
        schema=schema,
    )


def _turns(messages: Any, param: str) -> list[tuple[str, str]]:
    """(role, text) of each message; content other than text is passed over."""
    if not isinstance(messages, list):
        raise refused(f"Invalid type for '{param}': expected an array of objects.", param=param, code="invalid_type")
    turns = []
    for number, message in enumerate(messages):
        where = f"{param}[{number}]"
        if not isinstance(message, dict):
            raise refused(f"Invalid type for '{where}': expected an object.", param=where, code="invalid_type")
        if param == "messages" and "role" not in message:
            raise missing_parameter(f"{where}.role")
        turns.append((str(message.get("role", "")), _text(message.get("content"), f"{where}.content")))
    return turns


def _text(content: Any, param: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise refused(f"Invalid type for '{param}': expected a string or an array.", param=param, code="invalid_type")
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _checked_schema(form: Mapping[str, Any], *, form_param: str, message_param: str) -> Mapping[str, Any]:
    name, schema = form.get("name"), form.get("schema")
    if not name:
        raise missing_parameter(f"{form_param}.name")
    if not isinstance(schema, dict):
        raise missing_parameter(f"{form_param}.schema")
    complaint = defect(schema) or _schema_complaint(schema, strict=bool(form.get("strict")))
    if complaint:
        raise refused(
            f"Invalid schema for response_format '{name}': {complaint}", param=message_param, code="invalid_json_schema"
        )
    return schema


def _schema_complaint(schema: Mapping[str, Any], *, strict: bool) -> str | None:
    """What OpenAI has against a schema: the root must be an object; strict objects are closed and all required."""
    if schema.get("type") != "object" and "$ref" not in schema:
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    return _strict_complaint(schema, ()) if strict else None


def _strict_complaint(node: Any, context: tuple[str, ...]) -> str | None:
    if not isinstance(node, dict):
        return None
    properties = node.get("properties") or {}
    if node.get("type") == "object" or properties:
        if node.get("additionalProperties") is not False:
            return f"In context={context!r}, 'additionalProperties' is required to be supplied and to be false."
        for name in properties:
            if name not in (node.get("required") or ()):
                return (
                    f"In context={context!r}, 'required' is required to be supplied and to be an array including "
                    f"every key in properties. Missing '{name}'."
                )
    inner = [((*context, "properties", name), child) for name, child in properties.items()]
    inner += [((*context, "$defs", name), child) for name, child in (node.get("$defs") or {}).items()]
    inner += [((*context, "items"), node.get("items"))]
    inner += [((*context, "anyOf", str(n)), child) for n, child in enumerate(node.get("anyOf") or ())]
    return next((found for where, child in inner if (found := _strict_complaint(child, where))), None)


def _chat_answer(_body: Mapping[str, Any], ask: Ask, text: str, seed: str, created: int) -> dict[str, Any]:
    used, made = tokens(ask.prompt), tokens(text)
    return {
        "id": f"chatcmpl-{derived_hex('chat', seed)[:29]}",
        "object": "chat.completion",
        "created": created,
        "model": ask.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": used,
            "completion_tokens": made,
            "total_tokens": used + made,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _responses_answer(body: Mapping[str, Any], ask: Ask, text: str, seed: str, created: int) -> dict[str, Any]:
    return {
        "id": f"resp_{derived_hex('response', seed)}",
        "object": "response",
        "created_at": created,
        "status": "completed",
        "background": False,
        "completed_at": created,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": ask.model,
        "output": [
            {
                "id": f"msg_{derived_hex('message', seed)}",
                "type": "message",
                "status": "completed",
                "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
                "role": "assistant",
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": _responses_usage(tokens(ask.prompt), tokens(text)),
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _responses_usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    details = {"input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}}
    return batch_usage(input_tokens, output_tokens) | details


def batch_usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """Usage as the batch object shows it."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def _chat_cut(document: dict[str, Any]) -> dict[str, Any]:
    document["choices"][0]["finish_reason"] = "length"
    return document


def _responses_cut(document: dict[str, Any]) -> dict[str, Any]:
    document["output"][0]["status"] = "incomplete"
    reason = {"reason": "max_output_tokens"}
    return document | {"status": "incomplete", "incomplete_details": reason, "completed_at": None}


_CUT = {CHAT: _chat_cut, RESPONSES: _responses_cut}
_READERS: dict[str, Callable[[Mapping[str, Any]], Ask]] = {CHAT: _chat_ask, RESPONSES: _responses_ask}
_WRITERS: dict[str, Callable[[Mapping[str, Any], Ask, str, str, int], dict[str, Any]]] = {
    CHAT: _chat_answer,
    RESPONSES: _responses_answer,
}
