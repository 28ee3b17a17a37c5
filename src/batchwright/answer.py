"""From a model's text to the JSON that was asked for.

A ladder, cheapest rung first: the text as it is; the text without byte-order mark, `<think>` block and code fence; the
JSON inside surrounding prose; at last json-repair (trailing commas, single quotes). The rung that was needed is kept,
because a repaired answer is a guess about what the model meant. An answer that was cut off is never mended: a mended
one would have an end that nobody wrote.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pydantic_core

from batchwright.errors import AnswerError
from batchwright.request import OutputSchema
from batchwright.result import FinishReason, Result

WRAPPER = "items"
"""The property under which a list at the root travels: OpenAI's strict schemas and Anthropic's need an object there."""

_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?(</think(?:ing)?>|\Z)", re.DOTALL)
_FENCE = re.compile(r"^\s*```[a-zA-Z0-9_-]*[ \t]*\n(.*?)\n\s*```\s*$", re.DOTALL | re.MULTILINE)
# What can begin a JSON object or list in prose: a bracket and what may follow it, not "{ is a brace" or "[see there]".
_OPENING = re.compile(r"[{\[](?=\s*[\"'{\[\]}\d-])")
_STRUCTURE = re.compile(r'[{}\[\]]|"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)


class Rung(StrEnum):
    """What had to be done to read an answer."""

    PLAIN = "plain"
    """Nothing: the text was JSON."""
    EXTRACTED = "extracted"
    """The JSON was whole, with something around it."""
    REPAIRED = "repaired"
    """The JSON was broken and mended by json-repair, or there were several and the longest was taken."""


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
    """Parse `text` up the ladder; where `schema` asks for a list, one wrapped in an object is unwrapped.

    Raises `AnswerError`, and nothing else, when there is no JSON that can be trusted to be what the model meant.
    """
    wants_list = schema is not None and schema.schema.get("type") == "array"
    # A lone surrogate cannot be JSON, nor be written to a file.
    answer = _climb(text.encode("utf-8", "replace").decode(), wants_list=wants_list)
    return replace(answer, value=_unwrap(answer.value)) if wants_list else answer


def _climb(text: str, *, wants_list: bool) -> Answer:
    try:
        return Answer(value=pydantic_core.from_json(text), rung=Rung.PLAIN)
    except ValueError:
        pass
    stripped = _without_thinking(text.lstrip("\ufeff"))
    fenced = _FENCE.search(stripped)
    for candidate in (stripped, fenced.group(1) if fenced else ""):
        try:
            return Answer(value=pydantic_core.from_json(candidate), rung=Rung.EXTRACTED)
        except ValueError:
            continue
    return _extracted(_bracketed(stripped), wants_list=wants_list)


def _without_thinking(text: str) -> str:
    thinking = _THINKING.match(text)
    if thinking and not thinking[1]:
        raise AnswerError("the answer is cut short: the model was still thinking")
    stripped = text[thinking.end() if thinking else 0 :].strip()
    if not stripped:
        raise AnswerError("the answer is empty")
    return stripped


def _bracketed(text: str) -> list[str]:
    """Return every outermost bracketed stretch. Raises `AnswerError` where the last one never ends."""
    found = []
    opening = _OPENING.search(text)
    while opening:
        end = _end_of(text, opening.start())
        found.append(text[opening.start() : end])
        opening = _OPENING.search(text, end)
    if not found:
        raise AnswerError("the answer is not JSON")
    return found


def _end_of(text: str, start: int) -> int:
    depth = 0
    for token in _STRUCTURE.finditer(text, start):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
            if depth == 0:
                return token.end()
        elif not token[1]:
            break
    raise AnswerError("the answer is cut short: its JSON has no end")


def _extracted(stretches: Sequence[str], *, wants_list: bool) -> Answer:
    longest = max(stretches, key=len)
    values: dict[str, Any] = {}
    for stretch in stretches:
        try:
            values[stretch] = pydantic_core.from_json(stretch)
        except ValueError:
            continue
    if longest not in values:
        return Answer(value=_mended(longest), rung=Rung.REPAIRED)
    objects = [value for value in values.values() if isinstance(value, dict)]
    lists = [value for value in values.values() if isinstance(value, list) and any(isinstance(v, dict) for v in value)]
    if wants_list and len(objects) > 1 and not lists:
        # Models that think in JSONL give the list's objects one after another.
        return Answer(value=objects, rung=Rung.EXTRACTED)
    ambiguous = len(objects) + len(lists) > 1
    return Answer(value=values[longest], rung=Rung.REPAIRED if ambiguous else Rung.EXTRACTED)


def _mended(text: str) -> Any:
    from json_repair import repair_json  # noqa: PLC0415  (rarely needed)

    try:
        value = repair_json(text, return_objects=True)
    except Exception as exc:  # a mender of arbitrary text may fail in any way, too deep a nesting among them
        raise AnswerError("the answer is not JSON and cannot be mended") from exc
    if not isinstance(value, (dict, list)) or not value:
        raise AnswerError("the answer is not JSON and cannot be mended")
    return value


def _unwrap(value: Any) -> Any:
    """Return the list inside an object that holds it and nothing else, however often it is wrapped."""
    inner = value
    while isinstance(inner, Mapping) and len(inner) == 1:
        (inner,) = inner.values()
    return inner if isinstance(inner, list) else value
