"""Images and documents that go with a prompt: from a column of a row, or from bytes of any origin."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from batchwright.errors import InputError
from batchwright.request import DocumentPart, ImagePart
from batchwright.sources.datasets.base import Row, cell_text

LARGEST: Final = 50 * 1024 * 1024
"""Bytes an attachment may have; no vendor takes more in one request."""

PDF: Final = "application/pdf"
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)
_SIGNATURE_BYTES: Final = 12
_SHOWN: Final = 200
"""Characters of a name in a message."""
_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+/-]+)?(?:;[\w=.+-]+)*;base64,(?P<data>[A-Za-z0-9+/=\s]+)")
_OTHER_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[;\n]")

Attachment = ImagePart | DocumentPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What the cells of one column name: paths, several separated by `;` or a line end or as a JSON list, or data URLs.

    A path is looked for beside the row's file, then in the working directory.
    """

    column: str

    def check(self, row: Row) -> None:
        """Look whether everything is there and of a kind that models read, without reading it whole.

        Raises `InputError` naming the line.
        """
        for name in self._names(row):
            if not name.startswith("data:"):
                path = self._path(name, row)
                with _opened(row, name, path) as file:
                    media_type(file.read(_SIGNATURE_BYTES), f"{row.place}: {name}")
            else:
                self._part(name, row)

    def of(self, row: Row) -> tuple[Attachment, ...]:
        """Return a row's attachments in order; none for an empty cell. Raises `InputError` naming the line."""
        return tuple(self._part(name, row) for name in self._names(row))

    def _names(self, row: Row) -> Sequence[str]:
        if self.column not in row.cells:
            raise InputError(f"{row.place}: no column {self.column!r}; its columns are: {', '.join(row.cells)}")
        value = row.cells[self.column]
        if isinstance(value, list):
            return [cell_text(item) for item in value]
        text = cell_text(value).strip()
        names = [text] if text.startswith("data:") else _SEPARATORS.split(text)
        return [name.strip() for name in names if name.strip()]

    def _part(self, name: str, row: Row) -> Attachment:
        if name.startswith("data:"):
            return from_data_url(name, row.place)
        path = self._path(name, row)
        with _opened(row, name, path) as file:
            return part_from(file.read(LARGEST + 1), path.name, f"{row.place}: {name}")

    def _path(self, name: str, row: Row) -> Path:
        if _OTHER_URL.match(name):
            raise InputError(f"{row.place}: {name} is an address; attachments are files: download it first")
        beside = Path(row.source).parent / name
        return beside if _is_file(beside) else Path(name)


def part_from(data: bytes, filename: str, what: str) -> Attachment:
    """Return bytes as the part of a message that they are; `what` names them in messages.

    Raises `InputError` for what is too large, or neither an image nor a PDF.
    """
    if len(data) > LARGEST:
        raise _too_large(what)
    kind = media_type(data[:_SIGNATURE_BYTES], what)
    if kind == PDF:
        return DocumentPart(data=data, media_type=kind, filename=filename)
    return ImagePart(data=data, media_type=kind)


def media_type(beginning: bytes, what: str) -> str:
    """Return the media type that a file's first bytes show; its name may lie. Raises `InputError` for another kind."""
    for signature, kind in _SIGNATURES:
        if beginning.startswith(signature):
            return kind
    if beginning.startswith(b"RIFF") and beginning[8:12] == b"WEBP":
        return "image/webp"
    raise InputError(f"{what} is no PNG, JPEG, GIF or WebP image and no PDF")


def from_data_url(url: str, place: str) -> Attachment:
    """Return the part that a `data:` URL holds. Raises `InputError`."""
    found = _DATA_URL.fullmatch(url)
    try:
        data = base64.b64decode(found["data"], validate=False) if found else b""
    except binascii.Error:
        data = b""
    if not data:
        raise InputError(f"{place}: {url[:40]}... is no data URL in base64")
    return part_from(data, "document.pdf", f"{place}: the data URL")


@contextmanager
def _opened(row: Row, name: str, path: Path) -> Iterator[BinaryIO]:
    """Open an attachment that is not too large. Raises `InputError` naming the row.

    Nothing but files: a row is anybody's text, and opening a pipe waits for ever, reading a device never ends.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{row.place}: the attachment {name[:_SHOWN]} cannot be read: it is no file")
        with path.open("rb") as file:
            if path.stat().st_size > LARGEST:
                raise _too_large(f"{row.place}: {name}")
            yield file
    except FileNotFoundError as exc:
        raise InputError(f"{row.place}: the attachment does not exist: {name}") from exc
    except (OSError, ValueError) as exc:  # a text with a zero byte in it is no path at all
        reason = getattr(exc, "strerror", None) or exc
        raise InputError(f"{row.place}: the attachment {name[:_SHOWN]} cannot be read: {reason}") from exc


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long, say
        return False


def _too_large(what: str) -> InputError:
    return InputError(f"{what} has more than {LARGEST // (1024 * 1024)} MB; no model takes that in one request")
