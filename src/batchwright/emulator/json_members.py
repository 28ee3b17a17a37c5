"""Read a large JSON object from disk member by member, and its long arrays item by item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_WINDOW = 1 << 20
_DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """A member of the object. An array that is read item by item comes as an empty list first, then as its items."""

    name: str
    value: Any
    is_item: bool = False


def members(path: Path, *, by_item: str) -> Iterator[Member]:
    """The members of the JSON object in the UTF-8 file; the array named `by_item` is given item by item.

    Memory is bounded by the largest single value. Raises `ValueError` where the file is not a JSON object.
    """
    with path.open(encoding="utf-8", newline="") as file:
        yield from _Window(file).members(by_item)


class _Window:
    """A piece of the text, and the place up to which it is read."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False

    def members(self, by_item: str) -> Iterator[Member]:
        self._expect("{")
        if self._peek() != "}":
            while True:
                name = self._value()
                if not isinstance(name, str):
                    raise ValueError("a member's name is not a string")  # noqa: TRY004 - malformed text, not a type
                self._expect(":")
                if name == by_item and self._peek() == "[":
                    yield Member(name, [])
                    yield from (Member(name, item, is_item=True) for item in self._items())
                else:
                    yield Member(name, self._value())
                if self._peek() != ",":
                    break
                self._expect(",")
        self._expect("}")
        if self._peek():
            raise ValueError("text after the object")

    def _items(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() != "]":
            while True:
                yield self._value()
                if self._peek() != ",":
                    break
                self._expect(",")
        self._expect("]")

    def _peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                char = self._text[self._at]
                if char not in " \t\r\n":
                    return char
                self._at += 1
            if not self._more(_WINDOW):
                return ""

    def _expect(self, char: str) -> None:
        found = self._peek()
        if found != char:
            raise ValueError(f"expected {char!r}, found {found or 'the end'!r}")
        self._at += 1

    def _value(self) -> Any:
        self._peek()
        size = _WINDOW
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as exc:
                raise ValueError("nested too deeply") from exc
            except ValueError:
                # Cut short by the window, or malformed: only the end of the file tells them apart.
                if not self._more(size):
                    raise
            else:
                # A number that touches the window's edge may go on behind it.
                if end < len(self._text) or not self._more(size):
                    self._at = end
                    return value
            size *= 2

    def _more(self, size: int) -> bool:
        if self._ended:
            return False
        fresh = self._file.read(size)
        self._ended = not fresh
        self._text = self._text[self._at :] + fresh
        self._at = 0
        return bool(fresh)
