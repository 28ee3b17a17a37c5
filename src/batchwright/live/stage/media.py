"""Images and PDFs as people hold them, made ready to be sent: paths, bytes, Pillow images, data URLs.

The kind is read from the first bytes, not from a file's name: scans are often called something else than they are.
"""

import io
import os
from base64 import b64decode
from binascii import Error as Base64Error
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from batchwright.errors import ConfigurationError, InputError
from batchwright.request import DocumentPart, ImagePart

PDF = "application/pdf"

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_DEEP = "I"
"""A mode of 32 bits, of which PNG holds 16."""
_HOW_TO_SHOW = ("exif", "icc_profile")
"""What a JPEG says of which side is up, and which colours are meant."""
_JPEG_MODES = frozenset({"L", "RGB"})
_JPEG_QUALITY = 95
_SHOWN = 60


def media_type_of(data: bytes) -> str | None:
    """Return the media type that the first bytes tell of, if it is one that vendors take."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS if data.startswith(start)), None)


def read_media(source: Any) -> ImagePart | DocumentPart:
    """Return what is sent for an image or a PDF.

    `source` is a path (text or `Path`), bytes, a Pillow image, a `data:` URL, an open binary file, or a part that is
    ready. Formats that no vendor takes, such as TIFF, are turned into PNG by Pillow. Raises `InputError` for a file
    that cannot be read and for anything that is no picture, `ConfigurationError` where Pillow would be needed and is
    not installed.
    """
    if isinstance(source, ImagePart | DocumentPart):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return _part(bytes(source), "the image")
    if isinstance(source, str) and source[:5].lower() == "data:":
        return _part(_decode_data_url(source), "the data URL")
    if isinstance(source, str | os.PathLike):
        return _read_file(os.fspath(source))
    if _is_pillow(source):
        return ImagePart(**_encoded(source))
    read = getattr(source, "read", None)
    if callable(read) and isinstance(data := read(), bytes):
        return _part(data, "the open file")
    raise InputError(
        f"an image is a path, bytes, a Pillow image or a data URL, not {type(source).__module__}."
        f"{type(source).__qualname__}"
    )


def _read_file(name: str | bytes) -> ImagePart | DocumentPart:
    shown = os.fsdecode(name)
    shown = shown if len(shown) <= _SHOWN else f"…{shown[-_SHOWN:]}"
    if shown.lower().startswith(("http://", "https://")):
        raise InputError(f"{shown} is on the web; load it first and give its bytes")
    path = Path(os.fsdecode(name))
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as exc:  # a text with a zero byte is no path at all
        raise InputError(f"the image {shown} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    return _part(data, shown, filename=path.name)


def _part(data: bytes, what: str, *, filename: str | None = None) -> ImagePart | DocumentPart:
    kind = media_type_of(data)
    if kind == PDF:
        return DocumentPart(data=data, media_type=PDF, filename=filename or "document.pdf")
    if kind is not None:
        return ImagePart(data=data, media_type=kind)
    if not data:
        raise InputError(f"{what} is empty")
    return ImagePart(**_converted(data, what))


def _decode_data_url(url: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma:
        raise InputError("the data URL has no comma, so it holds no data")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return b64decode(raw, validate=True)
    except Base64Error as exc:
        raise InputError(f"the data URL is not base64: {exc}") from exc


def _converted(data: bytes, what: str) -> dict[str, Any]:
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  (only for formats that must be turned)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"{what} is neither PNG, JPEG, GIF, WebP nor PDF; to convert other pictures: pip install pillow"
        ) from exc
    try:
        with Image.open(io.BytesIO(data)) as image:
            pages = getattr(image, "n_frames", 1)
            if pages == 1:
                return _encoded(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as exc:
        raise InputError(f"{what} is no picture and no PDF") from exc
    raise InputError(f"{what} has {pages} pages, and a request takes pictures one by one; open it with Pillow and seek")


def _is_pillow(source: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "PIL" for kind in type(source).__mro__)


def _encoded(image: Any) -> dict[str, Any]:
    """Return a Pillow image's data and media type: PNG loses nothing; what came as JPEG has nothing to lose."""
    out = io.BytesIO()
    if image.format == "JPEG" and image.mode in _JPEG_MODES:
        kept = {name: image.info[name] for name in _HOW_TO_SHOW if image.info.get(name)}
        image.save(out, format="JPEG", quality=_JPEG_QUALITY, **kept)
        return {"data": out.getvalue(), "media_type": "image/jpeg"}
    plain = image if image.mode in _PNG_MODES else image.convert("I;16" if image.mode == _DEEP else "RGB")
    plain.save(out, format="PNG")
    return {"data": out.getvalue(), "media_type": "image/png"}
