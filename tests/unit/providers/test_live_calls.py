"""What leaves for a live call and what becomes of what comes back, against a scripted server on a real port."""

import asyncio
import gzip
import inspect
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import http_exceptions
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from batchwright.config import Environment
from batchwright.errors import (
    LLMConnectionError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMResponseError,
    LLMServerError,
)
from batchwright.providers import live_calls
from batchwright.providers.live_calls import LARGE_BYTES, LiveCalls, meaning_of
from batchwright.providers.registry import open_provider
from batchwright.providers.transport import Calls
from batchwright.request import DocumentPart, Message, Request
from batchwright.result import FailureKind

KEY = "sk-hunter2"
ANSWER = b'{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"model":"m"}'


def answer(body=ANSWER, *, status="200 OK", **headers):
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Line:
    """A server that does to each request what the script says; the last entry is repeated.

    An entry is the bytes to answer (and then keep the connection), or None: close without a word.
    """

    script: list
    url: str = ""
    heads: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    connections: int = 0
    open: int = 0
    hold: asyncio.Event | None = None
    """Answers wait for this."""

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
                lower = {name.lower(): value for name, value in headers.items()}
                self.heads.append((head.decode().split()[1], lower))
                self.bodies.append(await reader.readexactly(int(lower["content-length"])))
                said = self.script[min(len(self.heads), len(self.script)) - 1]
                if self.hold is not None:
                    await self.hold.wait()
                if said is None:
                    return
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def line(*script):
    scripted = Line(list(script))
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, limit=1 << 26)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield scripted
    finally:
        server.close()


def provider_at(url, **options):
    return open_provider("openai", environment=Environment({}), api_key=KEY, base_url=url, **options)


def ask(number=0, text="hello?"):
    return Request(custom_id=f"live-{number}", messages=(Message.text(text),))


def run(main):
    """Run, and let servers see that connections are closed before the loop ends."""

    async def whole():
        await main()
        await asyncio.sleep(0)

    asyncio.run(whole())


# Once, and only what was asked for


@pytest.mark.parametrize("script", [[None], [answer(), None]], ids=["new connection", "kept connection"])
def test_a_request_whose_connection_drops_is_not_sent_again(script):
    async def main():
        async with line(*script, answer()) as server:
            provider = provider_at(server.url)
            for _ in script[1:]:
                assert (await provider.complete(ask())).text == "hello"
            with pytest.raises(LLMConnectionError, match="openai could not get an answer") as caught:
                await provider.complete(ask())
            assert caught.value.retryable
            assert len(server.heads) == len(script)
            assert server.connections == 1

    run(main)


def test_nothing_is_sent_but_what_was_asked_for(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "unasked")

    async def main():
        async with line(answer(set_cookie="a=b"), answer()) as server:
            provider = provider_at(server.url)
            await provider.complete(ask())
            await provider.complete(ask())
            for path, headers in server.heads:
                assert path == "/v1/chat/completions"
                assert headers.pop("content-length").isdecimal()
                assert headers == {
                    "host": server.url.split("/")[2],
                    "authorization": f"Bearer {KEY}",
                    "accept": "application/json",
                    "accept-encoding": "gzip, deflate",
                    "content-type": "application/json",
                    "user-agent": "batchwright",
                }

    run(main)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed_and_named(status):
    async def main():
        async with line(answer()) as other, line(answer(b"", status=status, location=other.url)) as server:
            with pytest.raises(LLMProviderConfigurationError, match=r"redirect.*base URL") as caught:
                await provider_at(server.url).complete(ask())
            assert other.url in str(caught.value)
            assert other.heads == []

    run(main)


def test_a_large_body_arrives_whole_with_its_length():
    pdf = DocumentPart(data=b"%PDF" + bytes(LARGE_BYTES), media_type="application/pdf")
    request = Request(custom_id="a", messages=(Message(parts=(pdf,)),))

    async def main():
        async with line(answer()) as server:
            provider = provider_at(server.url)
            assert (await provider.complete(request)).succeeded
            (body,) = server.bodies
            assert len(body) > LARGE_BYTES
            assert body.count(b"AAAA") > LARGE_BYTES / 4
            assert "transfer-encoding" not in server.heads[0][1]

    run(main)


