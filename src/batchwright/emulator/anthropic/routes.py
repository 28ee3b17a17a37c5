"""Anthropic's endpoints over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from batchwright.emulator.anthropic.bodies import NEW_VERSION, OLD_VERSION, ask_of, complaint, message_of
from batchwright.emulator.anthropic.dialect import split_requests
from batchwright.emulator.anthropic.errors import invalid, new_request_id, not_found, refused
from batchwright.emulator.anthropic.rates import rate_headers, too_many
from batchwright.emulator.engine import Phase
from batchwright.emulator.faults.documents import document_under
from batchwright.emulator.http import (
    BodyTooLargeError,
    MalformedBodyError,
    bearer_token,
    json_reply,
    receive_body,
    receive_json,
    root_url,
    send_file,
)
from batchwright.emulator.identifiers import random_base58
from batchwright.emulator.routing import Endpoint, routes_of
from batchwright.emulator.vendor import Operation, Vendor
from batchwright.emulator.work import Examination
from batchwright.emulator.world import Look

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from batchwright.emulator.store import Job
    from batchwright.emulator.world import World

_MOST_LISTED = 1000
_MODELS = ("claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5")
_POLL_AGAIN_S = "10"


def routes(world: World) -> list[Route]:
    """The routes below `/anthropic`."""
    service = _Anthropic(world)
    table: list[Endpoint] = [
        ("POST", "/v1/messages/batches", service.create, Operation.CREATE),
        ("GET", "/v1/messages/batches", service.list_batches, Operation.LIST),
        ("GET", "/v1/messages/batches/{id}", service.get, Operation.GET),
        ("DELETE", "/v1/messages/batches/{id}", service.delete, None),
        ("POST", "/v1/messages/batches/{id}/cancel", service.cancel, Operation.CANCEL),
        ("GET", "/v1/messages/batches/{id}/results", service.results, Operation.DOWNLOAD),
        ("POST", "/v1/messages", service.message, Operation.LIVE),
        ("GET", "/v1/models", service.models, None),
        ("*", "/{rest:path}", service.unknown, None),
    ]
    return routes_of(
        world, Vendor.ANTHROPIC, table, authorise=_authorise, headers=lambda: {"request-id": new_request_id()}
    )


def _authorise(request: Request) -> None:
    key = bearer_token(request) or request.headers.get("x-api-key", "")
    if not key:
        raise refused(401, "authentication_error", "x-api-key header is required")
    if key == "invalid":
        raise refused(401, "authentication_error", "invalid x-api-key")
    if request.url.path.endswith("/results"):
        return
    version = request.headers.get("anthropic-version")
    if version is None:
        raise invalid("anthropic-version: header is required")
    if version not in {OLD_VERSION, NEW_VERSION}:
        raise invalid(f'anthropic-version: "{version}" is not a valid version')


class _Anthropic:
    """The handlers; each is one endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = world.store

    async def create(self, request: Request) -> Response:
        job_id = random_base58("msgbatch_01")
        body = self._world.data_dir / "incoming" / job_id
        lines = body.with_suffix(".jsonl")
        limits = self._world.scenario.anthropic.limits
        try:
            await receive_body(request, body, limit=limits.max_input_bytes)
            job = await run_in_threadpool(self._accept, job_id, body, lines, request.headers["anthropic-version"])
        except BodyTooLargeError as exc:
            raise refused(413, "request_too_large", "Request exceeds the maximum size") from exc
        finally:
            body.unlink(missing_ok=True)
            lines.unlink(missing_ok=True)
        return self._reply(request, Look.at_create(job))

    def _accept(self, job_id: str, body: Path, lines: Path, version: str) -> Job:
        count = split_requests(body, lines, most=self._world.scenario.anthropic.limits.max_requests)
        return self._world.add_job(
            Vendor.ANTHROPIC,
            job_id,
            source=lines,
            requests=count,
            spec={"version": version},
            now=self._world.now(),
            examined=Examination(total=count, errors=[]),
        )

    def _reply(self, request: Request, look: Look) -> Response:
        return json_reply(_batch_document(look, self._world.now(), root_url(request, Vendor.ANTHROPIC)))

    def _job(self, request: Request) -> Job:
        batch_id = request.path_params["id"]
        job = self._store.job(Vendor.ANTHROPIC, batch_id)
        if job is None:
            raise not_found(f"Message Batch {batch_id} not found.")
        return job

    async def get(self, request: Request) -> Response:
        job = self._job(request)
        look = await run_in_threadpool(self._world.poll, Vendor.ANTHROPIC, job.id)
        if look is None:
            raise not_found(f"Message Batch {job.id} not found.")
        response = self._reply(request, look)
        if not look.view.phase.ended:
            response.headers["retry-after"] = _POLL_AGAIN_S
        return response

    async def list_batches(self, request: Request) -> Response:
        limit = _limit(request)
        newer_than, older_than = self._seq(request, "before_id"), self._seq(request, "after_id")
        self._store.count(Vendor.ANTHROPIC, "lists")
        jobs = self._store.jobs(Vendor.ANTHROPIC, limit=limit + 1, before=older_than, after=newer_than)
        has_more = len(jobs) > limit
        jobs = jobs[-limit:] if newer_than is not None else jobs[:limit]
        looks = [await run_in_threadpool(self._world.look, job) for job in jobs]
        now, root = self._world.now(), root_url(request, Vendor.ANTHROPIC)
        return json_reply(
            {
                "data": [_batch_document(look, now, root) for look in looks],
                "has_more": has_more,
                "first_id": jobs[0].id if jobs else None,
                "last_id": jobs[-1].id if jobs else None,
            }
        )

    def _seq(self, request: Request, parameter: str) -> int | None:
        given = request.query_params.get(parameter)
        if not given:
            return None
        job = self._store.job(Vendor.ANTHROPIC, given)
        if job is None:
            raise invalid(f"{parameter}: Message Batch {given} not found.")
        return job.seq

    async def cancel(self, request: Request) -> Response:
        job = self._job(request)
        look = await run_in_threadpool(self._world.look, job)
        if look.view.phase.ended:
            raise invalid(f"Message Batch {job.id} has already ended and cannot be canceled.")
        if look.view.phase is not Phase.CANCELLING:
            self._world.cancel(Vendor.ANTHROPIC, job.id)
        look = await run_in_threadpool(self._world.look, self._job(request))
        return self._reply(request, look)

    async def delete(self, request: Request) -> Response:
        look = await run_in_threadpool(self._world.look, self._job(request))
        if not look.view.phase.ended:
            raise invalid(f"Message Batch {look.job.id} cannot be deleted while it is in progress; cancel it first.")
        self._store.delete_job(look.job.id)
        return json_reply({"id": look.job.id, "type": "message_batch_deleted"})

    async def results(self, request: Request) -> Response:
        look = await run_in_threadpool(self._world.look, self._job(request))
        job = look.job
        if not look.view.phase.ended or _archived_at(look, self._world.now()) is not None:
            raise not_found(f"Message Batch {job.id} has no available results.")
        self._store.count(Vendor.ANTHROPIC, "downloads")
        path = self._world.folder_of(job.id) / "output.jsonl"
        disposition = f'attachment; filename="{job.id}_results.jsonl"'
        return send_file(path, headers={"content-disposition": disposition}, media_type=None)

    async def message(self, request: Request) -> Response:
        try:
            params = await receive_json(request)
        except MalformedBodyError as exc:
            raise invalid(f"The request body is not valid JSON: {exc}") from exc
        wrong = complaint(params, version=request.headers["anthropic-version"], in_batch=False)
        if wrong is None and params.get("stream"):
            wrong = "stream: streaming is not supported here"
        if wrong is not None:
            raise invalid(wrong)
        ask = ask_of(params)
        standing, now = self._world.admit(Vendor.ANTHROPIC, ask), self._world.now()
        if standing is not None and standing.wait_s:
            raise too_many(standing, now)
        answer = self._world.answer(Vendor.ANTHROPIC, ask)
        message = message_of(ask, answer.text, seed=random_base58(""), service_tier="standard", cut=answer.cut)
        return json_reply(message, headers=rate_headers(standing, now) if standing else None)

    async def models(self, _request: Request) -> Response:
        models = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
            for name in _MODELS
        ]
        return json_reply({"data": models, "has_more": False, "first_id": _MODELS[0], "last_id": _MODELS[-1]})

    async def unknown(self, request: Request) -> Response:
        raise refused(404, "not_found_error", f"Not found: {request.method} {request.url.path}")


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "20")
    if not given.isdecimal() or not 1 <= int(given) <= _MOST_LISTED:
        raise invalid(f"limit: Input should be between 1 and {_MOST_LISTED}")
    return int(given)


