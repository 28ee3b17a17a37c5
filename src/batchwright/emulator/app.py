"""The emulator as an ASGI application."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount

from batchwright.emulator import control
from batchwright.emulator.anthropic import routes as anthropic_routes
from batchwright.emulator.anthropic.dialect import AnthropicDialect
from batchwright.emulator.faults.connections import LostConnectionError, Silence, UnansweredError
from batchwright.emulator.gemini import routes as gemini_routes
from batchwright.emulator.gemini.dialect import GeminiDialect
from batchwright.emulator.openai import routes as openai_routes
from batchwright.emulator.openai.dialect import OpenAIDialect
from batchwright.emulator.vendor import Vendor
from batchwright.emulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from batchwright.emulator.faults.rules import Fault
    from batchwright.emulator.scenario import Scenario
    from batchwright.emulator.work import Dialect


def create_app(
    data_dir: Path | None = None,
    *,
    scenario: Scenario | None = None,
    faults: Iterable[Fault] = (),
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The emulator over the state in `data_dir` (None: a temporary directory, removed at the end).

    `scenario` None means the one last used in `data_dir`, or the default; `faults` come after the scenario's own, and
    in place of those last used. `clock` gives seconds since 1970. The
    application's `state.world` is closed by whoever made it, or when the application is forgotten.
    Base URLs for clients: `/openai/v1`, `/anthropic`, `/gemini`; see `/_emulator` for the controls.
    """
    dialects: dict[Vendor, Dialect] = {
        Vendor.OPENAI: OpenAIDialect(),
        Vendor.ANTHROPIC: AnthropicDialect(),
        Vendor.GEMINI: GeminiDialect(),
    }
    world = World(data_dir, dialects=dialects, scenario=scenario, faults=faults, clock=clock)
    app = Starlette(
        routes=[
            Mount("/openai", routes=openai_routes.routes(world)),
            Mount("/anthropic", routes=anthropic_routes.routes(world)),
            Mount("/gemini", routes=gemini_routes.routes(world)),
            Mount("/_emulator", routes=control.routes(world)),
        ],
        exception_handlers={Exception: _failed},
    )
    app.state.world = world
    app.add_middleware(_LoggedTraffic, world=world)
    return app


async def _failed(_request: Request, exc: Exception) -> Response:
    """What is answered when the emulator itself fails, before the exception goes on to whoever runs it."""
    if isinstance(exc, LostConnectionError | UnansweredError):
        return Silence()
    return PlainTextResponse("Internal Server Error", status_code=500)


class _LoggedTraffic:
    """Notes method, path and status of every request to a vendor; never its query or headers, which carry keys.

    The status of a request that got no answer is None.
    """

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        vendor = scope.get("path", "").split("/", 2)[1:2]
        if scope["type"] != "http" or not vendor or vendor[0] not in set(Vendor):
            await self._app(scope, receive, send)
            return
        name = Vendor(vendor[0])
        answered = False

        def note(status: int | None) -> None:
            what = {"method": scope["method"], "path": scope["path"], "status": status}
            self._world.journal.write(self._world.now(), name, "http", **what)

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if not answered:
                note(None)
