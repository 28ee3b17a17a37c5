"""Text files that people hand in: UTF-8, with or without a byte-order mark, or a clear error. Nothing is guessed."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from batchwright.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file's text, without the byte-order mark it may have begun with; line ends are as they were."""

    text: str
    byte_order_mark: bool


def read_utf8(path: Path, what: str) -> TextFile:
    """Read a whole UTF-8 file; `what` names its part in the job ("the report") in messages.

    Raises `InputError` with the path when it is missing or unreadable, and with the byte's offset (from 0, as the file
    lies on disk) when it is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise InputError(f"{what} does not exist: {path}") from exc
    except OSError as exc:
        raise InputError(f"{what} cannot be read: {path} ({exc.strerror or exc})") from exc
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InputError(
            f"{what} is not UTF-8: {path}, byte {exc.start} is 0x{data[exc.start]:02x}; save it as UTF-8 and try again"
        ) from exc
    return TextFile(text=text.removeprefix("\ufeff"), byte_order_mark=data.startswith(codecs.BOM_UTF8))
