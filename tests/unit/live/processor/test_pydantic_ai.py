"""Agents of pydantic-ai as guide 004 hands them to the processor, over models that run offline.

What pydantic-ai calls is asynchronous here: it runs anything else in threads of its own, for which time would not wait.
"""

import asyncio

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError, ModelRetry
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel

from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import run_virtual


class Output(BaseModel):
    result: str


def process(*items, **rate_limit):
    async def go():
        config = ProcessorConfig(
            retry=RetryConfig(jitter=False), rate_limit=RateLimitConfig(slow_start_items=0, **rate_limit)
        )
        processor = ParallelBatchProcessor(config)
        for item in items:
            await processor.add_work(item)
        result = await processor.process_all()
        return result, await processor.get_stats(), asyncio.get_running_loop().time()

    return run_virtual(go())


def test_an_agents_output_and_its_usage_are_read():
    agent = Agent(TestModel(custom_output_args={"result": "hello"}), output_type=Output)
    result, _, _ = process(LLMWorkItem(item_id="1", agent=agent, prompt="Hello"))
    assert result.results[0].output == Output(result="hello")
    used = result.results[0].token_usage
    assert used["input_tokens"] > 0
    assert used["output_tokens"] > 0
    assert used["total_tokens"] == used["input_tokens"] + used["output_tokens"]
    assert result.total_input_tokens == used["input_tokens"]


def test_one_agent_serves_many_items_at_once():
    agent = Agent(TestModel(custom_output_text="fine"))
    items = [LLMWorkItem(item_id=str(n), agent=agent, prompt=f"Question {n}") for n in range(50)]
    result, _, _ = process(*items)
    assert {r.output for r in result.results} == {"fine"}
    assert result.succeeded == 50


def test_an_agent_factory_makes_a_warmer_agent_for_each_attempt():
    seen = []

    async def answer(messages, info):
        seen.append(info.model_settings["temperature"])
        text = "not in the wanted form" if len(seen) < 3 else None
        part = TextPart(text) if text else ToolCallPart(info.output_tools[0].name, {"result": "at last"})
        return ModelResponse(parts=[part])

    def create_agent(attempt):
        temperature = [0.0, 0.25, 0.5][attempt - 1]
        return Agent(FunctionModel(answer), output_type=Output, model_settings={"temperature": temperature}, retries=0)

    result, stats, _ = process(LLMWorkItem(item_id="1", agent_factory=create_agent, prompt="Hello"))
    assert seen == [0.0, 0.25, 0.5]
    assert result.results[0].output == Output(result="at last")
    assert result.results[0].attempts == 3
    assert stats["error_counts"] == {}


def test_an_answer_that_stays_in_the_wrong_form_fails_as_a_validation():
    async def answer(messages, info):
        return ModelResponse(parts=[TextPart("no")])

    agent = Agent(FunctionModel(answer), output_type=Output, retries=0)
    result, stats, _ = process(LLMWorkItem(item_id="1", agent=agent, prompt="Hello"))
    assert result.results[0].attempts == 3
    assert stats["error_counts"] == {"validation": 1}


@pytest.mark.parametrize(("headers", "pause"), [({"Retry-After": "17"}, 17), (None, 300)])
def test_a_429_of_the_model_pauses_everybody_and_uses_up_no_attempt(headers, pause):
    refused = []

    async def answer(messages, info):
        if not refused:
            refused.append(1)
            raise ModelHTTPError(429, "some-model", {"error": {"message": "slow down"}}, headers=headers)
        return ModelResponse(parts=[TextPart("fine")])

    agent = Agent(FunctionModel(answer))
    result, stats, seconds = process(LLMWorkItem(item_id="1", agent=agent, prompt="Hello"))
    assert result.results[0].output == "fine"
    assert result.results[0].attempts == 1
    assert stats["rate_limit_count"] == 1
    assert seconds == pause


def test_a_used_up_quota_is_asked_once():
    asked = []

    async def answer(messages, info):
        asked.append(1)
        body = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
        raise ModelHTTPError(429, "some-model", body)

    result, stats, _ = process(LLMWorkItem(item_id="1", agent=Agent(FunctionModel(answer)), prompt="Hello"))
    assert len(asked) == 1
    assert stats["error_counts"] == {"quota": 1}
    assert stats["rate_limit_count"] == 0
    assert result.failed == 1


def test_an_output_validator_that_is_never_satisfied_fails_as_a_validation():
    agent = Agent(TestModel(custom_output_text="no"), retries=1)

    @agent.output_validator
    async def never(output: str) -> str:
        raise ModelRetry("say something else")

    result, stats, _ = process(LLMWorkItem(item_id="1", agent=agent, prompt="Hello"))
    assert stats["error_counts"] == {"validation": 1}
    assert result.results[0].error.startswith("UnexpectedModelBehavior")
