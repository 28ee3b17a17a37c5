"""The one place where faults strike HTTP calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from batchwright.emulator.faults.connections import CutShort, Dropped, Unanswered
from batchwright.emulator.faults.refusals import broken, refusal
from batchwright.emulator.http import LateCommitError, RefusedError
from batchwright.emulator.vendor import Operation, Vendor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from batchwright.emulator.faults.rules import Fault
    from batchwright.emulator.world import World

    Handler = Callable[[Request], Awaitable[Response]]

_CARRIED_OUT = {"drop_after", "drop_during", "body_cut"}
_GATEWAY_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>\r\n"


def faulty(handler: Handler, *, world: World, vendor: Vendor, operation: Operation) -> Handler:
    """The handler of one of the vendor's operations, behind the faults that are set for it."""

    async def endpoint(request: Request) -> Response:
        fault = world.strike(vendor, operation)
        try:
            if fault is None:
                return await handler(request)
            return await _struck(fault, handler, request, operation, world.wall())
        except LateCommitError as exc:
            if exc.silent:
                return Dropped()
            raise broken(vendor) from exc
        except RefusedError as exc:
            if fault is not None and vendor is Vendor.GEMINI and operation is Operation.UPLOAD:
                # Without a status, the SDK takes the chunk for lost on the way and sends it three times more.
                exc.headers.setdefault("x-goog-upload-status", "final")
            raise

    return endpoint


async def _struck(fault: Fault, handler: Handler, request: Request, operation: Operation, now: float) -> Response:
    """The answer to a call that `fault` strikes. Raises `RefusedError` where that is an error of the vendor."""
    if fault.name == "hang":
        return await _hung(fault, handler, request)
    if fault.name in _CARRIED_OUT or fault.switch("committed"):
        response = await handler(request)
    else:
        response = await _drained(request)
    match fault.name:
        case "drop_before" | "drop_after":
            return Dropped()
        case "drop_during" | "body_cut":
            return CutShort(response, fraction=fault.number("fraction"), promised=fault.name == "body_cut")
        case "gateway_error":
            status = fault.word("status")
            page = _GATEWAY_PAGE.format(status=_GATEWAY_STATUS[status])
            return Response(page, status_code=int(status), media_type="text/html")
        case _:
            raise refusal(fault, operation, now=now)


async def _hung(fault: Fault, handler: Handler, request: Request) -> Response:
    seconds = fault.number("seconds")
    if fault.switch("committed"):
        return Unanswered(await handler(request), seconds=seconds)
    if not seconds:
        return Unanswered(await _drained(request), seconds=0)
    await asyncio.sleep(seconds)
    return await handler(request)


async def _drained(request: Request) -> Response:
    """Read the request to its end: a client that is still sending would see that fail, and not the answer."""
    async for _ in request.stream():
        pass
    return Response()


_GATEWAY_STATUS = {"502": "502 Bad Gateway", "503": "503 Service Unavailable", "504": "504 Gateway Timeout"}
