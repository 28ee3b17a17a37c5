"""The live engine over the real adapters, against the emulator on a real port."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batchwright import AnthropicLLM, GeminiLLM, OpenAILLM
from batchwright.config import EMULATOR_VARIABLE, KEY_VARIABLES
from batchwright.emulator import RunningEmulator, Scenario, parse_fault
from batchwright.live.engine.answering import Answered, Ask, LiveEngine, ProviderChange
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.providers.base import Provider
from batchwright.request import Message, Request

VENDORS = (OpenAILLM, AnthropicLLM, GeminiLLM)
HASTY = ProcessorConfig(
    max_workers=8,
    retry=RetryConfig(initial_wait=0.0, max_wait=0.0),
    rate_limit=RateLimitConfig(cooldown_seconds=0.01, slow_start_items=0),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[RunningEmulator]:
    with RunningEmulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: RunningEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    running.world.reset()
    running.world.use_scenario(Scenario.everywhere(responder="echo"))
    for name in (name for names in KEY_VARIABLES.values() for name in names):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(EMULATOR_VARIABLE, running.url)
    monkeypatch.chdir(tmp_path)
    return running


def asks(number: int) -> Iterator[Ask]:
    return (Ask(request=Request(custom_id=f"r{n}", messages=(Message.text(f"question {n}"),))) for n in range(number))


def answer(*providers: Provider, number: int, **options: Any) -> list[Answered]:
    async def scene() -> list[Answered]:
        async with LiveEngine(providers, config=HASTY, **options) as engine:
            return [answered async for answered in engine.answer(asks(number))]

    return asyncio.run(scene())


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_answers_with_tokens_and_a_price(emulator: RunningEmulator, vendor: type[Any]) -> None:
    answered = answer(vendor(), number=30)

    texts = {one.ask.request.custom_id: one.result.text for one in answered}
    assert texts == {f"r{n}": f"question {n}" for n in range(30)}
    assert all(one.usage.input_tokens > 0 and one.cost and one.cost > 0 for one in answered)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", ["drop_before", "drop_during", "server_error", "gateway_error", "rate_limit"])
def test_trouble_that_passes_costs_no_answer(emulator: RunningEmulator, vendor: type[Any], fault: str) -> None:
    emulator.world.set_faults(parse_fault({"name": fault, "on": "live", "times": 2}))
    answered = answer(vendor(), number=20)

    assert all(one.result.succeeded for one in answered)
    assert sum(one.attempts for one in answered) == (20 if fault == "rate_limit" else 22)


@pytest.mark.parametrize(("first", "second"), [(OpenAILLM, AnthropicLLM), (AnthropicLLM, GeminiLLM)])
def test_a_quota_used_up_in_the_middle_passes_the_rest_on(
    emulator: RunningEmulator, first: type[Any], second: type[Any]
) -> None:
    changes: list[ProviderChange] = []
    before, after = first(), second()
    emulator.world.set_faults(
        parse_fault({"name": "credit_exhausted", "on": "live", "provider": before.name, "after": 5})
    )
    answered = answer(before, after, number=40, on_provider_change=changes.append)

    assert all(one.result.succeeded for one in answered)
    assert Counter(one.provider_name for one in answered) == {before.name: 5, after.name: 35}
    assert [(change.exhausted, change.successor) for change in changes] == [(before.name, after.name)]


@pytest.mark.parametrize("vendor", [OpenAILLM, AnthropicLLM])
def test_what_the_headers_allow_is_never_outpaced(emulator: RunningEmulator, vendor: type[Any]) -> None:
    emulator.world.use_scenario(Scenario.everywhere(responder="echo", limits={"requests_per_minute": 1200}))
    limiter = RateLimiter()
    answered = answer(vendor(), number=30, limiter=limiter)

    assert {one.attempts for one in answered} == {1}
    assert limiter.requests_per_minute == 1200
