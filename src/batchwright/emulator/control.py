"""`/_emulator`: look into the emulator and steer it while it runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from batchwright.emulator.faults.rules import FaultError, parse_fault
from batchwright.emulator.http import MalformedBodyError, RefusedError, guarded, json_reply, receive_json
from batchwright.emulator.scenario import Scenario, ScenarioError
from batchwright.emulator.vendor import Vendor
from batchwright.emulator.world import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

    from batchwright.emulator.store import Job
    from batchwright.emulator.world import World

LOG_KINDS = ("http", "request", "answer", "fault")
"""The kinds of entries `/_emulator/log` shows."""
_STORED_AS = {"requests": "request", "answers": "answer"}
_CHUNK_BYTES = 1 << 16


def routes(world: World) -> list[Route]:
    """The routes below `/_emulator`."""
    service = _Control(world)
    table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/", service.overview),
        ("GET", "/clock", service.clock),
        ("POST", "/clock", service.advance),
        ("GET", "/scenario", service.scenario),
        ("PUT", "/scenario", service.replace_scenario),
        ("PATCH", "/scenario", service.patch_scenario),
        ("GET", "/faults", service.faults),
        ("POST", "/faults", service.add_fault),
        ("DELETE", "/faults", service.clear_faults),
        ("GET", "/stats", service.stats),
        ("GET", "/log", service.log),
        ("DELETE", "/state", service.reset),
        ("*", "/{rest:path}", service.unknown),
    ]
    return [
        Route(
            path,
            guarded(handler, authorise=lambda _request: None, headers=dict),
            methods=["GET", "POST", "DELETE", "PUT", "PATCH"] if method == "*" else [method],
        )
        for method, path, handler in table
    ]


def _refused(message: str, status: int = 400) -> RefusedError:
    return RefusedError(status, {"error": message})


async def _body(request: Request) -> dict[str, Any]:
    try:
        return await receive_json(request)
    except MalformedBodyError as exc:
        raise _refused(f"the body is not JSON: {exc}") from exc


class _Control:
    """The handlers; each is one endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def overview(self, _request: Request) -> Response:
        bases = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini"}
        return json_reply({"emulator": "batchwright", "base_urls": bases, "now": self._world.now()})

    async def clock(self, _request: Request) -> Response:
        return json_reply({"now": self._world.now(), "offset": self._world.clock_offset})

    async def advance(self, request: Request) -> Response:
        body = await _body(request)
        seconds = body.get("advance")
        if set(body) != {"advance"} or isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise _refused('expected {"advance": <seconds>}')
        if not math.isfinite(seconds) or seconds < 0:
            raise _refused("advance: seconds, at least 0; the clock does not go back")
        self._world.advance_clock(seconds)
        return await self.clock(request)

    async def scenario(self, _request: Request) -> Response:
        return json_reply(self._world.scenario.to_json())

    async def replace_scenario(self, request: Request) -> Response:
        return self._use(Scenario(), await _body(request))

    async def patch_scenario(self, request: Request) -> Response:
        return self._use(self._world.scenario, await _body(request))

    def _use(self, base: Scenario, document: dict[str, Any]) -> Response:
        try:
            scenario = base.patched(document)
        except ScenarioError as exc:
            raise _refused(str(exc)) from exc
        self._world.use_scenario(scenario)
        return json_reply(scenario.to_json())

    async def faults(self, _request: Request) -> Response:
        return json_reply({"faults": self._world.faults.show()})

    async def add_fault(self, request: Request) -> Response:
        try:
            added = parse_fault(await _body(request))
        except FaultError as exc:
            raise _refused(str(exc)) from exc
        now_set = self._world.set_faults((*self._world.scenario.faults, *added))
        return json_reply({"faults": now_set[-len(added) :]})

    async def clear_faults(self, request: Request) -> Response:
        self._world.set_faults(())
        return await self.faults(request)

    async def stats(self, _request: Request) -> Response:
        counters = self._world.store.counters()
        return json_reply({str(v): {name: counters.get((str(v), name), 0) for name in COUNTERS} for v in Vendor})

    async def log(self, request: Request) -> Response:
        vendor, kind = request.query_params.get("provider"), request.query_params.get("kind")
        if vendor is not None and vendor not in set(Vendor):
            raise _refused(f"unknown provider {vendor!r}; known: {', '.join(Vendor)}")
        if kind is not None and kind not in LOG_KINDS:
            raise _refused(f"unknown kind {kind!r}; known: {', '.join(LOG_KINDS)}")
        return StreamingResponse(_lines(_entries(self._world, vendor, kind)), media_type="application/x-ndjson")

    async def reset(self, _request: Request) -> Response:
        self._world.reset()
        return json_reply({"reset": True})

    async def unknown(self, request: Request) -> Response:
        raise _refused(f"no such endpoint: {request.method} {request.url.path}", 404)


def _lines(entries: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    chunk = bytearray()
    for entry in entries:
        chunk += to_json(entry) + b"\n"
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _entries(world: World, vendor: str | None, kind: str | None) -> Iterator[dict[str, Any]]:
    """The log, oldest first. A batch is one entry in the file; its requests and answers are read from its own files."""
    for entry in world.journal.entries():
        if vendor not in (None, entry["provider"]) or kind not in (None, _STORED_AS.get(entry["kind"], entry["kind"])):
            continue
        if entry["kind"] == "requests":
            yield from _requests(world, entry)
        elif entry["kind"] == "answers":
            yield from _answers(world, entry)
        else:
            yield entry


def _requests(world: World, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job, position, line in world.requests_of(entry["job"]):
        yield {**entry, "kind": "request", "position": position, **_request_fields(world, job, line)}


def _request_fields(world: World, job: Job, line: bytes) -> dict[str, Any]:
    try:
        reading = world.dialect(job.vendor).read(job, line)
    except (ValueError, KeyError, TypeError):
        # The line is one that the vendor refuses together with the whole batch.
        return {"custom_id": None, "model": None, "prompt": None}
    ask = reading.ask
    return {"custom_id": reading.key, "model": ask.model if ask else None, "prompt": ask.prompt if ask else None}


def _answers(world: World, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for outcome in world.outcomes_of(entry["job"]):
        yield {
            **entry,
            "kind": "answer",
            "position": outcome.position,
            "custom_id": outcome.reading.key,
            "fate": str(outcome.fate),
            "text": outcome.text,
        }
