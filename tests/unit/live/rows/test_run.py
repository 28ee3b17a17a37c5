import asyncio
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batchwright.checker import AnswerChecker
from batchwright.errors import BudgetError, InputError, LLMQuotaError
from batchwright.live.engine.answering import LiveEngine
from batchwright.live.processor.settings import ProcessorConfig, RetryConfig
from batchwright.live.rows.keys import Keys
from batchwright.live.rows.run import Origin, RowRun
from batchwright.pricing.budget import Allowance, Budget
from batchwright.providers.base import Answerer
from batchwright.request import OutputSchema
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.run import Run, RunStatus
from batchwright.sources.row_prompts import PromptSpec
from batchwright.testing import run_virtual
from batchwright.tracking.answer_cache import AnswerCache
from batchwright.tracking.runs import RunStore
from batchwright.usage import Usage

MOMENT = datetime(2026, 11, 25, tzinfo=UTC)
USAGE = Usage(input_tokens=1_000, output_tokens=1_000)


class Oracle(Answerer):
    """Answers what a test says, after `seconds`; counts what it is asked."""

    def __init__(self, answer=str.upper, *, seconds=1.0):
        self.name = "openai"
        self.model = "gpt-4o-mini"
        self.asked = Counter()
        self._answer = answer
        self._seconds = seconds

    async def complete(self, request):
        text = request.messages[0].parts[0].text
        self.asked[text] += 1
        await asyncio.sleep(self._seconds)
        said = self._answer(text)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Failure):
            return Result(custom_id=request.custom_id, status=ResultStatus.ERRORED, failure=said)
        return Result(
            custom_id=request.custom_id,
            status=ResultStatus.SUCCEEDED,
            text=said,
            finish_reason=FinishReason.STOP,
            usage=USAGE,
            model=self.model,
        )


class LateEngine(LiveEngine):
    """Hands over each answer some time after it came, as on a machine that has much else to do."""

    async def answer(self, asks):
        async for answered in super().answer(asks):
            await asyncio.sleep(5.0)
            yield answered


class Place:
    """A run database and an input, and runs over it."""

    def __init__(self, folder):
        self.input = folder / "questions.txt"
        self.store = RunStore(folder / "batch.db")
        self.told = []

    def write(self, *lines):
        self.input.write_text("".join(f"{line}\n" for line in lines))

    def begin(self, run_id="r"):
        return self.store.create(
            Run(run_id=run_id, created_at=MOMENT, input_file=str(self.input), model="gpt-4o-mini", total=None)
        )

    def run(self, run, oracle, *, workers=1, schema=None, stop_after=None, kind=LiveEngine, **options):
        spec = PromptSpec(inputs=(str(self.input),), schema=None if schema is None else schema.schema)
        self.told = []
        with spec.open() as prompts:
            rows = RowRun(
                engine=kind([oracle], config=ProcessorConfig(max_workers=workers, retry=RetryConfig(max_attempts=1))),
                prompts=prompts,
                store=self.store,
                run=run,
                on_row=self.told.append,
                keys=Keys({"model": "gpt-4o-mini"}),
                checker=None if schema is None else AnswerChecker(schema),
                at_once=workers,
                **options,
            )

            async def asked():
                if stop_after is not None:
                    asyncio.get_running_loop().call_later(stop_after, rows.stop, "enough")
                return await rows.ask()

            return run_virtual(asked())

    def answers(self, run):
        return {answer.row: answer.response for answer in self.store.answers(run) if not answer.failed}

    def errors(self, run):
        return {answer.row: answer.error for answer in self.store.answers(run, failed=True)}


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.store.close()


def refused(text):
    return Failure(kind=FailureKind.INVALID_REQUEST, message=f"no {text}")


def test_every_row_is_answered_and_told_once(place):
    place.write("a", "b", "c")
    run = place.begin()
    ending = place.run(run, Oracle())
    assert ending.status is RunStatus.COMPLETED
    assert place.answers(run) == {0: "A", 1: "B", 2: "C"}
    assert sorted((done.position, done.outcome.text, done.origin) for done in place.told) == [
        (0, "A", Origin.ASKED),
        (1, "B", Origin.ASKED),
        (2, "C", Origin.ASKED),
    ]
    assert (place.store.get("r").completed, place.store.get("r").failed) == (3, 0)


def test_a_failed_row_is_marked_and_the_others_are_answered(place):
    place.write("a", "b", "c")
    run = place.begin()
    ending = place.run(run, Oracle(lambda text: refused(text) if text == "b" else text))
    assert ending.status is RunStatus.COMPLETED
    assert place.answers(run) == {0: "a", 2: "c"}
    assert place.errors(run) == {1: "no b"}
    assert {done.position: done.outcome.error for done in place.told} == {0: None, 1: "no b", 2: None}


