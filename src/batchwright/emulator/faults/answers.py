"""What faults make of an answer's text. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchwright.emulator.faults.rules import Fault

_SEPARATOR = "\u2028"
_PROSE_BEFORE = "Of course! I looked at everything you sent, and this is what I found:"
_PROSE_AFTER = "Let me know if you would like me to explain any of this."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the emulated model says; `cut` where it ran into its token limit."""

    text: str
    cut: bool = False


def answer_under(faults: Iterable[Fault], text: str) -> Answer:
    """The answer as it comes when all of `faults` strike it."""
    answer = Answer(text=text)
    for fault in faults:
        if fault.name == "cut_answer":
            keep = int(len(answer.text) * fault.number("fraction"))
            answer = Answer(text=answer.text[:keep], cut=True)
        elif change := _CHANGES.get(fault.name):
            answer = Answer(text=change(fault, answer.text), cut=answer.cut)
    return answer


def _prose(fault: Fault, text: str) -> str:
    return (
        f"{_PROSE_BEFORE}\n\n{_PROSE_AFTER}" if fault.switch("only") else f"{_PROSE_BEFORE}\n\n{text}\n\n{_PROSE_AFTER}"
    )


def _parsed(text: str) -> Any:
    """The JSON value, or the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _separated(_fault: Fault, text: str) -> str:
    """U+2028 after the last string of a JSON answer, or at the end of any other."""
    value = _parsed(text)
    if isinstance(value, dict | list):
        return _written(_with_separator(value)[0])
    return text + _SEPARATOR


def _with_separator(value: Any) -> tuple[Any, bool]:
    """The value with the separator in its last string, and whether it has one."""
    if isinstance(value, str):
        return value + _SEPARATOR, True
    places = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for place, inner in reversed(places):
        changed, done = _with_separator(inner)
        if done:
            value[place] = changed
            return value, True
    return value, False


def _with_trailing_commas(_fault: Fault, text: str) -> str:
    """A comma before each closing bracket that is not inside a string and not of an empty value."""
    made: list[str] = []
    in_string = escaped = False
    last = ""
    for character in text:
        if not in_string and character in "]}" and last not in ("", "[", "{", ","):
            made.append(",")
        made.append(character)
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        if not character.isspace():
            last = character
    return "".join(made)


def _misshapen(fault: Fault, text: str) -> str:
    value = _parsed(text)
    return _written(_one_object(value) if fault.word("shape") == "object" else _without_last_field(value))


def _rows(value: Any) -> list[Any] | None:
    """The list that the answer is, or the one that its only property holds."""
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    return value if isinstance(value, list) else None


def _one_object(value: Any) -> Any:
    rows = _rows(value)
    if rows is None:
        return {"result": value}
    return rows[0] if rows and isinstance(rows[0], dict) else {"result": rows}


def _without_last_field(value: Any) -> Any:
    rows = _rows(value)
    for row in rows if rows is not None else [value]:
        if isinstance(row, dict) and row:
            row.popitem()
    return value


_CHANGES: dict[str, Callable[[Fault, str], str]] = {
    "line_separator": _separated,
    "prose_answer": _prose,
    "fenced_answer": lambda _fault, text: f"```json\n{text}\n```",
    "trailing_commas": _with_trailing_commas,
    "wrong_shape": _misshapen,
    "empty_answer": lambda _fault, _text: "",
}
