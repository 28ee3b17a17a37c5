"""What the vendors' routes share: bodies to and from disk, refusals, JSON replies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

_CLIENT_CLOSED_REQUEST = 499
_CHUNK_BYTES = 1 << 20


class RefusedError(Exception):
    """A request is answered with an error of the vendor: status, body in the vendor's form, extra headers."""

    def __init__(self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


class LateCommitError(Exception):
    """A create is carried out only later, and its answer is lost; `silent` is whether not even an error is told."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("the job comes into being only later")
        self.silent = silent


class BodyTooLargeError(Exception):
    """A body is larger than the limit."""


class MalformedBodyError(Exception):
    """A body is not what its content type says; the message tells why."""


def json_reply(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(to_json(document), status_code=status, headers=dict(headers or {}), media_type="application/json")


def guarded(
    handler: Callable[[Request], Awaitable[Response]],
    *,
    authorise: Callable[[Request], None],
    headers: Callable[[], dict[str, str]],
) -> Callable[[Request], Awaitable[Response]]:
    """The handler behind the vendor's check of the key, with refusals and the vendor's headers put on its answer."""

    async def endpoint(request: Request) -> Response:
        try:
            authorise(request)
            response = await handler(request)
        except RefusedError as exc:
            response = json_reply(exc.body, status=exc.status, headers=exc.headers)
        except ClientDisconnect:
            response = Response(status_code=_CLIENT_CLOSED_REQUEST)  # for the log; nobody is there to read it
        for name, value in headers().items():
            response.headers.setdefault(name, value)
        return response

    return endpoint


def bearer_token(request: Request) -> str:
    """The key of an `Authorization: Bearer` header, or the empty string."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def root_url(request: Request, vendor: str) -> str:
    """The URL under which the client reached a vendor, such as `http://127.0.0.1:8765/gemini`."""
    host = request.headers.get("host") or request.url.netloc
    return f"{request.url.scheme}://{host}/{vendor}"


@dataclass(slots=True)
class Receipt:
    """What arrived: size in bytes, number of lines (a last one without its end counts), SHA-256, first form fields."""

    size: int = 0
    lines: int = 0
    filename: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)
    _open_line: bool = False

    def add(self, chunk: bytes) -> None:
        """Take note of some more bytes."""
        self.size += len(chunk)
        self.digest.update(chunk)
        if chunk:
            self.lines += chunk.count(b"\n") + (not chunk.endswith(b"\n")) - self._open_line
            self._open_line = not chunk.endswith(b"\n")


async def receive_body(request: Request, path: Path, *, limit: int) -> Receipt:
    """Write the body to `path` as it comes.

    Raises `BodyTooLargeError`, once the whole body has come: a client that is still sending would see a broken
    connection instead of the answer.
    """
    receipt = Receipt()
    with path.open("wb") as file:
        async for chunk in request.stream():
            receipt.add(chunk)
            if receipt.size <= limit:
                file.write(chunk)
    if receipt.size > limit:
        raise BodyTooLargeError
    return receipt


class _FormReader:
    """Takes a multipart form apart: the part called `file` goes to disk, others are short texts."""

    def __init__(self, boundary: bytes, path: Path, limit: int) -> None:
        self.receipt = Receipt()
        self._limit = limit
        self._file = path.open("wb")
        self._header_name = self._header_value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._text = bytearray()
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name_comes,
                "on_header_value": self._header_value_comes,
                "on_header_end": self._header_ends,
                "on_part_data": self._data_comes,
                "on_part_end": self._part_ends,
            },
        )

    def close(self) -> None:
        self._file.close()

    def _part_begins(self) -> None:
        self._disposition = {}
        self._text = bytearray()

    def _header_name_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, self._disposition = parse_options_header(self._header_value)
        self._header_name = self._header_value = b""

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        chunk = data[start:end]
        if self._disposition.get(b"name") != b"file":
            self._text += chunk
            return
        self.receipt.add(chunk)
        if self.receipt.size <= self._limit:
            self._file.write(chunk)

    def _part_ends(self) -> None:
        name = self._disposition.get(b"name", b"").decode()
        if name == "file":
            self.receipt.filename = self._disposition.get(b"filename", b"").decode()
        else:
            self.receipt.fields[name] = self._text.decode()


async def receive_form(request: Request, path: Path, *, limit: int) -> Receipt:
    """Write the part `file` of a multipart form to `path` as it comes; the other parts are in `fields`.

    Raises `BodyTooLargeError` and `MalformedBodyError`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise MalformedBodyError("expected multipart/form-data")
    reader = _FormReader(options[b"boundary"], path, limit)
    try:
        async for chunk in request.stream():
            reader.parser.write(chunk)
        reader.parser.finalize()
    except ValueError as exc:
        raise MalformedBodyError(str(exc)) from exc
    finally:
        reader.close()
    if reader.receipt.size > limit:
        raise BodyTooLargeError
    return reader.receipt


async def receive_json(request: Request) -> dict[str, Any]:
    """The JSON object of a small body; an empty body is an empty object. Raises `MalformedBodyError`."""
    body = await request.body()
    try:
        document = from_json(body) if body.strip() else {}
    except ValueError as exc:
        raise MalformedBodyError(str(exc)) from exc
    if not isinstance(document, dict):
        raise MalformedBodyError("expected a JSON object")
    return document


def send_file(path: Path, *, headers: Mapping[str, str], media_type: str | None) -> Response:
    """A file in chunks, without a content length, as the vendors send results. Raises `FileNotFoundError`."""
    return FileReply(path, headers=headers, media_type=media_type)


class FileReply(StreamingResponse):
    """A file in chunks; `size` is that of the whole, in bytes."""

    def __init__(self, path: Path, *, headers: Mapping[str, str], media_type: str | None) -> None:
        super().__init__(_chunks(path), headers=dict(headers), media_type=media_type)
        self.size = path.stat().st_size


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await run_in_threadpool(file.read, _CHUNK_BYTES):
            yield chunk