def test_equal_prompts_are_asked_once_and_cost_once(place):
    place.write(*["same", "other", "same", "same"] * 10)
    run = place.begin()
    oracle = Oracle()
    place.run(run, oracle, workers=4)
    assert oracle.asked == {"same": 1, "other": 1}
    assert len(place.answers(run)) == 40
    usage, cost, unpriced = place.store.spent(run)
    assert (usage, cost, unpriced) == (USAGE + USAGE, Decimal("0.0015"), 0)
    assert Counter(done.origin for done in place.told) == {Origin.ASKED: 2, Origin.EQUAL: 38}


def test_more_equal_prompts_than_may_wait_are_all_answered(place):
    place.write(*["same"] * 3_000, "other")
    run = place.begin()
    oracle = Oracle()
    place.run(run, oracle, workers=2)
    assert oracle.asked == {"same": 1, "other": 1}
    assert len(place.answers(run)) == 3_001


def test_an_equal_prompt_long_after_gets_the_answer_from_the_database(place):
    place.write("first", *[f"row {number}" for number in range(400)], "first")
    run = place.begin()
    oracle = Oracle()
    place.run(run, oracle)
    assert oracle.asked["first"] == 1
    assert place.answers(run)[401] == "FIRST"


def test_rows_that_equal_a_failed_one_fail_with_it(place):
    place.write("bad", "bad")
    run = place.begin()
    oracle = Oracle(refused)
    place.run(run, oracle, workers=2)
    assert oracle.asked == {"bad": 1}
    assert place.errors(run) == {0: "no bad", 1: "no bad"}


def test_without_dedupe_each_is_asked(place):
    place.write("same", "same")
    run = place.begin()
    oracle = Oracle()
    place.run(run, oracle, dedupe=False)
    assert oracle.asked == {"same": 2}


def test_a_run_that_goes_on_asks_only_what_has_no_answer(place):
    place.write("a", "b", "c", "d")
    run = place.begin()
    place.run(run, Oracle(lambda text: refused(text) if text == "b" else text), stop_after=2.5)
    assert place.answers(run) == {0: "a"}
    place.store.forget_failures(run)
    oracle = Oracle()
    ending = place.run(run, oracle)
    assert ending.status is RunStatus.COMPLETED
    assert oracle.asked == {"b": 1, "c": 1, "d": 1}
    assert place.answers(run) == {0: "a", 1: "B", 2: "C", 3: "D"}
    assert {done.position: done.origin for done in place.told} == {
        0: Origin.KEPT,
        1: Origin.ASKED,
        2: Origin.ASKED,
        3: Origin.ASKED,
    }


def test_a_run_that_goes_on_gives_kept_answers_to_equal_prompts(place):
    place.write("a", "b")
    run = place.begin()
    place.run(run, Oracle(), stop_after=1.5)
    place.write("a", "a")
    oracle = Oracle()
    place.run(run, oracle)
    assert oracle.asked == {}
    assert place.answers(run) == {0: "A", 1: "A"}


def test_stopping_gives_up_what_is_in_flight_and_keeps_what_came(place):
    place.write("a", "b", "c")
    run = place.begin()
    ending = place.run(run, Oracle(), stop_after=1.5)
    assert (ending.status, ending.message, ending.error) == (RunStatus.PAUSED, "enough", None)
    assert place.answers(run) == {0: "A"}


def test_another_process_can_stop_it_within_a_second(place):
    place.write(*map(str, range(1_000)))
    run = place.begin()
    store = RunStore(place.store.path)
    store.request_stop("r")
    ending = place.run(run, Oracle(seconds=0.3))
    store.close()
    assert (ending.status, ending.message) == (RunStatus.PAUSED, "cancelled")
    assert len(place.answers(run)) <= 3


def test_the_first_failed_row_stops_a_run_that_is_to_stop_there(place):
    place.write("a", "b", "c", "d")
    run = place.begin()
    oracle = Oracle(lambda text: refused(text) if text == "b" else text)
    ending = place.run(run, oracle, stop_on_error=True)
    assert ending.status is RunStatus.FAILED
    assert ending.error is None
    assert "line 2: no b" in ending.message
    assert oracle.asked == {"a": 1, "b": 1}


@pytest.mark.parametrize("workers", [1, 3])
def test_no_row_is_asked_while_it_is_not_known_whether_one_before_it_failed(place, workers):
    place.write(*(f"row {number}" for number in range(30)))
    run = place.begin()
    oracle = Oracle(lambda text: refused(text) if text == "row 9" else text)
    place.run(run, oracle, workers=workers, stop_on_error=True, kind=LateEngine)
    assert oracle.asked.total() <= 9 + workers
    assert len(place.told) == oracle.asked.total()


