import asyncio
import json
import threading
import time
from decimal import Decimal

import llm
import pytest

from batchwright.errors import LLMProviderConfigurationError, LLMServerError
from batchwright.live.engine.answering import Ask, LiveEngine
from batchwright.live.processor.settings import ProcessorConfig, RetryConfig
from batchwright.plugins.llm.answering import How, LlmAnswerer
from batchwright.plugins.llm.models import Models, vendor_of
from batchwright.plugins.llm.tools import toolset
from batchwright.request import ImagePart, Message, OutputSchema, Request, TextPart
from batchwright.result import FailureKind

SCHEMA = OutputSchema(name="answer", schema={"type": "array", "items": {"type": "object", "properties": {}}})


def answerer(name, **how):
    found = Models().find(name)
    return LlmAnswerer(found, vendor_of(found.async_model or found.model), How(**how))


def request(text, *, custom_id="row", **more):
    return Request(custom_id=custom_id, messages=(Message.text(text),), **more)


def answer(who, *requests, workers=4):
    """Answer requests as a run does, in order."""

    async def run():
        config = ProcessorConfig(max_workers=workers, retry=RetryConfig(max_attempts=1))
        async with LiveEngine([who], config=config) as engine:
            return [answered async for answered in engine.answer([Ask(request=each) for each in requests])]

    answered = asyncio.run(run())
    return sorted(answered, key=lambda each: each.ask.request.custom_id)


def test_an_asynchronous_model_answers(folder):
    (answered,) = answer(answerer("echo"), request("Paris?", system="Be kind"))
    assert answered.result.succeeded
    said = json.loads(answered.result.text)
    assert (said["prompt"], said["system"], said["stream"]) == ("Paris?", "Be kind", False)
    assert answered.usage.input_tokens == 3
    assert (answered.provider_name, answered.cost) == ("echo", None)


def test_a_model_that_has_only_threads_answers_several_at_once(plugin):
    requests = [request("wait 0.2", custom_id=f"{number}") for number in range(8)]
    began = time.monotonic()
    answered = answer(answerer("spoken"), *requests, workers=8)
    assert time.monotonic() - began < 8 * 0.2
    assert [each.result.text for each in answered] == ["plain: wait 0.2"] * 8
    assert answered[0].usage.total_tokens == 10


def test_options_reach_the_model(plugin):
    (answered,) = answer(answerer("spoken", options={"tone": "kind"}), request("x"))
    assert answered.result.text == "kind: x"


def test_a_model_that_does_not_say_what_it_used_has_no_known_price(plugin):
    plugin.spoken.used = None
    (answered,) = answer(answerer("spoken"), request("x"))
    assert answered.result.succeeded
    assert answered.cost is None


def test_nobody_asked_costs_nothing(plugin):
    plugin.spoken.raises = ValueError("no")
    (answered,) = answer(answerer("spoken"), request("x"))
    assert answered.cost == Decimal(0)


def test_a_schema_and_an_image_reach_the_model(plugin):
    image = ImagePart(data=b"\x89PNG....", media_type="image/png")
    asked = Request(custom_id="r", messages=(Message(parts=(TextPart(text="x"), image)),), output_schema=SCHEMA)
    (answered,) = answer(answerer("structured"), asked)
    assert answered.result.text == "['items'] [('image/png', 8)]"  # a list at the root is wrapped, as everywhere


def test_tools_are_called_and_the_last_response_is_the_answer(plugin):
    who = answerer("echo", toolset=toolset(["Counter(5)"], (), llm.get_async_model("echo")))
    calls = [{"name": "Counter_increase", "arguments": {"by": 2}}]
    asks = [request(json.dumps({"prompt": "go", "tool_calls": calls}), custom_id=f"{number}") for number in range(3)]
    answered = answer(who, *asks)
    results = [json.loads(each.result.text)["tool_results"] for each in answered]
    assert [found[0]["output"] for found in results] == ["7"] * 3  # none knows of another's
    assert answered[0].usage.input_tokens > 1


def test_rounds_of_tools_end_at_the_limit_and_what_they_used_is_kept(plugin):
    who = answerer("echo", toolset=toolset(["python"], (), llm.get_async_model("echo")), chain_limit=1)
    calls = [{"name": "python", "arguments": {"code": "1"}}]
    text = json.dumps({"prompt": "go on", "tool_calls": calls})
    (answered,) = answer(who, request(text))
    assert answered.result.failure.kind is FailureKind.INVALID_REQUEST
    assert "Chain limit of 1 exceeded" in answered.result.failure.message
    assert answered.usage.input_tokens == len(text.split())
    assert answered.attempts == 1


def test_what_a_model_refuses_is_a_failed_result_and_is_not_asked_again(plugin):
    plugin.spoken.raises = ValueError("too long")
    (answered,) = answer(answerer("spoken"), request("x"))
    assert (answered.result.failure.kind, answered.attempts) == (FailureKind.INVALID_REQUEST, 1)


def test_trouble_is_raised_for_the_engine_to_decide_about(plugin):
    plugin.spoken.raises = RuntimeError("the model fell over")
    with pytest.raises(LLMServerError, match="fell over"):
        asyncio.run(answerer("spoken").complete(request("x")))


def test_a_missing_key_ends_the_run(plugin):
    plugin.spoken.raises = llm.NeedsKeyException("none")
    with pytest.raises(LLMProviderConfigurationError, match="Invalid API key"):
        answer(answerer("spoken"), request("x"), request("y", custom_id="b"))


def test_leaving_never_waits_for_a_thread_that_hangs(plugin):
    who = answerer("spoken")

    async def leave():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await who.complete(request("wait 5"))

    began = time.monotonic()
    asyncio.run(leave())
    assert time.monotonic() - began < 3
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "batchwright-llm")


def test_fragments_are_told_apart_from_the_prompt_again(folder):
    who = answerer("echo", fragments=[("voice.txt", len("Be kind.")), ("facts", len("Two\nlines"))])
    arguments = who._arguments(request("Be kind.\nTwo\nlines\nParis?"))
    assert [(str(fragment), fragment.source) for fragment in arguments["fragments"]] == [
        ("Be kind.", "voice.txt"),
        ("Two\nlines", "facts"),
    ]
    assert arguments["prompt"] == "Paris?"