# What comes back


def refuse(status, code, **headers):
    return answer(f'{{"error":{{"message":"no","code":"{code}"}}}}'.encode(), status=status, **headers)


def test_a_refused_request_is_a_failed_result():
    async def main():
        async with line(refuse("400 Bad Request", "bad"), refuse("400 Bad", "content_policy_violation")) as server:
            provider = provider_at(server.url)
            bad, blocked = await provider.complete(ask(1)), await provider.complete(ask(2))
            assert (bad.custom_id, bad.failure.kind, bad.failure.status_code) == (
                "live-1",
                FailureKind.INVALID_REQUEST,
                400,
            )
            assert blocked.failure.kind is FailureKind.BLOCKED
            assert server.connections == 1

    run(main)


@pytest.mark.parametrize(
    ("reply", "kind", "retry_after"),
    [
        (refuse("429 Too Many", "rate_limit_exceeded", retry_after="7"), LLMRateLimitError, 7),
        (refuse("429 Too Many", "rate_limit_exceeded", retry_after_ms="1500", Retry_After="9"), LLMRateLimitError, 1.5),
        (refuse("429 Too Many", "insufficient_quota"), LLMQuotaError, None),
        (refuse("401 Unauthorized", "invalid_api_key"), LLMProviderConfigurationError, None),
        (refuse("404 Not Found", "model_not_found"), LLMProviderConfigurationError, None),
        (refuse("503 Unavailable", "server_error"), LLMServerError, None),
        (answer(b"<title>502 Bad Gateway</title>", status="502 Bad Gateway"), LLMServerError, None),
        (answer(b"\xff\xfe", status="500 Oops"), LLMServerError, None),
    ],
)
def test_other_trouble_is_raised_with_status_and_pause(reply, kind, retry_after):
    async def main():
        async with line(reply) as server:
            with pytest.raises(kind) as caught:
                await provider_at(server.url).complete(ask())
            assert caught.value.status_code == int(reply.split()[1])
            assert caught.value.retry_after == retry_after
            assert caught.value.provider_name == "openai"
            assert KEY not in str(caught.value)

    run(main)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(b"<html>welcome</html>"), LLMResponseError),
        (answer(b"[1, 2]"), LLMResponseError),
        (answer(b""), LLMResponseError),
        (b"hello, who is there?\r\n\r\n", LLMResponseError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", LLMResponseError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", LLMResponseError),
        (answer(ANSWER, content_encoding="gzip"), LLMConnectionError),
    ],
)
def test_a_broken_answer_is_one_of_our_errors(reply, kind):
    async def main():
        async with line(reply) as server:
            provider = provider_at(server.url)
            with pytest.raises(kind, match="openai could not get an answer"):
                await provider.complete(ask())
            await provider.aclose()

    run(main)


def test_a_packed_answer_is_unpacked():
    async def main():
        async with line(answer(gzip.compress(ANSWER), content_encoding="gzip")) as server:
            assert (await provider_at(server.url).complete(ask())).text == "hello"

    run(main)


def test_an_answer_without_end_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(live_calls, "MOST_BYTES", 1 << 20)

    async def main():
        async with line(answer(bytes(1 << 22))) as server:
            with pytest.raises(LLMResponseError, match="more than 1,048,576 bytes"):
                await provider_at(server.url).complete(ask())

    run(main)


def test_a_pause_that_is_too_long_ends_the_call():
    async def main():
        async with line(answer()) as server:
            server.hold = asyncio.Event()
            with pytest.raises(LLMConnectionError, match="Timeout"):
                await provider_at(server.url, timeout=0.05).complete(ask())
            server.hold.set()

    run(main)


def test_nobody_at_the_address_is_a_connection_error_that_may_pass():
    async def main():
        async with line() as server:
            url = server.url
        with pytest.raises(LLMConnectionError, match="no connection") as caught:
            await provider_at(url).complete(ask())
        assert caught.value.retryable

    run(main)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://127.0.0.1/v1", "http://", "http://127.0.0.1:99999999/v1"])
