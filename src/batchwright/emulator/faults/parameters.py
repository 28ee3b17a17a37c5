"""The parameters a fault can have, and the values they take. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Value = float | str | bool | tuple[int, ...]


class Takes(StrEnum):
    """What a parameter's value is. In a flag, every value is written as text."""

    SECONDS = "seconds"
    """A number of at least 0."""
    SHARE = "share"
    """A number from 0 to 1."""
    COUNT = "count"
    """A whole number of at least 0."""
    POSITIONS = "positions"
    """Whole numbers of at least 0: a JSON list, in a flag `0+3`."""
    SWITCH = "switch"
    """true or false."""
    CHOICE = "choice"
    """One of the parameter's `choices`."""
    WORD = "word"
    """Any text that is not empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a kind of fault."""

    takes: Takes
    default: Value
    says: str
    choices: tuple[str, ...] = ()

    def read(self, given: Any) -> Value:
        """The value that was meant. Raises `ValueError` with what is expected."""
        return read_value(self.takes, given, self.choices)


def read_value(takes: Takes, given: Any, choices: tuple[str, ...] = ()) -> Value:
    """The value of a kind that `given` (JSON, or the text of a flag) means. Raises `ValueError`."""
    match takes:
        case Takes.SECONDS:
            return _number(given, "a number of seconds, at least 0", most=math.inf)
        case Takes.SHARE:
            return _number(given, "a number from 0 to 1", most=1.0)
        case Takes.COUNT:
            return _count(given)
        case Takes.POSITIONS:
            items = given.split("+") if isinstance(given, str) else given
            if not isinstance(items, list | tuple):
                raise ValueError("a list of whole numbers, in a flag 0+3")
            return tuple(_count(item) for item in items)
        case Takes.SWITCH:
            if given in ("true", "false"):
                return bool(given == "true")
            if not isinstance(given, bool):
                raise ValueError("true or false")
            return given
        case Takes.CHOICE:
            if given not in choices:
                raise ValueError(f"one of {', '.join(choices)}")
            return str(given)
        case Takes.WORD:
            if not isinstance(given, str) or not given:
                raise ValueError("a word")
            return given


def _number(given: Any, expected: str, *, most: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError(expected)  # noqa: TRY004 - one kind of error for every wrong value
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise ValueError(expected) from None
    if not math.isfinite(number) or not 0 <= number <= most:
        raise ValueError(expected)
    return number


def _count(given: Any) -> int:
    if isinstance(given, str) and given.isascii() and given.isdecimal():
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError("a whole number, at least 0")
    return given
