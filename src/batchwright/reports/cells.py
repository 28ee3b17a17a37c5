"""Cells of a report: what may stand in one, and when two say the same. Pure."""

import re
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but tab and line ends, the eight-bit ones too: a terminal may obey them when a report is shown."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""With one of these first, a spreadsheet may take a cell for a formula (OWASP, "CSV Injection"): the four signs, their
full-width forms, and the white space that some programs drop before looking."""

_KEY: Final = re.compile(r"[0-9]{1,15}")
_NEEDS_QUOTES: Final = re.compile(r'[,"\r\n]|\A\s|\s\Z')


def clean(text: str) -> str:
    """Return `text` without control characters, with plain line ends, and fit to be written as UTF-8."""
    if text.isprintable():  # neither line ends, nor control characters, nor surrogates: nearly every cell
        return text
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", plain))


def disarm(text: str) -> str:
    """Return `text` so that a spreadsheet shows it and never runs it: an apostrophe goes before a formula's sign."""
    return f"'{text}" if _FORMULA.match(text) else text


def same_text(first: str, second: str) -> bool:
    """Whether two cells say the same: white space folded, and whatever `clean` and `disarm` do left aside."""
    return first == second or _folded(first) == _folded(second)


def key_of(cell: str) -> int | None:
    """Return the item id in a key cell, or None if it is anything but a whole number from 0."""
    text = cell.strip()
    return int(text) if _KEY.fullmatch(text) else None


def line(cells: list[str], line_end: str) -> str:
    """Return a line of CSV. Unlike the standard library's writer, a lone carriage return is quoted on every Python."""
    text = ",".join(_quoted(cell) for cell in cells)
    return (text or '""') + line_end


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell


def _folded(text: str) -> str:
    plain = clean(text)
    return " ".join((plain[1:] if plain[:1] == "'" and _FORMULA.match(plain[1:]) else plain).split())