def test_what_is_in_flight_when_a_row_fails_is_finished(place):
    place.write("a", "b", "c", "d")
    run = place.begin()
    oracle = Oracle(lambda text: refused(text) if text == "a" else text)
    place.run(run, oracle, workers=2, stop_on_error=True)
    assert place.answers(run) == {1: "b"}
    assert place.errors(run) == {0: "no a"}


def test_a_used_up_quota_ends_the_run_and_is_its_error(place):
    place.write("a", "b", "c")
    run = place.begin()
    quota = LLMQuotaError("credit is used up", provider_name="openai")
    ending = place.run(run, Oracle(lambda text: quota if text == "b" else text))
    assert ending.status is RunStatus.FAILED
    assert isinstance(ending.error, LLMQuotaError)
    assert place.answers(run) == {0: "a"}


def test_an_output_that_cannot_be_written_ends_the_run(place):
    place.write("a", "b")
    run = place.begin()

    class Full(list):
        def append(self, done):
            raise InputError("cannot write out.csv: No space left on device")

    place.told = Full()
    spec = PromptSpec(inputs=(str(place.input),))
    with spec.open() as prompts:
        rows = RowRun(
            engine=LiveEngine([Oracle()], config=ProcessorConfig(max_workers=1)),
            prompts=prompts,
            store=place.store,
            run=run,
            on_row=place.told.append,
            keys=Keys({}),
        )
        ending = run_virtual(rows.ask())
    assert ending.status is RunStatus.FAILED
    assert "No space left" in ending.message
    assert place.answers(run) == {0: "A"}


def test_answers_have_to_be_what_the_schema_says(place):
    place.write('{"age": 3}', '{"age": "three"}', '```json\n{"age": 4}\n```'.replace("\n", " "))
    schema = OutputSchema(
        name="answer", schema={"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    )
    run = place.begin()
    place.run(run, Oracle(str), schema=schema)
    values = {done.position: (done.outcome.value, done.outcome.error) for done in place.told}
    assert values[0] == ({"age": 3}, None)
    assert values[2] == ({"age": 4}, None)
    assert "not what the schema asks for" in values[1][1]
    assert next(place.store.answers(run, failed=True)).response == '{"age": "three"}'
    again = Oracle(str)
    place.run(run, again, schema=schema)
    assert {done.position: done.outcome.value for done in place.told if done.origin is Origin.KEPT} == {
        0: {"age": 3},
        2: {"age": 4},
    }


def test_a_rerun_with_a_cache_asks_only_what_changed(place, tmp_path):
    place.write("a", "b")
    with AnswerCache(tmp_path / "batch.db") as cache:
        place.run(place.begin("one"), Oracle(), cache=cache)
    place.write("a", "new", "b")
    oracle = Oracle()
    run = place.begin("two")
    with AnswerCache(tmp_path / "batch.db") as cache:
        place.run(run, oracle, cache=cache)
    assert oracle.asked == {"new": 1}
    assert place.answers(run) == {0: "A", 1: "NEW", 2: "B"}
    assert place.store.spent(run)[1] == Decimal("0.00075")


def test_failures_are_not_cached(place, tmp_path):
    place.write("a")
    with AnswerCache(tmp_path / "batch.db") as cache:
        place.run(place.begin("one"), Oracle(refused), cache=cache)
        oracle = Oracle()
        place.run(place.begin("two"), oracle, cache=cache)
    assert oracle.asked == {"a": 1}


def test_a_run_stops_before_it_costs_more_than_it_may(place):
    place.write(*map(str, range(20)))
    run = place.begin()
    allowance = Allowance(Budget(limit=Decimal("0.003")), request=Decimal("0.001"))
    ending = place.run(run, Oracle(), workers=5, allowance=allowance)
    assert isinstance(ending.error, BudgetError)
    assert ending.status is RunStatus.PAUSED
    assert Decimal("0.002") < place.store.spent(run)[1] <= Decimal("0.003")


def test_cancelled_it_writes_what_arrived(place):
    place.write("a", "b", "c")
    run = place.begin()
    spec = PromptSpec(inputs=(str(place.input),))

    async def cancelled(prompts):
        rows = RowRun(
            engine=LiveEngine([Oracle()], config=ProcessorConfig(max_workers=1)),
            prompts=prompts,
            store=place.store,
            run=run,
            on_row=place.told.append,
            keys=Keys({}),
        )
        asking = asyncio.create_task(rows.ask())
        await asyncio.sleep(1.5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with spec.open() as prompts:
        run_virtual(cancelled(prompts))
    assert place.answers(run) == {0: "A"}
