"""The guide's methods, the same on every provider."""

import asyncio

import pytest

from batchwright.errors import JobNotReadyError, LLMProviderError
from batchwright.request import Message, OutputSchema, Request
from batchwright.result import Result


def test_answers_come_back_in_the_order_of_the_prompts(emulate, name):
    emulated = emulate(responder="echo", shuffle=True, seed=5)
    provider = emulated.provider(name)
    job_name = provider.create_batch_job([[f"prompt {n}"] for n in range(15)])
    emulated.finish()
    results = provider.fetch_batch_results(job_name)
    assert all(isinstance(result, Result) for result in results)
    assert [result.text for result in results] == [f"prompt {n}" for n in range(15)]


def test_the_strings_of_a_prompt_are_joined_by_newlines_and_a_bare_string_is_one(emulate, name):
    emulated = emulate(responder="echo")
    provider = emulated.provider(name)
    job_name = provider.create_batch_job([["one", "two"], "three"])
    emulated.finish()
    assert [result.text for result in provider.fetch_batch_results(job_name)] == ["one\ntwo", "three"]


def test_filter_json_is_remembered_for_each_job(emulate, name):
    emulated = emulate(responder="echo")
    provider = emulated.provider(name)
    parsed = provider.create_batch_job([['```json\n{"a": 1,}\n```']], filter_json=True)
    raw = provider.create_batch_job([['{"a": 1}']])
    emulated.finish()
    assert provider.fetch_batch_results(parsed) == [{"a": 1}]
    assert provider.fetch_batch_results(raw)[0].text == '{"a": 1}'


def test_another_process_uses_its_own_filter_json(emulate, name):
    emulated = emulate(responder="echo")
    job_name = emulated.provider(name).create_batch_job([["[1, 2]"]])
    emulated.finish()
    assert emulated.provider(name, filter_json=True).fetch_batch_results(job_name) == [[1, 2]]


def test_fetching_too_early_is_a_value_error(emulate, name):
    provider = emulate(in_progress_s=1000).provider(name)
    job_name = provider.create_batch_job([["hello"]])
    with pytest.raises(ValueError, match="fetch it when it is done") as caught:
        provider.fetch_batch_results(job_name)
    assert isinstance(caught.value, JobNotReadyError)


def test_failed_requests_are_counted_in_the_error_with_the_first_reason(emulate, name):
    emulated = emulate(fail_positions=[1, 2])
    provider = emulated.provider(name)
    job_name = provider.create_batch_job([[f"prompt {n}"] for n in range(4)])
    emulated.finish()
    with pytest.raises(LLMProviderError, match="2 of 4 requests"):
        provider.fetch_batch_results(job_name)


def test_an_answer_that_is_not_json_is_an_error_that_names_it(emulate, name):
    emulated = emulate(responder="echo")
    provider = emulated.provider(name, filter_json=True)
    job_name = provider.create_batch_job([["[1]"], ["no json here"]])
    emulated.finish()
    with pytest.raises(LLMProviderError, match="answer 1"):
        provider.fetch_batch_results(job_name)


@pytest.mark.parametrize("empty", [[], "", [[]], [[""]], [["fine"], []]])
def test_an_empty_payload_or_prompt_is_a_value_error_and_nothing_is_sent(emulate, name, empty):
    emulated = emulate()
    with pytest.raises(ValueError, match="empty"):
        emulated.provider(name).create_batch_job(empty)
    assert emulated.stats(name)["creates"] == 0


def test_generate_answers_now(emulate, name):
    provider = emulate(responder="echo").provider(name)
    assert provider.generate(["hello", "there"]).text == "hello\nthere"
    assert provider.generate('{"b": [2,]}', filter_json=True) == {"b": [2]}


def test_batch_generate_answers_in_order(emulate, name):
    provider = emulate(responder="echo").provider(name)
    prompts = [[f"prompt {n}"] for n in range(12)]
    assert [result.text for result in provider.batch_generate(prompts)] == [f"prompt {n}" for n in range(12)]


def test_the_live_answer_has_what_a_batch_answer_has(emulate, name):
    schema = OutputSchema(
        name="one", schema={"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    )
    provider = emulate(responder="schema").provider(name, system_prompt="Count.")
    request = Request(custom_id="live-1", messages=(Message.text("how many?"),), output_schema=schema)
    result = asyncio.run(provider.complete(request))
    assert result.succeeded
    assert result.custom_id == "live-1"
    assert '"x"' in (result.text or "")
    assert result.usage.total_tokens > 0
    assert result.model


def test_gemini_sends_a_tiny_payload_inline_and_a_larger_one_as_a_file(emulate):
    emulated = emulate(responder="echo")
    provider = emulated.provider("gemini")
    small = provider.create_batch_job([["one"], ["two"]])
    large = provider.create_batch_job([[f"prompt {n}"] for n in range(101)])
    emulated.finish()
    assert provider.get_batch_job(small).input_file_id is None
    assert provider.get_batch_job(large).input_file_id is not None
    assert [result.text for result in provider.fetch_batch_results(small)] == ["one", "two"]
    assert [result.text for result in provider.fetch_batch_results(large)] == [f"prompt {n}" for n in range(101)]
    assert all(result.custom_id for result in provider.fetch_batch_results(small))
