from decimal import Decimal

import pytest

from batchwright.cli.live.spending import SpendingNote, estimated_input
from batchwright.cli.workbench import Workbench
from batchwright.config import Environment, Settings
from batchwright.live.engine.asking import Answered, Ask, Charge
from batchwright.pricing.spending import summed
from batchwright.request import Message, Request
from batchwright.result import Failure, FailureKind, Result, ResultStatus
from batchwright.usage import Usage

MODEL = {"provider_name": "gemini", "model": "gemini-2.5-pro"}
LONG = Usage(input_tokens=150_000)
"""Below the 200,000 tokens from which this model's input costs twice as much; two of them are above."""
ASK = Ask(request=Request(custom_id="r", messages=(Message.text("What is a moraine?"),)))


@pytest.fixture
def workbench(tmp_path):
    return Workbench.over(Settings(environment=Environment({}), tracking_file=tmp_path / "data" / "jobs.json"))


def answered(*wasted, usage=None):
    failure = None if usage else Failure(kind=FailureKind.SERVER, message="down")
    result = Result(
        custom_id="r",
        status=ResultStatus.SUCCEEDED if usage else ResultStatus.ERRORED,
        usage=usage or Usage(),
        failure=failure,
    )
    return Answered(
        ask=ASK,
        result=result,
        usage=sum(wasted, usage or Usage()),
        attempts=len(wasted) + 1,
        seconds=1.0,
        cost=None,
        wasted=tuple(Charge(usage=one, answered=False, **MODEL) for one in wasted),
        **MODEL,
    )


def noted(workbench):
    runs, _ = workbench.ledger.load()
    return runs


def test_each_attempt_is_priced_by_its_own_length(workbench):
    note = SpendingNote(workbench, run="run-1", task="categorise")
    note.add(answered(LONG, usage=LONG), items=10)
    note.keep()
    (spending,) = noted(workbench)
    total = summed(spending.lines)
    assert (total.requests, total.usage, total.cost) == (2, LONG + LONG, Decimal("0.375"))  # 300,000 at 1.25 a million


def test_items_and_estimated_tokens_are_those_of_the_requests_that_ran(workbench):
    note = SpendingNote(workbench, run="run-1", task="categorise")
    note.add(answered(LONG, usage=LONG), items=10)
    note.add(answered(), items=10)  # never ran
    note.keep()
    (spending,) = noted(workbench)
    assert (spending.items, spending.estimated_tokens) == (20, 2 * estimated_input(ASK.request))


def test_a_later_note_takes_the_place_of_an_earlier_one_and_none_of_another_parts(workbench):
    for part in ("", "second"):
        note = SpendingNote(workbench, run="run-1", task="rows", part=part)
        for _ in range(2):
            note.add(answered(usage=LONG), items=1)
            note.keep()
    assert [(run.part, summed(run.lines).requests) for run in noted(workbench)] == [("", 2), ("second", 2)]
