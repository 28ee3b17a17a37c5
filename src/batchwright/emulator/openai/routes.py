"""OpenAI's endpoints over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from batchwright.emulator.engine import Phase
from batchwright.emulator.http import (
    BodyTooLargeError,
    MalformedBodyError,
    RefusedError,
    bearer_token,
    json_reply,
    receive_form,
    receive_json,
    send_file,
)
from batchwright.emulator.identifiers import random_hex, random_id
from batchwright.emulator.openai.bodies import CHAT, RESPONSES, answer_body, ask_of
from batchwright.emulator.openai.checks import check_create, check_upload
from batchwright.emulator.openai.documents import batch_document, file_document, page
from batchwright.emulator.openai.errors import refused
from batchwright.emulator.openai.rates import rate_headers, too_many
from batchwright.emulator.routing import Endpoint, routes_of
from batchwright.emulator.store import StoredFile
from batchwright.emulator.vendor import Operation, Vendor
from batchwright.emulator.world import Look

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from batchwright.emulator.world import World

_MOST_BATCHES = 100
_MOST_FILES = 10_000
_MODELS = ("gpt-4o-mini", "gpt-5-mini", "gpt-5.5")


def routes(world: World) -> list[Route]:
    """The routes below `/openai`."""
    service = _OpenAI(world)
    table: list[Endpoint] = [
        ("POST", "/v1/files", service.upload, Operation.UPLOAD),
        ("GET", "/v1/files", service.list_files, None),
        ("GET", "/v1/files/{id}", service.get_file, None),
        ("DELETE", "/v1/files/{id}", service.delete_file, None),
        ("GET", "/v1/files/{id}/content", service.download, Operation.DOWNLOAD),
        ("POST", "/v1/batches", service.create, Operation.CREATE),
        ("GET", "/v1/batches", service.list_batches, Operation.LIST),
        ("GET", "/v1/batches/{id}", service.get, Operation.GET),
        ("POST", "/v1/batches/{id}/cancel", service.cancel, Operation.CANCEL),
        ("POST", CHAT, service.chat, Operation.LIVE),
        ("POST", RESPONSES, service.responses, Operation.LIVE),
        ("GET", "/v1/models", service.models, None),
        ("*", "/{rest:path}", service.unknown, None),
    ]
    return routes_of(world, Vendor.OPENAI, table, authorise=_authorise, headers=_headers)


def _headers() -> dict[str, str]:
    return {"x-request-id": random_hex("req_"), "openai-version": "2020-10-01", "openai-processing-ms": "12"}


def _authorise(request: Request) -> None:
    key = bearer_token(request)
    if not key:
        raise refused(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )
    if key == "invalid":
        message = (
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."
        )
        raise refused(message, status=401, code="invalid_api_key")


async def _body(request: Request) -> dict[str, Any]:
    try:
        return await receive_json(request)
    except MalformedBodyError as exc:
        message = "We could not parse the JSON body of your request."
        raise refused(f"{message} ({exc})") from exc


class _OpenAI:
    """The handlers; each is one endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = world.store

    # Files

    async def upload(self, request: Request) -> Response:
        file_id = random_id("file-", 22)
        incoming = self._world.data_dir / "incoming" / file_id
        limits = self._world.scenario.openai.limits
        try:
            receipt = await receive_form(request, incoming, limit=limits.max_input_bytes)
            check_upload(receipt)
        except BodyTooLargeError as exc:
            incoming.unlink()
            message = f"Maximum content size limit ({limits.max_input_bytes}) exceeded."
            raise refused(message, status=413, param="file", code="file_too_large") from exc
        except MalformedBodyError as exc:
            incoming.unlink(missing_ok=True)
            raise refused(f"Could not parse multipart form: {exc}") from exc
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise
        incoming.replace(self._world.data_dir / "files" / file_id)
        now = self._world.now()
        kept_s = float(receipt.fields.get("expires_after[seconds]") or limits.files_kept_s)
        file = StoredFile(
            id=file_id,
            vendor=Vendor.OPENAI,
            created_at=now,
            expires_at=now + kept_s,
            name=receipt.filename or "upload",
            purpose=receipt.fields["purpose"],
            bytes=receipt.size,
            path=f"files/{file_id}",
            extra={"lines": receipt.lines},
        )
        self._store.add_file(file)
        self._store.count(Vendor.OPENAI, "uploads")
        return json_reply(file_document(file))

    def _file(self, request: Request) -> StoredFile:
        file_id = request.path_params["id"]
        file = self._store.file(Vendor.OPENAI, file_id, self._world.now())
        if file is None:
            raise refused(f"No such File object: {file_id}", status=404, param="id")
        return file

    async def get_file(self, request: Request) -> Response:
        return json_reply(file_document(self._file(request)))

    async def delete_file(self, request: Request) -> Response:
        file = self._file(request)
        self._world.delete_file(Vendor.OPENAI, file)
        return json_reply({"id": file.id, "object": "file", "deleted": True})

    async def download(self, request: Request) -> Response:
        file = self._file(request)
        self._store.count(Vendor.OPENAI, "downloads")
        disposition = f'attachment; filename="{file.name}"'
        path = self._world.data_dir / file.path
        return send_file(path, headers={"content-disposition": disposition}, media_type="application/octet-stream")

    async def list_files(self, request: Request) -> Response:
        limit = _limit(request, _MOST_FILES, _MOST_FILES)
        purpose = request.query_params.get("purpose")
        files = [f for f in self._store.files(Vendor.OPENAI, self._world.now()) if purpose in (None, f.purpose)]
        if request.query_params.get("order") == "asc":
            files.reverse()
        if after := request.query_params.get("after"):
            ids = [file.id for file in files]
            if after not in ids:
                raise refused(f"No such File object: {after}", status=404, param="after")
            files = files[ids.index(after) + 1 :]
        return json_reply(page([file_document(f) for f in files[:limit]], has_more=len(files) > limit))

    # Batches

    async def create(self, request: Request) -> Response:
        body = await _body(request)
        check_create(body)
        now = self._world.now()
        file = self._store.file(Vendor.OPENAI, body["input_file_id"], now)
        if file is None or file.purpose != "batch":
            message = f"Invalid file: {body['input_file_id']} does not exist or was not uploaded with purpose 'batch'."
            raise refused(message, param="input_file_id", code="invalid_file")
        job = await run_in_threadpool(
            self._world.add_job,
            Vendor.OPENAI,
            random_hex("batch_"),
            source=self._world.data_dir / file.path,
            requests=file.extra["lines"],
            spec={**body, "metadata": body.get("metadata")},
            now=now,
        )
        return json_reply(batch_document(Look.at_create(job)))

    async def get(self, request: Request) -> Response:
        batch_id = request.path_params["id"]
        look = await run_in_threadpool(self._world.poll, Vendor.OPENAI, batch_id)
        if look is None:
            raise _no_batch(batch_id)
        return json_reply(batch_document(look))

    async def cancel(self, request: Request) -> Response:
        batch_id = request.path_params["id"]
        job = self._store.job(Vendor.OPENAI, batch_id)
        if job is None:
            raise _no_batch(batch_id)
        look = await run_in_threadpool(self._world.look, job)
        if look.view.phase.ended:
            status = batch_document(look)["status"]
            raise refused(f"Cannot cancel a batch with status '{status}'.", status=409)
        if look.view.phase is not Phase.CANCELLING:
            self._world.cancel(Vendor.OPENAI, batch_id)
        look = await run_in_threadpool(self._world.look, self._store.job(Vendor.OPENAI, batch_id) or job)
        return json_reply(batch_document(look))

    async def list_batches(self, request: Request) -> Response:
        limit = _limit(request, 20, _MOST_BATCHES)
        before = None
        if after := request.query_params.get("after"):
            last = self._store.job(Vendor.OPENAI, after)
            if last is None:
                raise _no_batch(after)
            before = last.seq
        self._store.count(Vendor.OPENAI, "lists")
        jobs = self._store.jobs(Vendor.OPENAI, limit=limit + 1, before=before)
        looks = [await run_in_threadpool(self._world.look, job) for job in jobs[:limit]]
        return json_reply(page([batch_document(look) for look in looks], has_more=len(jobs) > limit))

    # The model

    async def chat(self, request: Request) -> Response:
        return await self._live(request, CHAT)

    async def responses(self, request: Request) -> Response:
        return await self._live(request, RESPONSES)

    async def _live(self, request: Request, endpoint: str) -> Response:
        body = await _body(request)
        ask = ask_of(endpoint, body)
        standing = self._world.admit(Vendor.OPENAI, ask)
        if standing is not None and standing.wait_s:
            raise too_many(standing, ask.model)
        answer = self._world.answer(Vendor.OPENAI, ask)
        seed, now = random_hex(""), self._world.now()
        document = answer_body(endpoint, body, ask, answer.text, seed=seed, at=now, cut=answer.cut)
        return json_reply(document, headers=rate_headers(standing) if standing else None)

    async def models(self, _request: Request) -> Response:
        models = [{"id": name, "object": "model", "created": 1735689600, "owned_by": "system"} for name in _MODELS]
        return json_reply({"object": "list", "data": models})

    async def unknown(self, request: Request) -> Response:
        raise refused(f"Invalid URL ({request.method} {request.url.path})", status=404)


def _no_batch(batch_id: str) -> RefusedError:
    return refused(f"No batch found with id '{batch_id}'.", status=404)


def _limit(request: Request, default: int, most: int) -> int:
    given = request.query_params.get("limit")
    if given is None:
        return default
    if not given.isdecimal() or not 1 <= int(given) <= most:
        message = f"Invalid 'limit': expected an integer between 1 and {most}, but got {given} instead."
        raise refused(message, param="limit", code="integer_out_of_range")
    return int(given)
