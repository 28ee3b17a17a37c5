from datetime import date
from decimal import Decimal

import pytest

from batchwright.pricing.learned import RUNS_KEPT, Lessons, lessons
from batchwright.pricing.spending import Line, Spending
from batchwright.usage import Usage


def run(
    name="job-1", *, provider="openai", model="gpt-4.1-2025-04-14", task="categorise", answers=(100, 300), read=2000,
    estimated=1000, items=0, seconds=60.0, batch=True, emulated=False,
):  # fmt: skip
    line = Line(
        day=date(2026, 11, 25),
        provider_name=provider,
        model=model,
        batch=batch,
        requests=len(answers),
        usage=Usage(input_tokens=read, output_tokens=sum(answers)),
        cost=Decimal(0),
        output_squares=sum(answer * answer for answer in answers),
    )
    return Spending(
        run=name, task=task, lines=(line,), items=items, estimated_tokens=estimated, seconds=seconds, emulated=emulated
    )


def learn(*runs, model="gpt-4.1", **more):
    return lessons(runs, provider_name="openai", model=model, task="categorise", **more)


def test_without_finished_runs_there_is_nothing_to_learn():
    assert learn() == Lessons(same_model=False, same_task=False)


def test_runs_of_a_dated_edition_teach_about_the_model_that_is_asked_for():
    known = learn(run(read=2000), run(read=1500))
    assert (known.runs, known.same_model, known.same_task) == (2, True, True)
    assert known.input_ratio == (1.5, 2.0)
    assert known.answer.requests == 4
    assert known.answer.mean == 200
    assert known.answer.deviation == pytest.approx(100)
    assert known.batch_seconds == (60.0, 60.0)


def test_answers_are_measured_by_the_items_they_are_about():
    assert learn(run(items=20)).answer.items_per_request == 10
    assert learn(run()).answer.items_per_request == 1


def test_another_model_teaches_how_long_answers_are_and_not_how_many_tokens_a_text_is():
    known = learn(run(model="gpt-5-mini"))
    assert (known.runs, known.same_model, known.input_ratio) == (0, False, None)
    assert known.answer.mean == 200


def test_another_task_teaches_how_many_tokens_a_text_is_and_not_how_long_answers_are():
    known = learn(run(task="rows"))
    assert (known.same_task, known.input_ratio, known.answer) == (False, (2.0, 2.0), None)


def test_an_emulator_teaches_only_about_an_emulator():
    assert learn(run(emulated=True)).runs == 0
    assert learn(run(emulated=True), run(), emulated=True).runs == 1


def test_only_the_latest_runs_count():
    old = [run(read=9000)] * 3
    assert learn(*old, *[run()] * RUNS_KEPT).input_ratio == (2.0, 2.0)


def test_what_a_run_does_not_say_teaches_nothing():
    known = learn(run(estimated=0, seconds=0, answers=(0,)))
    assert (known.runs, known.input_ratio, known.answer, known.batch_seconds) == (1, None, None, None)


def test_live_runs_teach_how_fast_live_calls_are_and_batches_how_long_a_batch_takes():
    known = learn(run(batch=False, seconds=10), run(batch=True, seconds=3600))
    assert known.live_seconds_per_request == (5.0, 5.0)
    assert known.batch_seconds == (3600, 3600)
