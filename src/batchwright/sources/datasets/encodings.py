"""Bytes to text: strictly, and with a message that says where and what it may be instead."""

import codecs
import io
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import Source

_CHUNK: Final = 1 << 16
_LOOKED_AT: Final = 4096
"""Bytes around a bad one from which its encoding is guessed."""
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN: Final = 0.3
"""From this part of bytes beyond ASCII on, a text is hardly in the Latin alphabet."""
_SCRIPTS: Final = (
    ("shift_jis", ("HIRAGANA", "KATAKANA")),
    ("euc_kr", ("HANGUL",)),
    ("windows-1251", ("CYRILLIC SMALL",)),
    ("windows-1253", ("GREEK SMALL",)),
    ("gb18030", ("CJK UNIFIED",)),
)
"""Encodings of other scripts, and what half of their letters are called if the guess is right."""
_SAMPLED_LETTERS: Final = 400
_SCARCE: Final = 5
"""Text in UTF-16 has a zero byte in at least every fifth place, all but a fifth of them on one side."""


class _Counted(io.BufferedIOBase):
    """A file that remembers how much of it was read, so that a bad byte can be placed."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.name = raw.name
        self.bytes_read = 0
        self.lines_read = 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        data = self._raw.read(max(size, _CHUNK))
        self.bytes_read += len(data)
        self.lines_read += data.count(b"\n")
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        return self._raw.read(-1 if size is None else size)

    def close(self) -> None:
        self._raw.close()
        super().close()


@contextmanager
def opened_text(source: Source, encoding: str, *, newline: str | None) -> Iterator[io.TextIOWrapper]:
    """Open a source as text without its byte-order mark; `newline` as for `open`.

    Raises `InputError` where the file cannot be read or a byte cannot be decoded, then or while it is read in the
    block; `ConfigurationError` for an unknown encoding.
    """
    with opened_bytes(source) as raw:
        counted = _Counted(raw)
        with io.TextIOWrapper(counted, encoding=codec_name(encoding), newline=newline) as text:
            try:
                yield text
            except UnicodeDecodeError as exc:
                raise _undecodable(source, encoding, exc, counted) from exc


@contextmanager
def opened_bytes(source: Source) -> Iterator[BinaryIO]:
    """Open a source. Raises `InputError` where it cannot be read, then or in the block."""
    try:
        with source.path.open("rb") as raw:
            yield raw
    except OSError as exc:
        raise InputError(f"the input file cannot be read: {source.name} ({exc.strerror or exc})") from exc


def codec_name(encoding: str) -> str:
    """Return Python's name of an encoding, for UTF-8 that which takes a byte-order mark off.

    Raises `ConfigurationError` for one that does not exist or is not about text.
    """
    try:
        name = codecs.lookup(encoding).name
        io.TextIOWrapper(io.BytesIO(), encoding=name).close()  # refuses those that are not about text
    except (LookupError, ValueError) as exc:
        raise ConfigurationError(f"--encoding: no encoding {encoding!r}; known are utf-8, windows-1252, ...") from exc
    return "utf-8-sig" if name == "utf-8" else name


def not_utf8(place: str, sample: bytes, byte: int, *, encoding: str = "utf-8") -> InputError:
    """Return the error for bytes that are not what they should be; `sample` is what surrounds them."""
    guess = guessed_encoding(sample)
    if guess in {None, encoding}:
        hint = "it looks like no text at all" if guess is None else "save it as UTF-8"
    else:
        hint = f"it may be {guess}: try --encoding {guess}, or save it as UTF-8"
    return InputError(f"{place}: not {encoding.upper()} (byte 0x{byte:02x}); {hint}")


def guessed_encoding(sample: bytes) -> str | None:
    """Return what a text that is not UTF-8 is most likely in; None for what looks like no text. Pure.

    A mark or many zero bytes tell UTF-16; another alphabet is recognised by its letters; what is left is Western.
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    zeros = sample.count(0)
    if zeros:
        odd = sample[1::2].count(0)
        if zeros < len(sample) / _SCARCE or min(odd, zeros - odd) > zeros / _SCARCE:
            return None
        return "utf-16-le" if odd > zeros - odd else "utf-16-be"
    foreign = sum(byte > 0x7F for byte in sample)  # noqa: PLR2004  (the end of ASCII)
    if foreign > _FOREIGN * sum(not chr(byte).isspace() for byte in sample):
        for name, scripts in _SCRIPTS:
            if _is_written_in(sample.decode(name, "replace"), scripts):
                return name
    return "windows-1252"


def _is_written_in(text: str, scripts: tuple[str, ...]) -> bool:
    letters = [letter for letter in text if ord(letter) > 0x7F][:_SAMPLED_LETTERS]  # noqa: PLR2004  (as above)
    named = sum(unicodedata.name(letter, "").startswith(scripts) for letter in letters)
    return named * 2 > len(letters)


def _undecodable(source: Source, encoding: str, error: UnicodeDecodeError, counted: _Counted) -> InputError:
    data = error.object
    line = counted.lines_read - data.count(b"\n", error.start) + 1
    start = 0 if counted.bytes_read == len(data) else max(0, error.start - _LOOKED_AT // 2)
    sample = data[start : start + _LOOKED_AT]
    return not_utf8(f"{source.name}, line {line}", sample, data[error.start], encoding=encoding)
