"""Gemini's endpoints over HTTP. The SDK takes only status 200 for success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json, to_json
from starlette.concurrency import run_in_threadpool

from batchwright.emulator.engine import Phase
from batchwright.emulator.faults.jobs import results_at
from batchwright.emulator.gemini.bodies import ask_of, check_names, field, response_of
from batchwright.emulator.gemini.documents import file_document, is_too_long, operation, responses_file
from batchwright.emulator.gemini.errors import invalid, not_found, refused
from batchwright.emulator.gemini.rates import too_many
from batchwright.emulator.gemini.uploads import Uploads
from batchwright.emulator.http import (
    BodyTooLargeError,
    MalformedBodyError,
    json_reply,
    receive_body,
    receive_json,
    root_url,
    send_file,
)
from batchwright.emulator.identifiers import random_base36, random_hex
from batchwright.emulator.routing import Endpoint, routes_of
from batchwright.emulator.vendor import Operation, Vendor
from batchwright.emulator.work import lines_of
from batchwright.emulator.world import Look

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from batchwright.emulator.store import Job, StoredFile
    from batchwright.emulator.world import World

_T = TypeVar("_T", "Job", "StoredFile")
_BATCH_FIELDS = {"model", "displayName", "inputConfig", "priority", "webhookConfig", "name"}
_MODELS = ("gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.5-pro")
_MOST_LISTED = 1000


def routes(world: World) -> list[Route]:
    """The routes below `/gemini`."""
    service, uploads = _Gemini(world), Uploads(world)
    version = "/{version}"
    table: list[Endpoint] = [
        ("POST", "/upload/{version}/files", uploads.upload, Operation.UPLOAD),
        ("GET", version + "/files", service.list_files, None),
        ("GET", version + "/files/{id}:download", service.download, Operation.DOWNLOAD),
        ("GET", version + "/files/{id}", service.get_file, None),
        ("DELETE", version + "/files/{id}", service.delete_file, None),
        ("POST", version + "/models/{model}:batchGenerateContent", service.create, Operation.CREATE),
        ("POST", version + "/models/{model}:generateContent", service.generate, Operation.LIVE),
        ("GET", version + "/models", service.models, None),
        ("GET", version + "/batches", service.list_batches, Operation.LIST),
        ("GET", version + "/batches/{id}", service.get, Operation.GET),
        ("DELETE", version + "/batches/{id}", service.delete, None),
        ("POST", version + "/batches/{id}:cancel", service.cancel, Operation.CANCEL),
        ("*", "/{rest:path}", service.unknown, None),
    ]
    return routes_of(world, Vendor.GEMINI, table, authorise=_authorise, headers=dict)


def _authorise(request: Request) -> None:
    if "upload_id" in request.query_params:
        return  # the URL itself is the permission
    key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not key:
        message = (
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API."
        )
        raise refused(403, "PERMISSION_DENIED", message)
    if key == "invalid":
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
        message = "API key not valid. Please pass a valid API key."
        raise refused(400, "INVALID_ARGUMENT", message, details=[info])


class _Gemini:
    """The handlers; each is one endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = world.store

    # Files

    def _file(self, request: Request) -> StoredFile:
        name = f"files/{request.path_params['id']}"
        if is_too_long(name):
            raise invalid(f"* {request.method.title()}FileRequest.name: file name is longer than 40 characters.\n")
        file = self._store.file(Vendor.GEMINI, name, self._world.now())
        if file is None:
            message = f"You do not have permission to access the File {name[6:]} or it may not exist."
            raise refused(403, "PERMISSION_DENIED", message)
        return file

    async def get_file(self, request: Request) -> Response:
        return json_reply(file_document(self._file(request), root_url(request, Vendor.GEMINI)))

    async def delete_file(self, request: Request) -> Response:
        file = self._file(request)
        self._world.delete_file(Vendor.GEMINI, file)
        return json_reply({})

    async def list_files(self, request: Request) -> Response:
        files, token = _page(request, self._store.files(Vendor.GEMINI, self._world.now()), default=10)
        root = root_url(request, Vendor.GEMINI)
        document = {"files": [file_document(file, root) for file in files]} if files else {}
        return json_reply(document | token)

    async def download(self, request: Request) -> Response:
        name = request.path_params["id"]
        if not name.startswith("batch-"):
            raise invalid(f"File {name} is not downloadable: only generated files are.")
        job = self._store.job(Vendor.GEMINI, f"batches/{name.removeprefix('batch-')}")
        if job is None or responses_file(job) != f"files/{name}" or not self._has_results(job):
            raise not_found()
        look = await run_in_threadpool(self._world.look, job)
        if look.view.phase is not Phase.SUCCEEDED or job.struck_by("no_output_file"):
            raise not_found()
        if self._world.now() < results_at(job.faults, look.view.ended_at or 0.0):
            raise not_found()
        self._store.count(Vendor.GEMINI, "downloads")
        path = self._world.folder_of(job.id) / "output.jsonl"
        return send_file(path, headers={}, media_type="application/octet-stream")

    # Batches

    def _has_results(self, job: Job) -> bool:
        return self._world.now() < job.history.created_at + job.settings.limits.results_kept_s

    async def create(self, request: Request) -> Response:
        job_id = random_base36("batches/", 36)
        incoming = self._world.data_dir / "incoming" / random_hex("create-")
        settings = self._world.scenario.gemini
        try:
            await receive_body(request, incoming, limit=settings.limits.max_inline_bytes)
            most = settings.limits.max_active_jobs
            if most and self._world.active_jobs(Vendor.GEMINI) >= most:
                message = "Resource has been exhausted (e.g. check quota)."
                raise refused(429, "RESOURCE_EXHAUSTED", message)
            model = f"models/{request.path_params['model']}"
            job = await run_in_threadpool(self._accept, job_id, incoming, model)
        except BodyTooLargeError as exc:
            raise invalid(f"Request payload size exceeds the limit: {settings.limits.max_inline_bytes} bytes.") from exc
        finally:
            incoming.unlink(missing_ok=True)
        return json_reply(operation(Look.at_create(job), None))

    def _accept(self, job_id: str, incoming: Path, model: str) -> Job:
        """Commit the batch that the create body in `incoming` asks for."""
        batch = _batch_of(incoming.read_bytes())
        source = field(batch, "inputConfig") or {}
        check_names(source, {"fileName", "requests"}, "batch.input_config")
        file_name, display_name = field(source, "fileName"), field(batch, "displayName")
        if not all(isinstance(name, str | None) for name in (file_name, display_name)):
            raise invalid("Invalid value at 'batch' (TYPE_STRING): names are strings.")
        now = self._world.now()
        spec = {"model": model, "display_name": display_name, "file_name": file_name}
        if file_name:
            file = self._store.file(Vendor.GEMINI, file_name, now)
            if file is None:
                raise not_found()
            path, count = self._world.data_dir / file.path, file.extra["lines"]
        else:
            path, count = incoming, _write_inline(source.get("requests"), incoming, model)
        return self._world.add_job(
            Vendor.GEMINI, job_id, source=path, requests=count, spec=spec, now=now, inline=not file_name
        )

    def _job(self, request: Request) -> Job:
        job = self._store.job(Vendor.GEMINI, f"batches/{request.path_params['id']}")
        if job is None:
            raise not_found()
        return job

    async def get(self, request: Request) -> Response:
        job = self._job(request)
        look = await run_in_threadpool(self._world.poll, Vendor.GEMINI, job.id)
        if look is None:
            raise not_found()
        inlined = await run_in_threadpool(self._inlined, look)
        return json_reply(operation(look, inlined, has_results=self._has_results(job)))

    def _inlined(self, look: Look) -> list[Any] | None:
        if look.job.spec["file_name"] or look.view.phase is not Phase.SUCCEEDED:
            return None
        return [from_json(line) for line in lines_of(self._world.folder_of(look.job.id) / "output.jsonl")]

    async def list_batches(self, request: Request) -> Response:
        self._store.count(Vendor.GEMINI, "lists")
        jobs, token = _page(request, self._store.jobs(Vendor.GEMINI), default=100)
        looks = [await run_in_threadpool(self._world.look, job) for job in jobs]
        operations = [operation(look, None, has_results=self._has_results(look.job)) for look in looks]
        return json_reply(({"operations": operations} if operations else {}) | token)

    async def cancel(self, request: Request) -> Response:
        look = await run_in_threadpool(self._world.look, self._job(request))
        if not look.view.phase.ended:
            self._world.cancel(Vendor.GEMINI, look.job.id)
        return json_reply({})

    async def delete(self, request: Request) -> Response:
        self._store.delete_job(self._job(request).id)
        return json_reply({})

    # The model

    async def generate(self, request: Request) -> Response:
        try:
            body = await receive_json(request)
        except MalformedBodyError as exc:
            raise invalid(f"Invalid JSON payload received. {exc}") from exc
        ask = ask_of(body, model=f"models/{request.path_params['model']}", in_batch=False)
        standing = self._world.admit(Vendor.GEMINI, ask)
        if standing is not None and standing.wait_s:
            raise too_many(standing)
        answer = self._world.answer(Vendor.GEMINI, ask)
        return json_reply(response_of(ask, answer.text, seed=random_hex(""), cut=answer.cut))

    async def models(self, _request: Request) -> Response:
        models = [
            {
                "name": f"models/{name}",
                "version": "001",
                "displayName": name,
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent", "batchGenerateContent"],
            }
            for name in _MODELS
        ]
        return json_reply({"models": models})

    async def unknown(self, _request: Request) -> Response:
        raise not_found()


