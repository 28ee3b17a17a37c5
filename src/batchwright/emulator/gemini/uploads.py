"""Gemini's resumable upload: start, chunks, finalize."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from batchwright.emulator.gemini.bodies import check_names, field
from batchwright.emulator.gemini.documents import file_document
from batchwright.emulator.gemini.errors import invalid, refused
from batchwright.emulator.http import MalformedBodyError, RefusedError, json_reply, receive_json, root_url
from batchwright.emulator.identifiers import random_base36, random_id
from batchwright.emulator.store import StoredFile
from batchwright.emulator.vendor import Vendor

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from batchwright.emulator.world import World

_FILE_FIELDS = {"name", "displayName", "mimeType", "sizeBytes"}
_NAME = re.compile(r"files/[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class Uploads:
    """The upload endpoint. The bytes received so far are in a file of their own, so an upload survives a restart."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def upload(self, request: Request) -> Response:
        """Start an upload, or take the next bytes of one."""
        upload_id = request.query_params.get("upload_id")
        return await (self._start(request) if upload_id is None else self._continue(request, upload_id))

    async def _start(self, request: Request) -> Response:
        headers = request.headers
        if headers.get("x-goog-upload-protocol") != "resumable" or headers.get("x-goog-upload-command") != "start":
            raise invalid("Only the resumable upload protocol is supported: X-Goog-Upload-Command: start.")
        try:
            body = await receive_json(request)
        except MalformedBodyError as exc:
            raise invalid(f"Invalid JSON payload received. {exc}") from exc
        wanted = body.get("file") or {}
        check_names(wanted, _FILE_FIELDS, "file")
        size = headers.get("x-goog-upload-header-content-length")
        limit = self._world.scenario.gemini.limits.max_input_bytes
        if size is not None and (not size.isdecimal() or int(size) > limit):
            raise invalid(f"File size is too large: {size} bytes; the limit is {limit} bytes.")
        name = str(wanted.get("name") or "") or random_base36("files/", 12)
        if not _NAME.fullmatch(name):
            raise invalid(f"* CreateFileRequest.file.name: '{name}' is not a valid file name.\n")
        if self._world.store.file(Vendor.GEMINI, name, self._world.now()):
            raise refused(409, "ALREADY_EXISTS", f"File {name} already exists.")
        mime_type = str(field(wanted, "mimeType") or headers.get("x-goog-upload-header-content-type", ""))
        display_name = str(field(wanted, "displayName") or "")
        upload_id = random_id("", 40)
        (self._world.data_dir / "incoming" / upload_id).touch()
        self._world.store.put_upload(upload_id, {"name": name, "display_name": display_name, "mime_type": mime_type})
        version = request.path_params["version"]
        root = root_url(request, Vendor.GEMINI)
        url = f"{root}/upload/{version}/files?upload_id={upload_id}&upload_protocol=resumable"
        return json_reply(
            {}, headers={"x-goog-upload-url": url, "x-goog-upload-status": "active", "x-goog-upload-control-url": url}
        )

    async def _continue(self, request: Request, upload_id: str) -> Response:
        started = self._world.store.upload(upload_id)
        if started is None:
            # The SDK sends a chunk again where the status is not told.
            raise refused(404, "NOT_FOUND", "Upload not found.", headers={"x-goog-upload-status": "final"})
        path = self._world.data_dir / "incoming" / upload_id
        commands = {command.strip() for command in request.headers.get("x-goog-upload-command", "").split(",")}
        try:
            if "upload" in commands:
                await self._append(request, path)
            if "finalize" in commands:
                return await self._finish(request, upload_id, path, started)
        except RefusedError as exc:
            exc.headers["x-goog-upload-status"] = "final"
            raise
        received = str(path.stat().st_size)
        return json_reply({}, headers={"x-goog-upload-status": "active", "x-goog-upload-size-received": received})

    async def _append(self, request: Request, path: Path) -> None:
        limit = self._world.scenario.gemini.limits.max_input_bytes
        with path.open("ab") as file:
            received = file.tell()
            if request.headers.get("x-goog-upload-offset", "0") != str(received):
                raise invalid(f"Upload offset does not match: {received} bytes were received.")
            async for chunk in request.stream():
                received += len(chunk)
                if received <= limit:
                    file.write(chunk)
        if received > limit:
            raise invalid(f"File size is too large; the limit is {limit} bytes.")

    async def _finish(self, request: Request, upload_id: str, path: Path, started: dict[str, Any]) -> Response:
        digest, lines = await run_in_threadpool(_measured, path)
        now = self._world.now()
        file = StoredFile(
            id=started["name"],
            vendor=Vendor.GEMINI,
            created_at=now,
            expires_at=now + self._world.scenario.gemini.limits.files_kept_s,
            name=started["display_name"],
            purpose=started["mime_type"],
            bytes=path.stat().st_size,  # noqa: ASYNC240 - a local file
            path=f"files/{upload_id}",
            extra={"sha256": digest, "lines": lines},
        )
        path.replace(self._world.data_dir / file.path)  # noqa: ASYNC240 - a local file
        self._world.store.add_file(file)
        self._world.store.drop_upload(upload_id)
        self._world.store.count(Vendor.GEMINI, "uploads")
        document = {"file": file_document(file, root_url(request, Vendor.GEMINI))}
        return json_reply(document, headers={"x-goog-upload-status": "final"})


def _measured(path: Path) -> tuple[str, int]:
    """The file's SHA-256 as Gemini writes it (base64 of the hex digits), and how many lines are not blank."""
    digest, lines = hashlib.sha256(), 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            lines += bool(line.strip())
    return base64.b64encode(digest.hexdigest().encode()).decode(), lines
