"""One measured run of the live benchmark, in a process of its own: prints what it took as JSON.

The same questions go to the same server in three ways: through batchwright's engine with a provider (`ours`), through
a bare loop over the HTTP client that the provider uses (`bare`), and through the vendor's official SDK (`sdk`). The
measure starts when everything is imported and connected.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import random
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
from pydantic_core import from_json, to_json

from batchwright import (
    Ask,
    LiveEngine,
    LLMWorkItem,
    Message,
    ParallelBatchProcessor,
    ProcessorConfig,
    RateLimitConfig,
    RateLimiter,
    Request,
    Usage,
    open_provider,
)
from batchwright.config import Environment
from batchwright.pricing.prices import price_of

SYSTEM = "You mark fieldwork. Answer in one sentence, and name the word that decided it."
QUESTION = (
    "Which category does this row belong to? The row reads as a pupil wrote it: the river was to fast for us so we "
    "messured it twise and ate are lunch on the bank"
)
WARM_UP = 500
PATIENCE = 120.0
"""Seconds that the SDKs wait, also for a connection: a busy machine must not end the run."""
SCALE = 300
"""How much faster the half-allowed server's world turns than the one that the guide's defaults are for."""

Run = Callable[[int], Awaitable[None]]
"""Asks so many questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """How one vendor's live interface is asked."""

    provider: str
    base: str
    """What its SDK wants behind the server's address."""
    path: str
    model: str
    options: dict[str, Any]
    """Of the provider."""


VENDORS = {
    "openai-chat": Vendor(
        provider="openai",
        base="/v1",
        path="/v1/chat/completions",
        model="gpt-5.4-mini",
        options={"endpoint": "chat.completions"},
    ),
    "openai-responses": Vendor(
        provider="openai",
        base="/v1",
        path="/v1/responses",
        model="gpt-5.4-mini",
        options={"endpoint": "responses"},
    ),
    "anthropic": Vendor(provider="anthropic", base="", path="/v1/messages", model="claude-haiku-4-5", options={}),
    "gemini": Vendor(
        provider="gemini",
        base="",
        path="/v1beta/models/gemini-2.5-flash:generateContent",
        model="gemini-2.5-flash",
        options={},
    ),
}


def requests(count: int) -> Iterator[Request]:
    """Yield the questions."""
    for number in range(count):
        message = Message.text(f"row {number}: {QUESTION}")
        yield Request(custom_id=f"bench-{number}", messages=(message,), system=SYSTEM)


def provider_for(vendor: Vendor, url: str) -> Any:
    """Return the provider, with a key that is none."""
    options = {"model": vendor.model, "api_key": "bench", "base_url": url + vendor.base, **vendor.options}
    return open_provider(vendor.provider, environment=Environment({}), **options)


@asynccontextmanager
async def ours(vendor: Vendor, url: str, workers: int) -> AsyncIterator[Run]:
    """Give the whole engine with the vendor's provider."""
    config = ProcessorConfig(max_workers=workers)
    async with LiveEngine([provider_for(vendor, url)], config=config) as engine:

        async def run(count: int) -> None:
            answered = 0
            async for one in engine.answer(Ask(request=request) for request in requests(count)):
                answered += one.result.succeeded
            _require(answered, count)

        yield run


@asynccontextmanager
async def bare(vendor: Vendor, url: str, workers: int) -> AsyncIterator[Run]:
    """Give the least that can be done with the same client: the same bodies, sent and parsed, nothing else."""
    wire = provider_for(vendor, url).wire
    template = wire.body(next(requests(1)))
    headers = {"authorization": "Bearer bench", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=workers)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work(left: Iterator[Request]) -> int:
            answered = 0
            for _request in left:
                async with session.post(url + vendor.path, data=to_json(template)) as answer:
                    answered += answer.status == 200 and bool(from_json(await answer.read()))  # noqa: PLR2004  (HTTP)
            return answered

        async def run(count: int) -> None:
            left = requests(count)
            _require(sum(await asyncio.gather(*(work(left) for _ in range(workers)))), count)

        yield run


