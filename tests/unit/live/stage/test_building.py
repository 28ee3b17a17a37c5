import functools

import pytest
from pydantic import BaseModel, ValidationError

from batchwright import Checkpoint, LLMBatchConfig, LLMRequest
from batchwright.live.stage.building import NotBuilt, Prepared, Preparing, Skipped, bind, told

GIVEN = {"storage": "S", "total_pages": 9}
OFFERED = {"model": "openai/m", "logger": "L"}


def builders():
    def of_the_guide(page_num, storage, model, total_pages):
        return page_num, storage, model, total_pages

    def with_less(page_num, storage):
        return page_num, storage

    def of_anything(page, **everything):
        return page, everything["storage"], everything["total_pages"]

    def named(*, storage, page_num):
        return page_num, storage

    def in_another_order(storage, page_num):
        return page_num, storage

    def of_the_page_alone(number, /):
        return (number,)

    def with_the_logger(page_num, logger):
        return page_num, logger

    class Method:
        def build(self, page_num, storage="other"):
            return page_num, storage

    return {
        of_the_guide: (7, "S", "openai/m", 9),
        with_less: (7, "S"),
        of_anything: (7, "S", 9),
        named: (7, "S"),
        in_another_order: (7, "S"),
        of_the_page_alone: (7,),
        with_the_logger: (7, "L"),
        Method().build: (7, "S"),
        functools.partial(of_the_guide, total_pages=1): (7, "S", "openai/m", 9),
        (lambda *pages: pages): (7,),
        str: "7",
    }


@pytest.mark.parametrize(("builder", "built"), builders().items())
def test_a_builder_is_given_what_it_names(builder, built):
    assert bind(builder, GIVEN if builder is not str else {}, OFFERED)(7) == built


def test_what_is_given_goes_before_what_is_offered():
    assert bind(lambda page_num, model: model, {"model": "mine"}, OFFERED)(7) == "mine"


def test_arguments_that_no_parameter_takes_are_named():
    assert bind(lambda page_num: 0, GIVEN, OFFERED).ignored == ("storage", "total_pages")
    assert bind(lambda page_num, **rest: rest, GIVEN, OFFERED).ignored == ()


@pytest.mark.parametrize(
    ("builder", "given", "said"),
    [
        (lambda page_num, storage, missing, default=1: 0, GIVEN, "needs missing=…;"),
        (lambda: 0, {}, "takes no page"),
        (lambda page_num: 0, {"page_num": 3}, "comes from `pages`"),
        (lambda page: 0, {"page": 3}, "comes from `pages`"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_built(builder, given, said):
    with pytest.raises(TypeError, match=said):
        bind(builder, given, OFFERED)


MESSAGES = [{"role": "user", "content": "What is it?"}]
CONFIG = LLMBatchConfig(model="openai/m-1")


def prepare(builder, page=7, *, config=CONFIG, is_completed=lambda page: False):
    return Preparing(builder, config=config, is_completed=is_completed)(page)


def test_a_request_is_made_ready_for_its_provider():
    outcome = prepare(lambda page: LLMRequest(f"page {page}", model="google/m-2", messages=MESSAGES))
    assert isinstance(outcome, Prepared)
    assert (outcome.page, outcome.route.provider_name, outcome.sent.params.model) == (7, "gemini", "m-2")
    assert outcome.sent.custom_id == "page-1"


def test_without_a_model_of_its_own_a_request_has_the_configs():
    assert prepare(lambda page: LLMRequest("a", messages=MESSAGES)).sent.params.model == "m-1"


def test_ids_that_are_there_twice_are_told_apart():
    preparing = Preparing(
        lambda page: LLMRequest("a", messages=MESSAGES), config=CONFIG, is_completed=lambda page: False
    )
    assert {preparing(page).sent.custom_id for page in range(3)} == {"page-1", "page-2", "page-3"}


def test_extra_data_reaches_the_handler_and_the_builders_own_request_stays_as_it_was():
    request = LLMRequest("a", messages=MESSAGES, metadata={"page_num": 7})
    outcome = prepare(lambda page: (request, ["ocr"]))
    assert outcome.request.metadata == {"page_num": 7, "extra_data": ["ocr"]}
    assert request.metadata == {"page_num": 7}


def test_none_and_a_completed_page_are_skipped_and_a_completed_one_is_not_built():
    assert prepare(lambda page: None) == Skipped(7)
    assert prepare(lambda page: 1 / 0, is_completed=lambda page: page == 7) == Skipped(7)


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        (lambda page: {}["image"], "KeyError: 'image' (test_building.py:"),
        (lambda page: "text", "returns None, an LLMRequest or (LLMRequest, extra data), not str"),
        (lambda page: (LLMRequest("a"), 1, 2), "not tuple"),
        (lambda page: ("a", LLMRequest("a")), "not tuple"),
        (lambda page: LLMRequest("a", messages=[]), "request a: it has no message of the user"),
        (lambda page: LLMRequest("a", model="x-ai/grok", messages=MESSAGES), "'x-ai/grok' names no provider"),
    ],
)
def test_what_goes_wrong_is_the_pages(builder, said):
    outcome = prepare(builder)
    assert isinstance(outcome, NotBuilt)
    assert outcome.page == 7
    assert outcome.error.startswith("the request builder failed: ")
    assert said in outcome.error


def test_no_model_at_all_is_said_so():
    assert "no model" in prepare(lambda page: LLMRequest("a", messages=MESSAGES), config=LLMBatchConfig()).error


def test_a_page_that_a_checkpoint_cannot_keep_is_never_asked_about(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c")
    outcome = prepare(lambda page: 1 / 0, page=object(), is_completed=checkpoint.is_completed)
    assert "a page is a number, a text or a path" in outcome.error


def test_an_error_is_told_in_a_line_with_the_last_place_in_the_callers_own_code():
    class Label(BaseModel):
        label: str

    def handler():
        return Label(label=7)  # raised inside pydantic

    with pytest.raises(ValidationError) as caught:
        handler()
    line = told(caught.value)
    assert line.startswith("ValidationError: 1 validation error for Label label Input should be a valid string")
    assert line.endswith(f"(test_building.py:{handler.__code__.co_firstlineno + 1})")


def test_an_error_that_cannot_say_what_it_is_is_told_all_the_same():
    class SpeechlessError(Exception):
        def __str__(self):
            raise RuntimeError

    assert told(SpeechlessError()) == "SpeechlessError: no message"
