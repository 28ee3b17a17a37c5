"""The asynchronous part, in virtual time: the pauses between attempts take no time."""

import asyncio
from dataclasses import replace

import pytest

from batchwright import LLMRequest, Usage
from batchwright.errors import LLMProviderConfigurationError, LLMServerError
from batchwright.live.engine.answering import LiveEngine
from batchwright.live.processor.settings import ProcessorConfig, RetryConfig
from batchwright.live.stage.building import NotBuilt, Prepared, Skipped
from batchwright.live.stage.handling import to_result
from batchwright.live.stage.lanes import Lanes, Told
from batchwright.providers.model_names import Route
from batchwright.request import Message, Request
from batchwright.result import FinishReason
from batchwright.testing import FakeProvider, run_virtual

CONFIG = ProcessorConfig(max_workers=2, retry=RetryConfig(max_attempts=3, initial_wait=60, max_wait=600))


class Model(FakeProvider):
    """Answers with the next of its texts, of ten tokens each; an error in their place is raised."""

    def __init__(self, *answers, finish_reason=FinishReason.STOP):
        super().__init__()
        self.answers = list(answers)
        self.finish_reason = finish_reason
        self.closed = 0

    async def complete(self, request):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        result = await super().complete(request)
        usage = Usage(input_tokens=4, output_tokens=6)
        return replace(result, text=answer, usage=usage, finish_reason=self.finish_reason)

    async def aclose(self):
        self.closed += 1


def prepared(page, *, provider_name="fake", response_format=None):
    return Prepared(
        page=page,
        request=LLMRequest(f"page_{page}", response_format=response_format),
        route=Route(provider_name=provider_name, model="m"),
        sent=Request(custom_id=f"page-{page}", messages=(Message.text("?"),)),
    )


def events(outcomes, *, open_provider):
    """What a stage of these outcomes emits."""
    emitted = []

    async def emit(event):
        emitted.append(event)

    async def stream():
        for outcome in outcomes:
            yield outcome

    lanes = Lanes(
        open_provider=open_provider,
        make_engine=lambda provider: LiveEngine([provider], config=CONFIG),
        emit=emit,
        most=4,
    )
    run_virtual(lanes.run(stream()))
    return emitted


def results(outcomes, model):
    return [to_result(event.prepared, event.answered) for event in events(outcomes, open_provider=lambda _route: model)]


JSON = {"type": "json_object"}


def test_an_answer_that_is_not_json_is_asked_again_and_all_its_tokens_count():
    (result,) = results([prepared(1, response_format=JSON)], Model("Sure! Let me think.", '{"a": 1}'))
    assert result.success
    assert result.parsed_json == {"a": 1}
    assert (result.attempts, result.usage.total_tokens) == (2, 20)


def test_an_answer_that_never_becomes_json_fails_with_the_last_text_kept():
    (result,) = results([prepared(1, response_format=JSON)], Model("one", "two", "three"))
    assert not result.success
    assert result.error == "the answer is not JSON"
    assert (result.text, result.parsed_json) == ("three", None)
    assert (result.attempts, result.usage.total_tokens) == (3, 30)


def test_an_answer_that_was_cut_short_is_not_asked_again():
    model = Model('{"a": 1', "never asked for", finish_reason=FinishReason.LENGTH)
    (result,) = results([prepared(1, response_format=JSON)], model)
    assert "cut short" in result.error
    assert (result.success, result.attempts, result.text) == (False, 1, '{"a": 1')
    assert model.answers == ["never asked for"]


def test_plain_text_is_taken_as_it_is():
    (result,) = results([prepared(1)], Model("not JSON, and it need not be"))
    assert (result.success, result.text, result.parsed_json) == (True, "not JSON, and it need not be", None)


def test_an_error_that_passes_is_asked_again():
    (result,) = results([prepared(1)], Model(LLMServerError("overloaded"), "answer"))
    assert (result.success, result.attempts) == (True, 2)


def test_the_text_of_an_earlier_attempt_is_not_the_text_of_a_failure():
    model = Model("prose", *[LLMServerError("overloaded")] * 2)
    (result,) = results([prepared(1, response_format=JSON)], model)
    assert (result.error, result.text, result.attempts) == ("overloaded", None, 3)


def test_what_is_not_asked_about_is_passed_on():
    outcomes = [Skipped(1), NotBuilt(2, "no scan"), prepared(3)]
    told = events(outcomes, open_provider=lambda _route: Model("answer"))
    assert sorted(map(type, told), key=lambda kind: kind.__name__) == [NotBuilt, Skipped, Told]


def test_each_provider_is_opened_once_and_closed_in_the_end():
    opened = {}

    def open_provider(route):
        assert route.provider_name not in opened
        opened[route.provider_name] = Model(*["answer"] * 5)
        return opened[route.provider_name]

    outcomes = [prepared(page, provider_name=("one", "two")[page % 2]) for page in range(10)]
    told = events(outcomes, open_provider=open_provider)
    assert sorted(event.prepared.page for event in told) == list(range(10))
    assert {name: model.closed for name, model in opened.items()} == {"one": 1, "two": 1}


def test_a_provider_that_cannot_be_opened_ends_it_with_its_own_error():
    def open_provider(_route):
        raise LLMProviderConfigurationError("no key")

    with pytest.raises(LLMProviderConfigurationError, match="no key"):
        events([prepared(page) for page in range(10)], open_provider=open_provider)


def test_cancelling_closes_the_providers():
    class Hanging(Model):
        async def complete(self, request):
            await asyncio.Event().wait()

    model = Hanging()

    async def interrupted():
        async def stream():
            yield prepared(1)

        async def emit(event):
            raise AssertionError(event)

        lanes = Lanes(
            open_provider=lambda _route: model,
            make_engine=lambda provider: LiveEngine([provider], config=CONFIG),
            emit=emit,
            most=4,
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await lanes.run(stream())

    run_virtual(interrupted())
    assert model.closed == 1


def test_no_more_pages_are_open_than_may_be_lost():
    begun, emitted = [], []

    class Quick(Model):
        async def complete(self, request):
            begun.append(request.custom_id)
            assert len(begun) <= len(emitted) + 4
            self.answers.append("answer")
            return await super().complete(request)

    async def slowly():
        async def stream():
            for page in range(30):
                yield prepared(page)

        async def emit(event):
            await asyncio.sleep(10)
            emitted.append(event)

        lanes = Lanes(
            open_provider=lambda _route: Quick(),
            make_engine=lambda provider: LiveEngine([provider], config=CONFIG),
            emit=emit,
            most=4,
        )
        await lanes.run(stream())

    run_virtual(slowly())
    assert len(emitted) == 30
