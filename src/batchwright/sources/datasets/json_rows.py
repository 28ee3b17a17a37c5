"""JSON: a list, an object that holds one, or one object; and JSON Lines. Read piece by piece."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

import pydantic_core

from batchwright.errors import InputError
from batchwright.sources.datasets.base import (
    LARGEST_ROW,
    BadRows,
    ReadOptions,
    Row,
    Source,
    row_from_json,
    without_surrogates,
)
from batchwright.sources.datasets.encodings import codec_name, not_utf8, opened_bytes, opened_text

_CHUNK: Final = 1 << 18
_NOT_BLANK: Final = re.compile(r"[^ \t\r\n]")
_BLANK: Final = frozenset(("", " ", "\t", "\r", "\n"))
_COMMA: Final = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
_NEAR_THE_END: Final = 12
"""A piece that was cut off in a literal, a number or an escape fails at most so many characters before its end."""
_NO_ROW: Final = "a row is a JSON object (or a prompt as a JSON string), not"
_UTF8_MARK: Final = b"\xef\xbb\xbf"


def read_json(source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
    """Yield the rows of a JSON document. Raises `InputError` naming the line.

    The rows are the elements of the list at its root, or of the first list of objects that the object there holds; an
    object that holds none is one row.
    """
    with opened_text(source, options.encoding, newline="") as text:
        scanner = _Scanner(text, source.name)
        match scanner.peek():
            case "[":
                yield from _elements(scanner, source, bad)
            case "{":
                yield from _in_object(scanner, source, bad)
            case "":
                return
            case _:
                raise scanner.broken("a list or an object is needed")
        if scanner.peek():
            raise scanner.broken("something follows the end; a file of one object a line is JSON Lines (.jsonl)")


def read_jsonl(source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
    """Yield a row a line, blank ones left out. Raises `InputError` naming the line.

    Lines end with a line feed and nothing else: a JSON text may hold all other characters that count as line ends.
    """
    codec = codec_name(options.encoding)
    if codec == "utf-8-sig":
        with opened_bytes(source) as raw:
            yield from _lines(raw, source, bad)
    else:
        with opened_text(source, options.encoding, newline="\n") as text:
            yield from _lines((line.encode("utf-8", "replace") for line in text), source, bad)


def _lines(lines: Any, source: Source, bad: BadRows) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        data = line.removeprefix(_UTF8_MARK) if number == 1 else line
        try:
            value = pydantic_core.from_json(data, allow_inf_nan=False)
        except ValueError as exc:
            _check_utf8(data, source, number)
            bad.add(f"{source.name}, line {number}", f"broken JSON: {exc}")
            continue
        cells = row_from_json(value)
        if cells is None:
            bad.add(f"{source.name}, line {number}", f"{_NO_ROW} {_called(value)}")
        else:
            yield Row(cells, number, source.name)


def _check_utf8(line: bytes, source: Source, number: int) -> None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise not_utf8(f"{source.name}, line {number}", line, line[exc.start]) from exc


@dataclass(slots=True)
class _Scanner:
    """A JSON text in pieces; `_at` is where the next token is looked for."""

    text: TextIO
    name: str
    line: int = 1
    """The line on which `_at` stands."""
    began: int = 1
    _buffer: str = ""
    _at: int = 0
    _ended: bool = False
    _decode: Any = field(default_factory=lambda: json.JSONDecoder(parse_constant=_refuse_constant).raw_decode)

    def peek(self) -> str:
        """Return the next character that is not blank, and stand before it; empty at the end."""
        while True:
            found = _NOT_BLANK.search(self._buffer, self._at)
            if found:
                self._move(found.start())
                return found[0]
            self._move(len(self._buffer))
            if not self._more():
                return ""

    def take(self, expected: str) -> None:
        """Step over one character. Raises `InputError` if it is another."""
        if self.peek() != expected:
            raise self.broken(f"{expected!r} is missing")
        self._move(self._at + 1)

    def value(self) -> Any:
        """Read one whole value; `began` is then the line it begins on. Raises `InputError`."""
        if self._buffer[self._at : self._at + 1] in _BLANK:
            self.peek()
        self.began = self.line
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as exc:
                if not self._may_be_cut_off(exc) or not self._more():
                    self._move(min(exc.pos, len(self._buffer)))
                    raise self.broken(exc.msg) from exc
            except (RecursionError, ValueError) as exc:
                raise self.broken(str(exc)) from exc
            else:
                if end == len(self._buffer) and self._more():
                    continue  # a number may go on
                escaped = self._buffer.find("\\u", self._at, end) >= 0
                self._move(end)
                return without_surrogates(value) if escaped else value

    def goes_on(self) -> bool:
        """Step over a comma and say so, or stand before the closing bracket. Raises `InputError` for anything else."""
        found = _COMMA.match(self._buffer, self._at)
        if found:
            self._move(found.end())
            return True
        if self.peek() == "]":
            return False
        self.take(",")
        return True

    def holds_objects(self) -> bool:
        """Whether the list that begins here has an object as its first element."""
        while True:
            found = _NOT_BLANK.search(self._buffer, self._at + 1)
            if found:
                return found[0] == "{"
            if not self._more():
                return False

    def broken(self, reason: str) -> InputError:
        """Return the error for what stands here."""
        return InputError(f"{self.name}, line {self.line}: broken JSON: {reason}")

    def _may_be_cut_off(self, error: json.JSONDecodeError) -> bool:
        """Whether only the end of this piece made it fail, so that a longer one may not."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._buffer) - _NEAR_THE_END

    def _more(self) -> bool:
        """Read on; as much again as is still needed, so that a large value is not tried over and over."""
        left = len(self._buffer) - self._at
        if left > LARGEST_ROW:
            raise self.broken(f"a value has more than {LARGEST_ROW:,} characters")
        piece = "" if self._ended else self.text.read(max(_CHUNK, left))
        self._ended = not piece
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)

    def _move(self, to: int) -> None:
        if to > self._at:
            self.line += self._buffer.count("\n", self._at, to)
            self._at = to


def _elements(scanner: _Scanner, source: Source, bad: BadRows) -> Iterator[Row]:
    scanner.take("[")
    if scanner.peek() == "]":
        scanner.take("]")
        return
    while True:
        value = scanner.value()
        cells = row_from_json(value)
        if cells is None:
            bad.add(f"{source.name}, line {scanner.began}", f"{_NO_ROW} {_called(value)}")
        else:
            yield Row(cells, scanner.began, source.name)
        if not scanner.goes_on():
            scanner.take("]")
            return


def _in_object(scanner: _Scanner, source: Source, bad: BadRows) -> Iterator[Row]:
    line = scanner.line
    scanner.take("{")
    members: dict[str, Any] = {}
    found = False
    while scanner.peek() != "}":
        if members or found:
            scanner.take(",")
        if scanner.peek() != '"':
            raise scanner.broken("a name in double quotes is missing")
        name = scanner.value()
        scanner.take(":")
        if scanner.peek() == "[" and not found and scanner.holds_objects():
            found = True
            yield from _elements(scanner, source, bad)
        else:
            members[name] = scanner.value()
    scanner.take("}")
    if not found:
        yield Row(members, line, source.name)


def _called(value: Any) -> str:
    return {bool: "a boolean", int: "a number", float: "a number", list: "a list"}.get(type(value), "null")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
