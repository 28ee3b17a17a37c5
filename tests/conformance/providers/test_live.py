"""A live request both ways, through the official SDK and as we send it: they must not differ in anything that matters.

The emulator answers on a real port, so that what arrives is what was sent.
"""

import asyncio
import re

import httpx2
import pytest
from pydantic_core import from_json

from batchwright.config import EMULATOR_VARIABLE, PROVIDER_NAMES, Environment
from batchwright.emulator import RunningEmulator, Scenario
from batchwright.errors import LLMRateLimitError
from batchwright.providers.registry import open_provider
from batchwright.request import DocumentPart, ImagePart, Message, OutputSchema, Params, Request, Role, TextPart

WAYS = [("openai", "chat.completions"), ("openai", "responses"), ("anthropic", None), ("gemini", None)]
SCHEMA = OutputSchema(
    name="verdicts",
    schema={
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "word": {"type": "string", "enum": ["yes", "no"]}},
            "required": ["id"],
        },
    },
)
PNG = ImagePart(data=b"\x89PNG\r\n\x1a\n" + bytes(range(256)), media_type="image/png")
PDF = DocumentPart(data=b"%PDF-1.7\n" + bytes(range(256)), media_type="application/pdf", filename="a b.pdf")
QUESTION = Message.text("Wie heißt „café“?", "\U0001f389 \u2028 \x7f")
REQUESTS = {
    "plain": Request(custom_id="a", messages=(QUESTION,)),
    "system": Request(custom_id="a", messages=(QUESTION,), system="Be brief."),
    "schema": Request(custom_id="a", messages=(QUESTION,), output_schema=SCHEMA),
    "image and document": Request(custom_id="a", messages=(Message(parts=(TextPart(text="What?"), PNG, PDF)),)),
    "turns": Request(
        custom_id="a", messages=(QUESTION, Message.text("Kaffee.", role=Role.ASSISTANT), Message.text("Sure?"))
    ),
    "limits": Request(custom_id="a", messages=(QUESTION,), params=Params(max_output_tokens=9000, thinking_budget=5000)),
}
IMPORTANT = ("authorization", "x-api-key", "x-goog-api-key", "anthropic-version", "content-type", "host")


def send_with_sdk(provider, request):
    """Send `request` as somebody does who has only the SDK."""
    client, body = provider._client, provider.wire.body(request)
    if provider.name == "openai":
        resource = client.chat.completions if provider.endpoint == "chat.completions" else client.responses
        resource.create(**body)
    elif provider.name == "anthropic":  # messages.create has no temperature any more, and counts minutes of output
        client.post("/v1/messages", cast_to=httpx2.Response, body=body)
    else:
        config = {**body.get("generationConfig", {})}
        if "systemInstruction" in body:
            config["systemInstruction"] = body["systemInstruction"]
        client.models.generate_content(model=provider.model, contents=body["contents"], config=config)


def meant(document):
    """A body in one spelling: google-genai says some names in snake case and base64 in its URL form."""
    if isinstance(document, list):
        return [meant(entry) for entry in document]
    if not isinstance(document, dict):
        return document
    camel = {
        re.sub(r"_([a-z])", lambda found: found[1].upper(), name): meant(value) for name, value in document.items()
    }
    if isinstance(camel.get("data"), str):
        camel["data"] = camel["data"].replace("-", "+").replace("_", "/")
    return camel


class Wire:
    """Passes bytes on to the emulator and keeps what arrived."""

    def __init__(self, port):
        self.port = port
        self.arrived = []

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")[:-2]
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.arrived.append((first.split()[:2], headers, body))
                emulator_reader, emulator_writer = await asyncio.open_connection("127.0.0.1", self.port)
                closing = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                keeping = [line for line in closing.split(b"\r\n") if line.lower() != b"connection: keep-alive"]
                emulator_writer.write(b"\r\n".join(keeping) + body)
                answer = await emulator_reader.read()
                emulator_writer.close()
                writer.write(answer)
                await writer.drain()
                return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with RunningEmulator(tmp_path_factory.mktemp("emulator"), scenario=Scenario.everywhere(responder="echo")) as one:
        yield one


async def both_ways(emulator, name, endpoint, request):
    """What arrived from the SDK and what arrived from us, and our result."""
    wire = Wire(int(emulator.url.rpartition(":")[2]))
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, limit=1 << 24)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    options = {} if endpoint is None else {"endpoint": endpoint}
    provider = open_provider(name, environment=Environment({EMULATOR_VARIABLE: url}), **options)
    try:
        await asyncio.to_thread(send_with_sdk, provider, request)
        result = await provider.complete(request)
    finally:
        await provider.aclose()
        server.close()
    return *wire.arrived, result


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(("name", "endpoint"), WAYS)
def test_the_same_request_arrives_through_the_sdk_and_from_us(emulator, name, endpoint, kind):
    theirs, ours, result = asyncio.run(both_ways(emulator, name, endpoint, REQUESTS[kind]))
    assert result.succeeded
    assert ours[0] == theirs[0]
    read = meant if name == "gemini" else list
    assert read([from_json(ours[2])]) == read([from_json(theirs[2])])
    for header in IMPORTANT:
        assert ours[1].get(header) == theirs[1].get(header), header
    assert sum(header in ours[1] for header in IMPORTANT[:3]) == 1


@pytest.mark.parametrize(("name", "endpoint"), WAYS)
def test_a_batch_line_and_a_live_request_say_the_same(emulator, name, endpoint):
    options = {} if endpoint is None else {"endpoint": endpoint}
    provider = open_provider(name, environment=Environment({EMULATOR_VARIABLE: emulator.url}), **options)
    request = REQUESTS["schema"]
    _theirs, ours, _result = asyncio.run(both_ways(emulator, name, endpoint, request))
    line = from_json(provider.wire.encode(request))
    assert from_json(ours[2]) == line[{"openai": "body", "anthropic": "params", "gemini": "request"}[name]]


async def asked_twice_and_once_too_often(provider):
    for _ in range(2):
        assert (await provider.complete(REQUESTS["plain"])).succeeded
    told = provider.rates
    with pytest.raises(LLMRateLimitError) as caught:
        await provider.complete(REQUESTS["plain"])
    return told, caught.value, provider.rates


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_the_rates_that_hold_are_read_from_answers_and_refusals(tmp_path, name):
    scenario = Scenario.everywhere(limits={"requests_per_minute": 2, "tokens_per_minute": 100_000})
    with RunningEmulator(tmp_path, scenario=scenario) as emulator:
        provider = open_provider(name, environment=Environment({EMULATOR_VARIABLE: emulator.url}))
        assert provider.rates is None
        told, refusal, at_last = asyncio.run(asked_twice_and_once_too_often(provider))
    assert refusal.status_code == 429
    assert 0 < refusal.retry_after <= 30
    if name == "gemini":  # its headers say nothing
        assert told is at_last is None
        return
    assert (told.requests_per_minute, told.tokens_per_minute) == (2, 100_000)
    assert 0 < told.remaining_tokens < 100_000
    assert 0 < told.requests_reset <= 61
    assert (at_last.requests_per_minute, at_last.remaining_requests) == (2, 0)


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_where_no_limit_holds_no_rates_are_told(emulator, name):
    provider = open_provider(name, environment=Environment({EMULATOR_VARIABLE: emulator.url}))
    assert asyncio.run(provider.complete(REQUESTS["plain"])).succeeded
    assert provider.rates is None