def _batch_document(look: Look, now: float, root: str) -> dict[str, Any]:
    job, seen = look.job, look.view
    created_at = job.history.created_at
    archived_at = _archived_at(look, now)
    has_results = seen.phase.ended and archived_at is None
    status = {Phase.CANCELLING: "canceling"}.get(seen.phase, "ended" if seen.phase.ended else "in_progress")
    document = {
        "id": job.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": _counts(look),
        "ended_at": _moment(seen.ended_at),
        "created_at": _moment(created_at),
        "expires_at": _moment(created_at + job.settings.limits.window_s),
        "archived_at": _moment(archived_at),
        "cancel_initiated_at": _moment(seen.cancelling_at),
        "results_url": f"{root}/v1/messages/batches/{job.id}/results" if has_results else None,
    }
    return document_under(job.faults, document, ended=seen.phase.ended)


def _counts(look: Look) -> dict[str, int]:
    """Everything is `processing` until the batch has ended."""
    settled = look.job.settled
    counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    if settled is None:
        return counts | {"processing": look.job.spec["requests"]}
    return counts | {
        "succeeded": settled["answered"],
        "errored": settled["refused"] + settled["failed"],
        "canceled": settled["cancelled"],
        "expired": settled["expired"],
    }


def _archived_at(look: Look, now: float) -> float | None:
    at = look.job.history.created_at + look.job.settings.limits.results_kept_s
    return at if look.view.phase.ended and now >= at else None


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