def test_an_address_that_is_none_is_a_matter_of_settings(url):
    async def main():
        with pytest.raises(LLMProviderConfigurationError, match="base URL"):
            await provider_at(url).complete(ask())

    run(main)


def exceptions():
    for module in (aiohttp, aiohttp.client_exceptions, http_exceptions):
        for _name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and not issubclass(kind, Warning):
                yield kind


KINDS = sorted({*exceptions(), OSError, ssl.SSLError, TimeoutError, ConnectionResetError}, key=lambda k: k.__name__)


def made(kind):
    """Return an instance as the client makes it."""
    place = SimpleNamespace(host="vendor.invalid", port=443, ssl=True, is_ssl=True)
    info = aiohttp.RequestInfo(URL("https://vendor.invalid"), "POST", CIMultiDictProxy(CIMultiDict()))
    options = {
        "connection_key": place,
        "os_error": OSError(1, "no"),
        "certificate_error": ssl.CertificateError("no"),
        "request_info": info,
        "history": (),
        "expected": b"no",
        "got": b"no",
        "port": 443,
        "code": 400,
        "line": b"no",
        "limit": 1,
    }
    try:
        parameters = inspect.signature(kind).parameters.items()
    except ValueError:  # it has no constructor of its own
        return kind("no")
    return kind(*(options.get(name, "no") for name, parameter in parameters if parameter.default is parameter.empty))


def test_the_walk_finds_the_clients_exceptions():
    assert {kind.__name__ for kind in KINDS} >= {"ServerDisconnectedError", "ClientPayloadError", "BadHttpMessage"}
    assert len(KINDS) > 30


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_exception_of_the_client_is_unmapped(kind, monkeypatch):
    async def main():
        calls = LiveCalls(
            base_url="http://127.0.0.1:9", headers={}, timeout=1, calls=Calls(provider_name="openai", secrets=(KEY,))
        )

        async def fail(*_args, **_options):
            raise made(kind)

        monkeypatch.setattr(calls, "_send", fail)
        with pytest.raises(LLMProviderError) as caught:
            await calls.post("/", b"", connections=1)
        assert type(caught.value) is meaning_of(made(kind))[0]
        assert caught.value.provider_name == "openai"
        await calls.aclose()

    run(main)


def test_what_a_network_error_means():
    assert meaning_of(aiohttp.ServerDisconnectedError())[0] is LLMConnectionError
    assert meaning_of(made(aiohttp.ClientConnectorDNSError))[0] is LLMConnectionError
    assert meaning_of(aiohttp.ClientPayloadError())[0] is LLMConnectionError
    kind, what = meaning_of(made(aiohttp.ClientConnectorCertificateError))
    assert (kind, "certificate" in what) == (LLMProviderConfigurationError, True)
    assert meaning_of(made(http_exceptions.BadHttpMessage))[0] is LLMResponseError


def test_an_error_that_quotes_the_key_is_neither_shown_nor_chained(monkeypatch):
    async def main():
        async with line(answer()) as server:
            provider = provider_at(server.url)

            async def fail(*_args, **_options):
                raise aiohttp.ClientError(f"Illegal header value {KEY}")

            monkeypatch.setattr(provider._sender, "_send", fail)
            with pytest.raises(LLMProviderError) as caught:
                await provider.complete(ask())
            assert caught.value.__cause__ is None
            assert KEY not in str(caught.value)

    run(main)


# Connections


async def until(true):
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


def test_calls_share_as_many_connections_as_are_allowed_and_keep_them():
    async def main():
        async with line(answer()) as server:
            provider = provider_at(server.url)
            provider.connections = 3
            for _ in range(2):
                results = await asyncio.gather(*(provider.complete(ask(n)) for n in range(20)))
                assert [result.custom_id for result in results] == [f"live-{n}" for n in range(20)]
            assert server.connections == server.open == 3

    run(main)


