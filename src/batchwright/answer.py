"""From a model's text to the JSON that was asked for.

A ladder, cheapest rung first: the text as it is; the text without byte-order mark, `<think>` block and code fence; the
JSON inside surrounding prose; at last json-repair (trailing commas, single quotes). The rung that was needed is kept,
because a repaired answer is a guess about what the model meant.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pydantic_core

from batchwright.errors import AnswerError
from batchwright.request import OutputSchema
from batchwright.result import FinishReason, Result

WRAPPER = "items"
"""The property under which a list at the root travels: OpenAI's strict schemas and Anthropic's need an object there."""

_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCE = re.compile(r"^\s*```[a-zA-Z0-9_-]*[ \t]*\n(.*?)\n\s*```\s*$", re.DOTALL | re.MULTILINE)


class Rung(StrEnum):
    """What had to be done to read an answer."""

    PLAIN = "plain"
    """Nothing: the text was JSON."""
    EXTRACTED = "extracted"
    """The JSON was whole, with something around it."""
    REPAIRED = "repaired"
    """The JSON was broken and mended by json-repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A parsed answer and the rung it took."""

    value: Any
    rung: Rung


def wrap_list_root(schema: OutputSchema) -> OutputSchema:
    """Return `schema` with an object at its root: a list becomes `{"items": [...]}`, anything else stays."""
    if schema.schema.get("type") != "array":
        return schema
    inner = dict(schema.schema)
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {WRAPPER: inner},
        "required": [WRAPPER],
        "additionalProperties": False,
    }
    definitions = inner.pop("$defs", None)
    if definitions is not None:
        wrapped["$defs"] = definitions
    return replace(schema, schema=wrapped)


def parse_result(result: Result, schema: OutputSchema | None = None) -> Answer:
    """Parse the JSON a succeeded result carries.

    Raises `AnswerError` when the answer was cut off at the output limit (mending would invent an end), is empty, or is
    not JSON.
    """
    if result.finish_reason is FinishReason.LENGTH:
        raise AnswerError("the answer was cut short at the output limit; allow more output tokens or ask for less")
    return parse_answer(result.text or "", schema)


def parse_answer(text: str, schema: OutputSchema | None = None) -> Answer:
    """Parse `text` up the ladder; where `schema` asks for a list, one wrapped in an object is unwrapped."""
    answer = _climb(text)
    if schema is not None and schema.schema.get("type") == "array":
        return replace(answer, value=_unwrap(answer.value))
    return answer


def _climb(text: str) -> Answer:
    try:
        return Answer(value=pydantic_core.from_json(text), rung=Rung.PLAIN)
    except ValueError:
        pass
    stripped = _without_wrapping(text)
    if not stripped:
        raise AnswerError("the answer is empty")
    for candidate in (stripped, _braced(stripped)):
        try:
            return Answer(value=pydantic_core.from_json(candidate), rung=Rung.EXTRACTED)
        except ValueError:
            continue
    return Answer(value=_mend(_braced(stripped)), rung=Rung.REPAIRED)


def _without_wrapping(text: str) -> str:
    text = _THINKING.sub("", text.lstrip("\ufeff")).strip()
    fenced = _FENCE.search(text)
    return (fenced.group(1) if fenced else text).strip()


def _braced(text: str) -> str:
    """Return the text from the first opening bracket to the last closing one of its kind; empty if there is none."""
    starts = [position for position in (text.find("{"), text.find("[")) if position >= 0]
    if not starts:
        return ""
    start = min(starts)
    end = text.rfind("}" if text[start] == "{" else "]")
    return text[start : end + 1]


def _mend(text: str) -> Any:
    """Let json-repair try; it needs a whole bracketed text, or it would fill in what a cut-off answer never said."""
    if not text:
        raise AnswerError("the answer is not JSON")
    from json_repair import repair_json  # noqa: PLC0415  (rarely needed)

    value = repair_json(text, return_objects=True)
    if not isinstance(value, (dict, list)) or not value:
        raise AnswerError("the answer is not JSON and cannot be mended")
    return value


def _unwrap(value: Any) -> Any:
    if isinstance(value, Mapping) and len(value) == 1:
        (inner,) = value.values()
        if isinstance(inner, list):
            return inner
    return value
