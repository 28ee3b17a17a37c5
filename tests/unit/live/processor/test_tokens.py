"""Tokens, wherever they are."""

from types import SimpleNamespace

import pytest

from batchwright.errors import LLMServerError
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RetryConfig
from batchwright.live.processor.tokens import leave_usage, tokens_of, tokens_of_answer, tokens_of_failure
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import run_virtual
from batchwright.usage import Usage

IN_ALL_SHAPES = [
    {"input_tokens": 7, "output_tokens": 2},
    {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
    {"request_tokens": 7, "response_tokens": 2},
    {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    SimpleNamespace(input_tokens=7, output_tokens=2),
    SimpleNamespace(request_tokens=7, response_tokens=2, total_tokens=None),
    Usage(input_tokens=7, output_tokens=2),
]


@pytest.mark.parametrize("usage", IN_ALL_SHAPES)
def test_usage_is_read_in_all_its_shapes(usage):
    assert tokens_of(usage) == (7, 2, 9)
    assert tokens_of_answer(SimpleNamespace(usage=usage)) == (7, 2, 9)
    assert tokens_of_answer(SimpleNamespace(usage=lambda: usage)) == (7, 2, 9)


def test_a_total_that_holds_more_than_both_is_kept():
    assert tokens_of({"input_tokens": 7, "output_tokens": 2, "total_tokens": 30}) == (7, 2, 30)


@pytest.mark.parametrize("usage", [None, {}, {"cost": 3}, "text", 3, {"input_tokens": None}])
def test_what_has_no_tokens_is_unknown_and_not_zero(usage):
    assert tokens_of(usage) is None
    assert tokens_of_answer(SimpleNamespace(usage=usage)) is None
    assert tokens_of_answer(object()) is None


class UnreadableError(Exception):
    """Everything that may hold tokens raises when it is looked at, as a client's `response` does before it is set."""

    @property
    def usage(self):
        raise RuntimeError("not there yet")

    response = result = completion = usage


def test_what_cannot_be_read_is_unknown_and_breaks_nothing():
    assert tokens_of(SimpleNamespace(input_tokens=1, output_tokens=1)) == (1, 1, 2)
    assert tokens_of_answer(UnreadableError()) is None
    assert tokens_of_answer(SimpleNamespace(usage=lambda: 1 / 0)) is None
    assert tokens_of_failure(UnreadableError()) is None
    assert tokens_of_failure(caused_by(carrying(KeyError(), input_tokens=3, output_tokens=1), UnreadableError())) == (
        3,
        1,
        4,
    )


def test_an_answer_whose_tokens_cannot_be_read_is_an_answer_all_the_same():
    async def scene():
        processor = ParallelBatchProcessor(ProcessorConfig(retry=RetryConfig(max_attempts=1)))
        answer = UnreadableError()
        answer.output = "paid for"

        async def run(_prompt):
            return answer

        async def fail(_attempt, _seconds):
            raise UnreadableError

        await processor.add_work(LLMWorkItem(item_id="answered", agent=SimpleNamespace(run=run)))
        await processor.add_work(LLMWorkItem(item_id="failed", direct_call=fail))
        return await processor.process_all()

    batch = run_virtual(scene())
    assert {result.item_id: result.output for result in batch.results} == {"answered": "paid for", "failed": None}


def carrying(error, **tokens):
    error.__dict__["_failed_token_usage"] = tokens
    return error


def caused_by(cause, error=None):
    error = error or ValueError("outer")
    error.__cause__ = cause
    return error


def test_what_failed_is_asked_first_and_then_its_causes():
    inner = carrying(KeyError(), input_tokens=3, output_tokens=1)
    assert tokens_of_failure(inner) == (3, 1, 4)
    assert tokens_of_failure(caused_by(caused_by(inner))) == (3, 1, 4)
    assert tokens_of_failure(caused_by(inner, carrying(ValueError(), input_tokens=5, output_tokens=0))) == (5, 0, 5)
    assert tokens_of_failure(ValueError()) is None


def wrapped(**how):
    """An error raised while another was handled that carries tokens, without `from`, or with what `how` says."""
    with pytest.raises(ValueError, match="outer") as caught:  # noqa: PT012  (one raises while it handles the other)
        try:
            raise carrying(KeyError(), input_tokens=3, output_tokens=1)
        except KeyError:
            if how:
                raise ValueError("outer") from how["cause"]
            raise ValueError("outer")  # noqa: B904  (as people write it)
    return caught.value


def test_an_exception_raised_while_another_was_handled_carries_the_others_tokens():
    assert tokens_of_failure(wrapped()) == (3, 1, 4)


def test_from_none_hides_them():
    assert tokens_of_failure(wrapped(cause=None)) is None


@pytest.mark.parametrize("holder", ["result", "response", "completion"])
def test_an_answer_that_could_not_be_used_carries_its_usage(holder):
    error = ValueError("unusable")
    setattr(error, holder, SimpleNamespace(usage=SimpleNamespace(input_tokens=3, output_tokens=1)))
    assert tokens_of_failure(caused_by(error)) == (3, 1, 4)


def test_several_models_tried_one_after_the_other_are_added_up():
    group = ExceptionGroup(
        "all failed",
        [carrying(KeyError(), input_tokens=3, output_tokens=1), ValueError(), carrying(KeyError(), input_tokens=10)],
    )
    assert tokens_of_failure(group) == (13, 1, 14)


def test_causes_that_go_in_a_circle_come_to_an_end():
    first, second = KeyError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert tokens_of_failure(first) is None


def test_what_we_left_on_an_exception_is_not_taken_for_what_it_carried():
    error = carrying(KeyError(), input_tokens=3, output_tokens=1)
    leave_usage(error, {"input_tokens": 100, "output_tokens": 100})
    assert error.__dict__["_failed_token_usage"] == {"input_tokens": 100, "output_tokens": 100}
    assert tokens_of_failure(error) == (3, 1, 4)
    leave_usage(error, {"input_tokens": 200, "output_tokens": 200})
    assert tokens_of_failure(error) == (3, 1, 4)
    plain = KeyError()
    leave_usage(plain, {"input_tokens": 100, "output_tokens": 100})
    assert tokens_of_failure(plain) is None


def process(*calls, attempts=3):
    async def go():
        config = ProcessorConfig(max_workers=1, retry=RetryConfig(max_attempts=attempts))
        processor = ParallelBatchProcessor(config)
        for number, call in enumerate(calls):
            await processor.add_work(LLMWorkItem(item_id=str(number), direct_call=call))
        return await processor.process_all()

    return run_virtual(go())


def failing(times, **tokens):
    async def call(attempt, seconds):
        if attempt <= times:
            raise LLMServerError("down") from carrying(ValueError("answer cut off"), **tokens)
        return "answer", {"input_tokens": 10, "output_tokens": 5}

    return call


def test_failed_attempts_are_added_up_and_reported_on_success_and_failure_alike():
    result = process(failing(2, input_tokens=10, output_tokens=1), failing(3, input_tokens=10, output_tokens=1))
    succeeded, failed = result.results
    assert succeeded.success
    assert succeeded.token_usage == {"input_tokens": 30, "output_tokens": 7, "total_tokens": 37}
    assert not failed.success
    assert failed.token_usage == {"input_tokens": 30, "output_tokens": 3, "total_tokens": 33}
    assert (result.total_input_tokens, result.total_output_tokens) == (60, 10)


def test_a_failed_items_exception_carries_what_it_used():
    (failed,) = process(failing(3, input_tokens=10, output_tokens=1)).results
    assert failed.exception.__dict__["_failed_token_usage"] == failed.token_usage


def test_one_exception_object_raised_for_many_items_counts_for_each_what_it_used():
    shared = carrying(LLMServerError("always the same object"), input_tokens=10, output_tokens=0)

    async def call(attempt, seconds):
        raise shared

    result = process(*[call] * 5, attempts=2)
    assert [r.token_usage["input_tokens"] for r in result.results] == [20] * 5
