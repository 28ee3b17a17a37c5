from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batchwright.pricing.estimate import (
    LEARNED,
    OTHER_MODEL,
    OTHER_TASK,
    UNLEARNED_ANSWER,
    UNLEARNED_INPUT,
    UNLEARNED_ITEM,
    Dollars,
    Workload,
    estimated,
    tokens_in,
)
from batchwright.pricing.learned import AnswerLength, Lessons
from batchwright.pricing.overrides import price_table

AT = datetime(2026, 11, 25, tzinfo=UTC)


def workload(**more):
    base = {"provider_name": "openai", "model": "gpt-4.1", "task": "rows", "requests": 100, "estimated_tokens": 10_000}
    return Workload(**(base | more))


def estimate(lessons=Lessons(), **more):  # noqa: B008  (frozen)
    return estimated(workload(**more), lessons, at=AT)


def answers(**more):
    return AnswerLength(**({"requests": 100, "mean": 50.0, "deviation": 0.0, "items_per_request": 1.0} | more))


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("да", 1), ("日本", 2)])
def test_a_text_is_as_many_tokens_as_its_bytes_say(text, tokens):
    assert tokens_in(text) == tokens


def test_half_a_surrogate_pair_is_counted_and_no_error():
    assert tokens_in("\ud800") == 1


def test_without_finished_runs_the_stated_assumptions_hold_and_are_named():
    found = estimate()
    assert found.input_tokens == tuple(round(10_000 * factor) for factor in UNLEARNED_INPUT)
    assert found.output_tokens == tuple(100 * length for length in UNLEARNED_ANSWER)
    assert found.batch_seconds is None
    assert all(reason.startswith("an assumption") for reason in found.rests_on)
    assert len(found.rests_on) == 2


def test_the_dollars_are_those_of_the_ends_of_the_ranges_and_half_in_a_batch():
    found = estimate()
    assert found.live == Dollars(low=Decimal("0.028"), high=Decimal("1.632"))
    assert found.batch == Dollars(low=Decimal("0.014"), high=Decimal("0.816"))


def test_more_items_in_a_request_make_longer_answers():
    found = estimate(items=1000)
    assert found.output_tokens == tuple(
        100 * answer + 900 * item for answer, item in zip(UNLEARNED_ANSWER, UNLEARNED_ITEM, strict=True)
    )


def test_no_answer_is_longer_than_it_may_be():
    assert estimate(max_output_tokens=30).output_tokens == (100 * UNLEARNED_ANSWER[0], 3000)
    assert estimate(max_output_tokens=5).output_tokens == (500, 500)


def test_what_finished_runs_showed_narrows_the_ranges():
    found = estimate(Lessons(runs=3, input_ratio=(1.1, 1.2), answer=answers()))
    assert found.input_tokens == (9900, 13_200)
    assert found.output_tokens == (4500, 5500)
    assert found.rests_on == ("3 finished run(s) of this model and task",)


def test_many_answers_are_known_better_than_one():
    def width(requests, seen):
        lessons = Lessons(runs=1, answer=answers(deviation=40.0, requests=seen))
        low, high = estimate(lessons, requests=requests, estimated_tokens=0).output_tokens
        return (high - low) / requests

    assert width(1, 100) > width(100, 100) > width(10_000, 10_000)
    assert width(100, 2) > width(100, 100)


def test_answers_about_more_items_than_before_are_longer_by_as_much():
    lessons = Lessons(runs=1, answer=answers(items_per_request=10.0))
    assert estimate(lessons, items=500).output_tokens == (2250, 2750)


def test_what_others_showed_counts_with_more_room():
    lessons = Lessons(input_ratio=(1.0, 1.0), same_task=False, answer=answers(), same_model=False)
    found = estimate(lessons)
    assert found.input_tokens == tuple(10_000 * factor for factor in OTHER_TASK)
    assert found.output_tokens == tuple(5000 * factor for factor in OTHER_MODEL)
    assert OTHER_TASK[0] < LEARNED[0] < LEARNED[1] < OTHER_TASK[1]
    assert found.rests_on == (
        "input as it was with other tasks of this model",
        "answers as long as those of other models to this task",
    )


def test_an_unknown_price_is_none_and_the_tokens_are_there_all_the_same():
    found = estimate(model="gpt-7-nova")
    assert (found.live, found.batch) == (None, None)
    assert found.input_tokens[1] > 0
    only_live = estimate(model="gpt-5.3")
    assert only_live.live is not None
    assert only_live.batch is None


def test_prices_a_person_set_count():
    table = price_table({"openai": {"gpt-4.1": {"input": 0, "output": 1000}}}, source="mine")
    found = estimated(workload(max_output_tokens=20), Lessons(), at=AT, overrides=table)
    assert found.live == Dollars(low=Decimal(2), high=Decimal(2))


def test_nothing_to_ask_costs_nothing():
    found = estimate(requests=0, estimated_tokens=0)
    assert (found.input_tokens, found.output_tokens) == ((0, 0), (0, 0))
    assert found.live == Dollars(low=Decimal(0), high=Decimal(0))


def test_live_calls_take_turns_and_keep_the_rate():
    assert estimate(workers=10).live_seconds == (10.0, 200.0)
    assert estimate(workers=100).live_seconds == (1.0, 20.0)
    assert estimate(workers=100, requests_per_minute=50).live_seconds == (120.0, 120.0)
    assert estimate(Lessons(live_seconds_per_request=(0.1, 0.3))).live_seconds == pytest.approx((10.0, 30.0))
