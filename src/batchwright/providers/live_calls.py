"""How live calls travel: thousands of short requests over few connections, each sent once.

Not through the SDKs, whose call costs many times the CPU of the request itself and may be sent again without saying so.
Nothing is added to what is asked: no proxy, password or cookie of the environment's, and a redirect is not followed.
Whatever aiohttp raises becomes one of ours.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

import aiohttp
import httpx2
from aiohttp.payload import BytesIOPayload, BytesPayload
from yarl import URL

from batchwright import aio
from batchwright.errors import (
    LLMConnectionError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMResponseError,
)
from batchwright.providers.failures import Phase
from batchwright.providers.transport import CONNECT_SECONDS, Calls

MOST_BYTES = 100_000_000
"""Of one answer, unpacked; a larger one is not read to its end."""
LARGE_BYTES = 1 << 20
"""Above this a body is sent in pieces, so that other calls go on meanwhile."""

_PLAIN_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "content-type": "application/json",
    "user-agent": "batchwright",
}


@dataclass(slots=True)
class Reply:
    """What came back, whatever it says."""

    status_code: int
    headers: Mapping[str, str]
    """Looked up in any case."""
    body: bytes


class Sender(Protocol):
    """What a provider needs to answer live."""

    async def post(self, path: str, body: bytes, *, connections: int) -> Reply:
        """Send `body` once to `path` below the provider's address, and return what was answered.

        Raises `LLMConnectionError` where nothing was, and `LLMResponseError` for an answer that is no HTTP.
        """
        ...

    async def aclose(self) -> None:
        """Close what was opened."""
        ...


class HandedIn:
    """Sends through a client that somebody handed in, which is synchronous: in a thread."""

    def __init__(self, *, client: httpx2.Client, base_url: str, headers: Mapping[str, str], calls: Calls) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = {**_PLAIN_HEADERS, **headers}
        self._calls = calls

    async def post(self, path: str, body: bytes, *, connections: int) -> Reply:  # noqa: ARG002  (the client's own)
        """See `Sender.post`."""
        return await asyncio.to_thread(self._post, path, body)

    def _post(self, path: str, body: bytes) -> Reply:
        with self._calls.guard(Phase.LIVE):
            answer = self._client.post(
                self._base_url + path, content=body, headers=self._headers, follow_redirects=False
            )
            return Reply(answer.status_code, answer.headers, answer.content)

    async def aclose(self) -> None:
        """Do nothing: the client is somebody else's."""


@dataclass(slots=True)
class _Pool:
    """The connections of one event loop."""

    kept: aio.Kept[aiohttp.ClientSession]
    size: int


class LiveCalls:
    """Sends to one address over connections that stay open, a pool of them in each event loop that asks.

    `headers` carry the key. `timeout` in seconds bounds every pause of the vendor's; a call that waits for one of our
    own connections waits as long as it takes.
    """

    def __init__(self, *, base_url: str, headers: Mapping[str, str], timeout: float, calls: Calls) -> None:
        self._base_url = base_url
        self._headers = {**_PLAIN_HEADERS, **headers}
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_SECONDS, timeout), sock_read=timeout)
        self._calls = calls
        self._pools: dict[asyncio.AbstractEventLoop, _Pool] = {}
        self._urls: dict[str, URL] = {}

    async def post(self, path: str, body: bytes, *, connections: int) -> Reply:
        """See `Sender.post`; at most so many connections are open in this loop."""
        pool = self._pools.get(asyncio.get_running_loop())
        if pool is None or pool.size != connections:
            pool = await self._open(connections)
        try:
            return await self._send(pool.kept.value, path, body)
        except asyncio.CancelledError as exc:
            if pool.kept.value.closed and not _is_cancelled():
                raise self._unanswered(exc) from None
            raise
        except Exception as exc:  # noqa: BLE001  (all of it is aiohttp's: nothing of ours runs in there)
            raise self._unanswered(exc) from self._calls.fit_to_show(exc)

    def _unanswered(self, exc: BaseException) -> LLMProviderError:
        kind, what = meaning_of(exc)
        return self._calls.unanswered(exc, kind, what, Phase.LIVE)

    async def _send(self, session: aiohttp.ClientSession, path: str, body: bytes) -> Reply:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base_url + path, encoded=True)
        # Given as a payload: for plain bytes aiohttp tries every kind of body it knows, one after another.
        data = BytesPayload(body) if len(body) <= LARGE_BYTES else BytesIOPayload(BytesIO(body))
        response = await session.post(url, data=data, allow_redirects=False)
        try:
            return Reply(response.status, response.headers, await _read(response))
        except BaseException:
            response.close()
            raise

    async def _open(self, connections: int) -> _Pool:
        # Nothing in here waits, so no two calls of a loop open two. A pool of another size goes with its last call.
        secure = self._base_url.startswith("https:")
        connector = aiohttp.TCPConnector(limit=connections, ssl=httpx2.create_ssl_context() if secure else True)
        session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        pool = _Pool(await aio.keep(session), connections)
        live = {loop: other for loop, other in self._pools.items() if not loop.is_closed()}
        self._pools = {**live, asyncio.get_running_loop(): pool}
        return pool

    async def aclose(self) -> None:
        """Close every connection, of every loop; a call that comes later opens new ones."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.kept.aclose()


def _is_cancelled() -> bool:
    """Whether it is this task that is to end; a session that closes cancels whoever waits for a connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _read(response: aiohttp.ClientResponse) -> bytes:
    first = await response.content.readany()
    if response.content.at_eof():
        return first
    chunks, size = [first], len(first)
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise _TooLargeError
    return b"".join(chunks)


class _TooLargeError(Exception):
    """The answer goes on and on."""

    def __str__(self) -> str:
        return f"more than {MOST_BYTES:,} bytes"


_WRONG_SETTINGS = (
    ValueError,  # an address, or a header, that cannot be
    aiohttp.NonHttpUrlClientError,
)
_CLOSED = (asyncio.CancelledError, RuntimeError)
"""What a session that is closed raises at those who send or wait."""


def meaning_of(exc: BaseException) -> tuple[type[LLMProviderError], str]:
    """Return which of our errors it is that a call got no answer, and what happened."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return LLMProviderConfigurationError, "the certificate of the address is not trusted"
    if isinstance(exc, _WRONG_SETTINGS):
        return LLMProviderConfigurationError, "the address cannot be used"
    if isinstance(exc, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return LLMConnectionError, "no connection"
    if isinstance(exc, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError, TimeoutError)):
        return LLMConnectionError, "the connection failed"
    if isinstance(exc, _CLOSED):
        return LLMConnectionError, "the connections were closed"
    return LLMResponseError, "the answer cannot be read"
