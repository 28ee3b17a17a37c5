"""A vendor's table of endpoints as routes, each behind the check of the key and the faults that are set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchwright.emulator.faults.calls import faulty
from batchwright.emulator.http import guarded
from batchwright.emulator.vendor import Operation, Vendor

if TYPE_CHECKING:
    from batchwright.emulator.world import World

Endpoint = tuple[str, str, Callable[[Request], Awaitable[Response]], Operation | None]
"""Method (`*`: any), path, handler, and the operation it is to faults."""


def routes_of(
    world: World,
    vendor: Vendor,
    table: Iterable[Endpoint],
    *,
    authorise: Callable[[Request], None],
    headers: Callable[[], dict[str, str]],
) -> list[Route]:
    """The routes of `table`, in its order."""
    routes = []
    for method, path, handler, operation in table:
        if operation is not None:
            handler = faulty(handler, world=world, vendor=vendor, operation=operation)  # noqa: PLW2901 - wrapped
        methods = ["GET", "POST", "DELETE", "PUT", "PATCH"] if method == "*" else [method]
        routes.append(Route(path, guarded(handler, authorise=authorise, headers=headers), methods=methods))
    return routes
