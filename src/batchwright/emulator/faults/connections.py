"""Answers that do not arrive, or not whole.

ASGI gives an application no means to close the connection that a request came on. Who serves the emulator on a port
puts one into the request's scope (`CLOSE`). In process there is no connection: what a client would have seen is raised
as the client library's own exception, which starlette's `TestClient` hands through.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
from starlette.responses import Response

from batchwright.emulator.http import FileReply

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

CLOSE = "batchwright.close"
"""The extension in a request's scope that closes its connection, without arguments, after what was sent."""


class LostConnectionError(httpx2.RemoteProtocolError):
    """In process: the connection was closed."""


class UnansweredError(httpx2.ReadTimeout):
    """In process: nothing will ever be answered."""


class Silence(Response):
    """Not a word."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


class Dropped(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        del send
        await _close(scope, receive, "Server disconnected without sending a response.")


class CutShort(Response):
    """The first `fraction` of an answer, and then the connection is closed.

    With `promised`, the header tells the length of the whole; otherwise, results come as the vendors send them, in
    chunks of which the last never comes.
    """

    def __init__(self, whole: Response, *, fraction: float, promised: bool) -> None:
        super().__init__()
        self.raw_headers = whole.raw_headers
        self._whole = whole
        size = whole.size if isinstance(whole, FileReply) else len(whole.body)
        self._most = int(size * fraction)
        if promised:
            self.headers["content-length"] = str(size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the first part of the answer, and close the connection."""
        left = self._most

        async def limited(message: Message) -> None:
            nonlocal left
            if message["type"] != "http.response.body":
                await send(message)
                return
            part = message.get("body", b"")[:left]
            left -= len(part)
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})

        await self._whole(scope, receive, limited)
        await _close(scope, receive, "peer closed connection without sending complete message body")


class Unanswered(Response):
    """Silence for `seconds` of real time, then `answer`; 0: until the caller gives up."""

    def __init__(self, answer: Response, *, seconds: float) -> None:
        super().__init__()
        self.raw_headers = answer.raw_headers
        self._answer = answer
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and answer a caller who is still there."""
        on_a_port = CLOSE in scope.get("extensions", {})
        if not self._seconds:
            if not on_a_port:
                raise UnansweredError("The read operation timed out")
            await _caller_gone(receive)
            return
        try:
            async with asyncio.timeout(self._seconds):
                await (_caller_gone(receive) if on_a_port else asyncio.sleep(self._seconds + 1))
        except TimeoutError:
            await self._answer(scope, receive, send)


async def _close(scope: Scope, receive: Receive, what: str) -> None:
    close = scope.get("extensions", {}).get(CLOSE)
    if close is None:
        raise LostConnectionError(what)
    close()
    await _caller_gone(receive)


async def _caller_gone(receive: Receive) -> None:
    """Return when the connection is closed; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