def test_another_number_of_connections_holds_from_the_next_call_and_loses_no_call_under_way():
    async def main():
        async with line(answer()) as server:
            server.hold = asyncio.Event()
            provider = provider_at(server.url)
            provider.connections = 2
            before = [asyncio.create_task(provider.complete(ask(n))) for n in range(4)]
            await until(lambda: len(server.heads) == 2)
            provider.connections = 5
            after = [asyncio.create_task(provider.complete(ask(n))) for n in range(5)]
            await until(lambda: len(server.heads) == 7)
            server.hold.set()
            assert all(result.succeeded for result in await asyncio.gather(*before, *after))
            await until(lambda: server.open == 5)

    run(main)


def test_a_call_that_is_cancelled_takes_its_connection_with_it():
    async def main():
        async with line(answer(), answer(ANSWER.replace(b"hello", b"second"))) as server:
            server.hold = asyncio.Event()
            provider = provider_at(server.url)
            first = asyncio.create_task(provider.complete(ask()))
            await until(lambda: server.heads)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            server.hold.set()
            assert (await provider.complete(ask())).text == "second"
            assert server.connections == 2

    run(main)


def test_closing_fails_the_calls_under_way_and_waiting_and_later_ones_connect_anew():
    async def main():
        async with line(answer()) as server:
            server.hold = asyncio.Event()
            provider = provider_at(server.url)
            provider.connections = 1
            calls = [asyncio.create_task(provider.complete(ask(n))) for n in range(3)]
            await until(lambda: server.heads)
            await provider.aclose()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(end) for end in ends] == [LLMConnectionError] * 3
            server.hold.set()
            assert (await provider.complete(ask())).succeeded
            await provider.aclose()
            await until(lambda: server.open == 0)

    run(main)


def test_one_provider_answers_in_several_loops_at_once():
    async def main():
        async with line(answer()) as server:
            provider = provider_at(server.url)

            def elsewhere():
                return asyncio.run(provider.complete(ask(1)))

            results = await asyncio.gather(provider.complete(ask(0)), *(asyncio.to_thread(elsewhere) for _ in range(3)))
            assert all(result.succeeded for result in results)
            assert server.connections == 4
            await until(lambda: server.open == 1)
            assert len(provider._sender._pools) <= 4
            await provider.complete(ask())
            assert server.connections == 4

    run(main)


@pytest.mark.parametrize(
    "how",
    [
        "asyncio.run(provider.complete(ask))",
        "asyncio.run(provider.complete(ask)); asyncio.run(provider.complete(ask))",
        "asyncio.run(asked_by_one_who_goes())",
        "asyncio.run(asked_by_one_who_goes(pause=0))",
        "asyncio.run(asked_by_one_who_goes(close=True))",
        "provider.generate('hello?')",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(provider.complete(ask))",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(provider.complete(ask)); provider = None",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(provider.complete(ask)); loop.close()",
    ],
    ids=[
        "run",
        "run twice",
        "run, dropped",
        "run, dropped before",
        "run, closed",
        "private loop",
        "notebook",
        "notebook, dropped",
        "closed loop",
    ],
)
def test_nothing_is_said_about_connections_left_open(how, tmp_path):
    code = f"""
import asyncio, socket, threading
from batchwright import Message, Request, open_provider
from batchwright.config import Environment

server = socket.create_server(("127.0.0.1", 0))

def talk(connection):
    while connection.recv(65536):
        connection.sendall({answer()!r})

def serve():
    while True:
        connection, _ = server.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()

threading.Thread(target=serve, daemon=True).start()
ask = Request(custom_id="a", messages=(Message.text("hello?"),))

def opened():
    url = f"http://127.0.0.1:{{server.getsockname()[1]}}/v1"
    return open_provider("openai", environment=Environment({{}}), api_key="k", base_url=url)

async def asked_by_one_who_goes(*, pause=None, close=False):
    provider = opened()
    await asyncio.gather(*(provider.complete(ask) for _ in range(9)))
    if close:
        await provider.aclose()
    del provider
    if pause is not None:
        await asyncio.sleep(pause)

provider = opened()
{how}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