@asynccontextmanager
async def sdk(vendor: Vendor, url: str, workers: int) -> AsyncIterator[Run]:
    """Give the official SDK's asynchronous client behind a semaphore, as people use it."""
    async with AsyncExitStack() as stack:
        ask = await _SDK_CALLS[vendor.provider](vendor, url, workers, stack)
        gate = asyncio.Semaphore(workers)

        async def one(request: Request) -> bool:
            async with gate:
                return bool(await ask(request))

        async def run(count: int) -> None:
            _require(sum(await asyncio.gather(*(one(request) for request in requests(count)))), count)

        yield run


SdkCall = Callable[[Request], Awaitable[Any]]


def _text(request: Request) -> str:
    return request.messages[0].parts[0].text  # type: ignore[union-attr]


async def _openai(vendor: Vendor, url: str, workers: int, stack: AsyncExitStack) -> SdkCall:
    import httpx2  # noqa: PLC0415  (only this way needs it)
    import openai  # noqa: PLC0415

    limits = httpx2.Limits(max_connections=workers, max_keepalive_connections=workers)
    http = openai.DefaultAsyncHttpxClient(limits=limits)
    client = await stack.enter_async_context(
        openai.AsyncOpenAI(api_key="bench", base_url=url + vendor.base, http_client=http, timeout=PATIENCE)
    )

    async def chat(request: Request) -> str | None:
        system, user = {"role": "system", "content": SYSTEM}, {"role": "user", "content": _text(request)}
        answer = await client.chat.completions.create(model=vendor.model, messages=[system, user])  # type: ignore[list-item]
        return answer.choices[0].message.content

    async def respond(request: Request) -> str:
        answer = await client.responses.create(model=vendor.model, instructions=SYSTEM, input=_text(request))
        return answer.output_text

    return chat if vendor.options["endpoint"] == "chat.completions" else respond


async def _anthropic(vendor: Vendor, url: str, workers: int, stack: AsyncExitStack) -> SdkCall:
    import anthropic  # noqa: PLC0415
    import httpx2  # noqa: PLC0415

    limits = httpx2.Limits(max_connections=workers, max_keepalive_connections=workers)
    http = anthropic.DefaultAsyncHttpxClient(limits=limits)
    client = await stack.enter_async_context(
        anthropic.AsyncAnthropic(api_key="bench", base_url=url + vendor.base, http_client=http, timeout=PATIENCE)
    )

    async def ask(request: Request) -> str:
        message = {"role": "user", "content": _text(request)}
        answer = await client.messages.create(model=vendor.model, max_tokens=1000, system=SYSTEM, messages=[message])  # type: ignore[list-item]
        return answer.content[0].text  # type: ignore[union-attr]

    return ask


async def _gemini(vendor: Vendor, url: str, workers: int, stack: AsyncExitStack) -> SdkCall:
    from google import genai  # noqa: PLC0415

    # Its own choice of client: aiohttp, where that is installed.
    options = genai.types.HttpOptions(
        base_url=url, async_client_args={"connector": aiohttp.TCPConnector(limit=workers)}
    )
    client = genai.Client(api_key="bench", vertexai=False, http_options=options)
    stack.push_async_callback(client.aio.aclose)
    config = genai.types.GenerateContentConfig(system_instruction=SYSTEM)

    async def ask(request: Request) -> str | None:
        answer = await client.aio.models.generate_content(model=vendor.model, contents=_text(request), config=config)
        return answer.text

    return ask


_SDK_CALLS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


@asynccontextmanager
async def engine(_vendor: Vendor, _url: str, workers: int) -> AsyncIterator[Run]:
    """Give the pool alone, with calls that do nothing."""
    processor = ParallelBatchProcessor(ProcessorConfig(max_workers=workers))

    async def nothing(_attempt: int, _timeout: float) -> tuple[str, dict[str, int]]:
        return "", {"input_tokens": 40, "output_tokens": 10}

    async def run(count: int) -> None:
        items = (LLMWorkItem(item_id=f"bench-{number}", direct_call=nothing) for number in range(count))
        done = 0
        async for result in processor.stream(items):
            done += result.success
        _require(done, count)

    yield run