def _batch_of(body: bytes) -> dict[str, Any]:
    try:
        document = from_json(body)
    except ValueError as exc:
        raise invalid(f"Invalid JSON payload received. {exc}") from exc
    check_names(document, {"batch"}, "")
    check_names(document.get("batch"), _BATCH_FIELDS, "batch")
    batch: dict[str, Any] = document["batch"]
    return batch


def _write_inline(wrapper: Any, path: Path, model: str) -> int:
    """Write inline requests as lines to `path`, and count them; a wrong one is refused with the whole call."""
    requests = wrapper.get("requests") if isinstance(wrapper, dict) else None
    if not isinstance(requests, list) or not requests:
        raise invalid("* BatchGenerateContentRequest.batch.input_config: no requests are specified\n")
    where = "batch.input_config.requests.requests"
    with path.open("wb") as file:
        for number, item in enumerate(requests):
            check_names(item, {"request", "metadata"}, f"{where}[{number}]")
            ask_of(item.get("request"), model=model, in_batch=True, where=f"{where}[{number}].request")
            file.write(to_json(item) + b"\n")
    return len(requests)


def _page(request: Request, items: list[_T], *, default: int) -> tuple[list[_T], dict[str, str]]:
    """The items (newest first) of the page that is asked for, and the token of the next page, if there is one."""
    size = request.query_params.get("pageSize", str(default))
    token = request.query_params.get("pageToken")
    if not size.isdecimal() or (token and not token.removeprefix("p").isdecimal()):
        raise invalid("Invalid pageSize or pageToken.")
    if token:
        items = [item for item in items if item.seq < int(token.removeprefix("p"))]
    page = items[: min(int(size) or default, _MOST_LISTED)]
    return page, ({"nextPageToken": f"p{page[-1].seq}"} if len(items) > len(page) else {})
