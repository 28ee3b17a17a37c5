"""The agent that needs no model."""

import asyncio

import pytest

from batchwright.errors import LLMRateLimitError, LLMServerError
from batchwright.testing import MockAgent, run_virtual


def outcomes(agent, calls):
    """What each of so many calls gave: its output, or the type of its error."""

    async def one():
        try:
            return (await agent.run("prompt")).output
        except Exception as error:  # noqa: BLE001  (which one is the question)
            return type(error)

    async def go():
        return [await one() for _ in range(calls)], asyncio.get_running_loop().time()

    return run_virtual(go())


def test_it_answers_by_its_function_after_its_latency():
    assert outcomes(MockAgent(lambda prompt: {"said": prompt}, latency=0.5), 2) == ([{"said": "prompt"}] * 2, 1.0)


def test_without_a_function_it_repeats_the_prompt():
    assert outcomes(MockAgent(), 1)[0] == ["prompt"]


def test_calls_fail_as_they_were_told_to():
    agent = MockAgent(rate_limit_on_call=2, timeout_on_call=[3, 5])
    assert outcomes(agent, 5)[0] == ["prompt", LLMRateLimitError, TimeoutError, "prompt", TimeoutError]
    assert agent.call_count == 5


def test_a_share_of_calls_fails_by_chance():
    drawn = iter([0.1, 0.29, 0.3, 0.9])
    agent = MockAgent(failure_rate=0.3, draw=lambda: next(drawn))
    assert outcomes(agent, 4)[0] == [LLMServerError, LLMServerError, "prompt", "prompt"]


def test_a_rate_limit_may_say_how_long_to_wait():
    async def go():
        await MockAgent(rate_limit_on_call=1, retry_after=7).run("prompt")

    with pytest.raises(LLMRateLimitError) as caught:
        run_virtual(go())
    assert caught.value.retry_after == 7


def test_tokens_are_made_up_from_the_length():
    async def go():
        return (await MockAgent(lambda _: "x" * 40).run("y" * 80)).usage

    usage = run_virtual(go())
    assert (usage.input_tokens, usage.output_tokens) == (21, 11)