@asynccontextmanager
async def coordinated(vendor: Vendor, url: str, workers: int) -> AsyncIterator[Run]:
    """Give the engine at twice the rate that the server allows: one pause for all, and a slow start after it.

    The settings are the defaults, with every duration divided by `SCALE`, and no end to the number of pauses.
    """
    defaults = RateLimitConfig()
    rate_limit = RateLimitConfig(
        cooldown_seconds=defaults.cooldown_seconds / SCALE,
        max_cooldown_seconds=defaults.max_cooldown_seconds / SCALE,
        slow_start_initial_delay=defaults.slow_start_initial_delay / SCALE,
        slow_start_final_delay=defaults.slow_start_final_delay / SCALE,
        max_cooldowns=1000,
    )
    config = ProcessorConfig(max_workers=workers, rate_limit=rate_limit)
    limiter = _configured()
    price_of(Usage(), provider_name=vendor.provider, model=vendor.model)  # reads the price lists
    async with LiveEngine([provider_for(vendor, url)], config=config, limiter=limiter) as engine:

        async def run(count: int) -> None:
            answered = 0
            async for one in engine.answer(Ask(request=request) for request in requests(count)):
                answered += one.result.succeeded
            _require(answered, count)

        yield run


CONFIGURED = 200.0
"""Calls a second that the client may make at the half-allowed server."""


def _configured() -> RateLimiter:
    """Return what paces both: evenly, so that a pause is not followed by all that was not sent meanwhile."""
    return RateLimiter(requests_per_minute=60 * CONFIGURED, burst_seconds=0.05)


@asynccontextmanager
async def independent(vendor: Vendor, url: str, workers: int) -> AsyncIterator[Run]:
    """Give a loop that retries each call by itself, as often as it takes.

    The pauses are the official SDKs' for a server that names none: half a second, doubled each time up to eight, and
    shortened by chance by up to a quarter.
    """
    limiter = _configured()
    template = provider_for(vendor, url).wire.body(next(requests(1)))
    headers = {"authorization": "Bearer bench", "content-type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=workers), headers=headers) as session:

        async def succeeds() -> bool:
            async with session.post(url + vendor.path, data=to_json(template)) as answer:
                await answer.read()
                return answer.status == 200  # noqa: PLR2004  (HTTP)

        async def work(left: Iterator[Request]) -> int:
            answered = 0
            for _request in left:
                await limiter.acquire(0)
                pause = 0.5
                while not await succeeds():
                    await asyncio.sleep(pause * (1 - 0.25 * random.random()))  # noqa: S311  (not a secret)
                    pause = min(8.0, 2 * pause)
                answered += 1
            return answered

        async def run(count: int) -> None:
            left = requests(count)
            _require(sum(await asyncio.gather(*(work(left) for _ in range(workers)))), count)

        yield run


def _require(answered: int, count: int) -> None:
    if answered != count:
        raise SystemExit(f"{answered} of {count} questions were answered")


WAYS = {
    "ours": ours,
    "bare": bare,
    "sdk": sdk,
    "engine": engine,
    "coordinated": coordinated,
    "independent": independent,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run took."""

    calls: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    """Of the whole process."""


async def measure(way: str, vendor: Vendor, url: str, *, calls: int, workers: int, warm_up: int) -> Cost:
    """Ask, first to warm up and then by the clock."""
    async with WAYS[way](vendor, url, workers) as run:
        if warm_up:
            await run(warm_up)
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        await run(calls)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Cost(calls=calls, wall_s=wall_s, cpu_s=cpu_s, peak_bytes=peak_bytes)


def main() -> None:
    """Run once and print the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--vendor", choices=VENDORS, default="openai-chat")
    parser.add_argument("--url", default="")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    logging.getLogger("batchwright").addHandler(logging.NullHandler())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:  # a thousand connections are more than many a shell allows at first
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cost = asyncio.run(
        measure(
            options.way,
            VENDORS[options.vendor],
            options.url,
            calls=options.calls,
            workers=options.workers,
            warm_up=options.warm_up,
        )
    )
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    main()
