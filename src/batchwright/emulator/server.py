"""Run the emulator on a real port of this machine."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

import uvicorn

from batchwright.emulator.app import create_app
from batchwright.emulator.faults.connections import CLOSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send

    from batchwright.emulator.faults.rules import Fault
    from batchwright.emulator.scenario import Scenario
    from batchwright.emulator.world import World

_HOST = "127.0.0.1"
_STOP_WITHIN_S = 3
_EXIT_AFTER_SIGTERM = 143


def _listening(port: int) -> socket.socket:
    """A socket on 127.0.0.1; the kernel queues connections from this moment on. Raises `OSError` if taken."""
    # The protocol is named because asyncio turns off the 40 ms wait for more to send only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://{_HOST}:{listener.getsockname()[1]}"


class _Closable:
    """The application, with the means to close the connection that a request came on (`CLOSE`)."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self.server: uvicorn.Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("extensions", {})[CLOSE] = partial(self._close, scope["client"])
        await self._app(scope, receive, send)

    def _close(self, client: tuple[str, int]) -> None:
        for connection in list(self.server.server_state.connections) if self.server else ():
            if getattr(connection, "client", None) == client:  # not every kind of connection knows it
                connection.transport.close()


def _server(app: Starlette) -> uvicorn.Server:
    closable = _Closable(app)
    config = uvicorn.Config(
        closable,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,  # they would hide which connection a request came on
        timeout_graceful_shutdown=_STOP_WITHIN_S,
    )
    closable.server = uvicorn.Server(config)
    return closable.server


@contextmanager
def _orderly_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack: uvicorn raises it again after its own shutdown, which would kill the process."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(_EXIT_AFTER_SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def serve(
    *,
    port: int = 0,
    data_dir: Path | None = None,
    scenario: Scenario | None = None,
    faults: Iterable[Fault] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve on 127.0.0.1 until SIGINT (raises `KeyboardInterrupt`) or SIGTERM (raises `SystemExit` with 143).

    `port` 0 takes a free one; `on_ready` is called with the URL, such as `http://127.0.0.1:8765`, when connections are
    taken. `data_dir` None keeps the state in a temporary directory, removed at the end. `scenario` and `faults` are
    those of `create_app`. Raises `OSError` where the port is taken.
    """
    with _listening(port) as listener, _orderly_sigterm():
        app = create_app(data_dir, scenario=scenario, faults=faults)
        try:
            if on_ready is not None:
                on_ready(_url(listener))
            _server(app).run(sockets=[listener])
        finally:
            app.state.world.close()


class RunningEmulator:
    """The emulator in a background thread, ready when entered, gone when left.

    For example::

        with RunningEmulator() as emulator:
            client = OpenAI(base_url=f"{emulator.url}/openai/v1", api_key="any")
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int = 0,
        scenario: Scenario | None = None,
        faults: Iterable[Fault] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._data_dir = data_dir
        self._port = port
        self._scenario = scenario
        self._faults = tuple(faults)
        self._clock = clock
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port, without a final slash."""
        if self._url is None:
            raise RuntimeError("the emulator is not running: use it in a with statement")
        return self._url

    @property
    def world(self) -> World:
        """The state, for tests that look into it."""
        world: World = self._app.state.world
        return world

    def __enter__(self) -> Self:
        """Raises `OSError` where the port is taken."""
        self._listener = _listening(self._port)
        self._app = create_app(self._data_dir, scenario=self._scenario, faults=self._faults, clock=self._clock)
        self._server = _server(self._app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="batchwright-emulator", daemon=True
        )
        self._thread.start()
        self._url = _url(self._listener)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        self._url = None
        self._app.state.world.close()
