"""The parameters a fault can have, and the values they take. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
        if self.takes is not Takes.CHOICE:
            return read_value(self.takes, given)
        if given not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)}")
        return str(given)


def read_value(takes: Takes, given: Any) -> Value:
    """The value, other than a choice, that `given` (JSON, or the text of a flag) means. Raises `ValueError`."""
    return _READERS[takes](given)


def _number(given: Any, expected: str, *, most: float) -> float:
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
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


def _positions(given: Any) -> tuple[int, ...]:
    items = given.split("+") if isinstance(given, str) else given
    if isinstance(items, list | tuple):
        return tuple(_count(item) for item in items)
    raise ValueError("a list of whole numbers, in a flag 0+3")


def _switch(given: Any) -> bool:
    if isinstance(given, bool) or given in ("true", "false"):
        return given is True or given == "true"
    raise ValueError("true or false")


def _word(given: Any) -> str:
    if isinstance(given, str) and given:
        return given
    raise ValueError("a word")


_READERS: Mapping[Takes, Callable[[Any], Value]] = {
    Takes.SECONDS: lambda given: _number(given, "a number of seconds, at least 0", most=math.inf),
    Takes.SHARE: lambda given: _number(given, "a number from 0 to 1", most=1.0),
    Takes.COUNT: _count,
    Takes.POSITIONS: _positions,
    Takes.SWITCH: _switch,
    Takes.WORD: _word,
}
