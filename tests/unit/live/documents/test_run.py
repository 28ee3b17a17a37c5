"""A run over fakes: an engine that answers at once, documents of words, reports on a real disk."""

import asyncio
import json
import re
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from batchwright.errors import BudgetError, InputError, LLMQuotaError, TrackingError
from batchwright.job import BatchRef, JobRecord, JobState
from batchwright.live.documents.agenda import Agenda
from batchwright.live.documents.feed import Begun, Ended, LeftOut
from batchwright.live.documents.run import DocumentRun, Noticed, Outcome
from batchwright.live.engine.answering import Answered
from batchwright.pricing.budget import Allowance, Budget
from batchwright.reports.base import ReportSpec
from batchwright.request import Message, Request
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.tasks.base import Document, Handled, Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.overtaking import Overtaking
from batchwright.tasks.remaining import what_is_left
from batchwright.tracking.memory import MemoryJobStore
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.state import StateFile
from batchwright.usage import Usage


class EchoTask(Task):
    """Asks for the upper case of words; an answer is one word a line, `id=WORD`."""

    name = "echo"
    output_schema = None
    items_word = "words"
    report = ReportSpec(columns=("id", "word", "answer"), key="id", identity=("word",), answer="answer")

    def __init__(self, folder, words):
        self.folder = folder
        self.words = words
        self.unreadable = set()

    def documents(self):
        return [Document(group="g", name=name, item_ids=range(len(words))) for name, words in self.words.items()]

    def make_batch(self, document, index, item_ids):
        return BatchRef(group="g", document=document.name, index=index, item_ids=tuple(item_ids))

    def build_request(self, batch, custom_id):
        if batch.document in self.unreadable:
            raise InputError(f"cannot read {batch.document}")
        lines = [f"{item}={self.words[batch.document][item]}" for item in batch.item_ids]
        return Request(custom_id=custom_id, messages=(Message.text(*lines),))

    def handle_result(self, batch, result):
        if not result.succeeded:
            return Handled(warnings=(result.failure.message,))
        answers = dict(line.split("=") for line in result.text.split("\n") if "=" in line)
        words = self.words[batch.document]
        rows = [
            {"id": str(item), "word": words[item], "answer": answers[str(item)]}
            for item in batch.item_ids
            if str(item) in answers
        ]
        missing = len(batch.item_ids) - len(rows)
        return Handled(rows=tuple(rows), warnings=(f"{missing} missing",) if missing else ())

    def identify(self, document):
        return {item: {"word": word} for item, word in enumerate(self.words[document.name])}

    def report_path(self, group, document):
        return self.folder / group / f"{document}.csv"


class Model:
    """An engine that asks `say(text)` of each request, `workers` of them at a time, in an order of its own."""

    def __init__(self, say=str.upper, *, workers=3):
        self.say = say
        self.workers = workers
        self.asked = []
        self.taken = 0

    async def answer(self, asks):
        running = set()
        source = aiter(asks)
        drawing = asyncio.ensure_future(anext(source, None))
        try:
            while drawing is not None or running:
                waited = running | ({drawing} if drawing is not None and len(running) < self.workers else set())
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if drawing in done:
                    ask = drawing.result()
                    drawing = None
                    if ask is not None:
                        running.add(asyncio.ensure_future(self._answer(ask)))
                        drawing = asyncio.ensure_future(anext(source, None))
                for call in done & running:
                    running.discard(call)
                    yield call.result()
        finally:
            for left in (*running, drawing):
                if left is not None:
                    left.cancel()
            await asyncio.gather(*running, *([drawing] if drawing else []), return_exceptions=True)

    async def _answer(self, ask):
        text = ask.request.messages[-1].parts[-1].text
        complaints = [part.text for part in ask.request.messages[-1].parts[:-1]]
        self.asked.append((ask.context.batch.document, tuple(ask.context.batch.item_ids), complaints))
        said = self.say(text)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, Exception):
            raise said
        if isinstance(said, str):
            said = Result(
                custom_id=ask.request.custom_id,
                status=ResultStatus.SUCCEEDED,
                text=said,
                finish_reason=FinishReason.STOP,
            )
        return Answered(
            ask=ask,
            result=said,
            usage=Usage(input_tokens=1, output_tokens=1),
            attempts=1,
            seconds=0.0,
            provider_name="fake",
            model="fake-1",
            cost=Decimal(1),
        )


@dataclass
class House:
    task: EchoTask
    folders: JobFolders
    store: MemoryJobStore
    state_file: StateFile
    busy: list = field(default_factory=list)

    def answer(
        self, model, *, force=False, batch_size=2, at_once=3, max_retries=2, limit=None, after=None, allowance=None
    ):
        """Run to the end; return what happened. `after(run, events)` is called after each event."""
        return asyncio.run(self._answer(model, force, batch_size, at_once, max_retries, limit, after, allowance))

    async def _answer(
        self, model, force=False, batch_size=2, at_once=3, max_retries=2, limit=None, after=None, allowance=None
    ):
        planned = what_is_left(
            self.task.documents(),
            task=self.task,
            records=self.store.load(),
            batch_size=batch_size,
            limit=limit,
            force=force,
        )
        events = []
        with DocumentClaims(self.folders.locks) as claims:
            agenda = Agenda(
                task=self.task, planned=planned, store=self.store, folders=self.folders, claims=claims, force=force
            )
            run = DocumentRun(
                engine=model,
                task=self.task,
                state=self.state_file,
                claims=claims,
                lock_folder=self.folders.locks,
                batch_size=batch_size,
                at_once=at_once,
                max_retries=max_retries,
                allowance=allowance,
                overtaking=Overtaking(store=self.store) if force else None,
            )
            self.events = events
            async with aclosing(run.answer(agenda)) as happening:
                async for event in happening:
                    events.append(event)
                    if after is not None:
                        after(run, event)
            self.busy = agenda.busy
            self.skipped = planned.skipped
        return events

    def rows(self, document):
        path = self.task.report_path("g", document)
        return path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []

    @property
    def state(self):
        return json.loads(self.state_file.path.read_bytes())["subjects"]["g"]


@pytest.fixture
def house(tmp_path):
    words = {"a": [f"word{n}" for n in range(7)], "b": ["four", "five"], "c": ["six"]}
    return House(
        task=EchoTask(tmp_path / "documents", words),
        folders=JobFolders(tmp_path / "data" / "jobs.json"),
        store=MemoryJobStore(),
        state_file=StateFile(tmp_path / "data" / "state.json"),
    )


def outcomes(events):
    return [event for event in events if isinstance(event, Outcome)]


def test_every_item_is_asked_once_and_has_its_row_and_the_state_file_says_so(house):
    model = Model()
    events = house.answer(model)
    assert sorted(ids for document, ids, _ in model.asked if document == "a") == [(0, 1), (2, 3), (4, 5), (6,)]
    assert house.rows("a") == [f"{n},word{n},WORD{n}" for n in range(7)]
    assert house.rows("b") == ["0,four,FOUR", "1,five,FIVE"]
    assert house.state["a"] == {"completed_batches": [0, 1, 2, 3], "total_issues": 7}
    assert sum(outcome.saved for outcome in outcomes(events)) == 10


def test_a_documents_events_stand_between_its_begin_and_its_end(house):
    events = house.answer(Model())
    for document in "abc":
        mine = [event for event in events if event_key(event) == ("g", document)]
        assert isinstance(mine[0], Begun)
        assert isinstance(mine[-1], Ended)
        assert all(isinstance(event, Outcome) for event in mine[1:-1])


def event_key(event):
    return None if isinstance(event, Noticed) else event.key


def test_a_second_run_asks_nothing_whatever_the_batch_size(house):
    house.answer(Model())
    model = Model()
    assert house.answer(model, batch_size=3) == []
    assert model.asked == []


def test_force_asks_everything_again(house):
    house.answer(Model())
    model = Model(lambda text: text.title())
    house.answer(model, force=True)
    assert len(model.asked) == 6
    assert house.rows("c") == ["0,six,Six"]


def test_by_force_the_jobs_that_were_asked_the_same_are_told_of_rows_before_they_are_there(house):
    house.store.add([job_about("c", 0)])
    told = []
    note = house.store.update_many

    def noting(changes):
        told.append(house.rows("c"))
        return note(changes)

    house.store.update_many = noting
    house.answer(Model(lambda text: "" if text.startswith("1=") else text.upper()), force=True)
    assert told == [[]]
    assert [batch.overtaken for batch in house.store.load()[0].batches] == [(0,)]


def test_rows_are_written_though_no_job_can_be_told_of_them(house):
    house.store.add([job_about("c", 0)])

    def failing(_changes):
        raise TrackingError("read-only")

    house.store.update_many = failing
    events = house.answer(Model(), force=True)
    assert house.rows("c") == ["0,six,SIX"]
    (noticed,) = [event.message for event in events if isinstance(event, Noticed)]
    assert noticed.startswith("read-only; a job that was asked the same")


def job_about(document, *item_ids):
    return JobRecord(
        job_id="job-000000000001",
        provider_name="fake",
        task="echo",
        model="m",
        batches=(BatchRef(group="g", document=document, index=0, item_ids=item_ids),),
        request_count=1,
        created_at=None,
        state=JobState.SUBMITTED,
    )


def test_a_limit_counts_batches(house):
    model = Model()
    house.answer(model, limit=2)
    assert len(model.asked) == 2


def test_rows_are_on_disk_when_their_outcome_is_told(house):
    def look(_run, event):
        if isinstance(event, Outcome):
            document = event.question.batch.document
            assert {f"{item}" for item in event.question.batch.item_ids} <= {
                row.split(",")[0] for row in house.rows(document)
            }

    house.answer(Model(), after=look)


def test_items_missing_in_an_answer_are_asked_again_alone_with_the_complaint(house):
    def say(text):
        return "\n".join(line.upper() for line in text.split("\n") if "word3" not in line or "\n" not in text)

    model = Model(say)
    events = house.answer(model)
    (again,) = [(ids, complaints) for _, ids, complaints in model.asked if complaints]
    assert again[0] == (3,)
    assert "1 missing" in again[1][0]
    assert house.rows("a")[3] == "3,word3,WORD3"
    assert all(not outcome.unanswered for outcome in outcomes(events))


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_items_that_never_get_an_answer_are_given_up_after_so_many_retries(house, max_retries):
    model = Model(lambda text: "\n".join(line.upper() for line in text.split("\n") if "word3" not in line))
    events = house.answer(model, max_retries=max_retries)
    assert sum((3 in ids and document == "a") for document, ids, _ in model.asked) == max_retries + 1
    assert [outcome.unanswered for outcome in outcomes(events) if outcome.unanswered] == [(3,)]
    assert house.state["a"]["completed_batches"] == [0, 2, 3]
    assert Ended(key=("g", "a")) in events


def test_a_failed_request_is_told_and_keeps_nobody_from_going_on(house):
    failure = Failure(kind=FailureKind.BLOCKED, message="no")

    def say(text):
        if "four" in text:
            return Result(custom_id="x", status=ResultStatus.ERRORED, failure=failure)
        return text.upper()

    events = house.answer(Model(say))
    assert [outcome.unanswered for outcome in outcomes(events) if outcome.unanswered] == [(0, 1)]
    assert house.rows("b") == []
    assert len(house.rows("a")) == 7


@pytest.mark.parametrize("cut", [False, True])
def test_no_more_answers_are_unsaved_than_was_asked_for(house, cut):
    house.task.words = {name: [f"w{n}" for n in range(40)] for name in "abcdef"}
    counts = Counter()

    async def say(text):
        counts["open"] += 1
        counts["most"] = max(counts["most"], counts["open"])
        await asyncio.sleep(0)
        if cut and "\n" in text:  # and asked again in halves
            return Result(custom_id="x", status=ResultStatus.SUCCEEDED, text="", finish_reason=FinishReason.LENGTH)
        return text.upper()

    def after(_run, event):
        if isinstance(event, Outcome):
            counts["open"] -= 1

    house.answer(Model(say, workers=100), at_once=5, after=after)
    assert counts["most"] == 5


def test_an_unreadable_document_is_left_out_and_named(house):
    house.task.unreadable = {"a"}
    events = house.answer(Model())
    assert [event.reason for event in events if isinstance(event, LeftOut)] == ["cannot read a"]
    assert Ended(key=("g", "a")) in events
    assert len(house.rows("b")) == 2


def test_what_arrived_is_saved_before_an_error_of_the_engine_is_raised(house):
    answered = []

    async def say(text):
        if len(answered) == 3:
            await asyncio.sleep(0.01)
            return LLMQuotaError("used up")
        answered.append(text)
        return text.upper()

    with pytest.raises(LLMQuotaError):
        house.answer(Model(say, workers=2))
    saved = sum(len(house.rows(document)) for document in "abc")
    assert saved == sum(text.count("=") for text in answered)


def test_a_report_that_cannot_be_written_stops_the_run_and_the_others_keep_their_rows(house):
    house.task.words = {name: ["w"] * 2 for name in "abcdefghijklm"}
    path = house.task.report_path("g", "b")
    path.parent.mkdir(parents=True)

    def after(_run, event):
        if isinstance(event, Begun) and event.key == ("g", "b"):
            path.write_text("no,report\n", encoding="utf-8")

    model = Model(workers=2)
    with pytest.raises(InputError, match="cannot be merged"):
        house.answer(model, at_once=2, after=after)
    failed = [outcome for outcome in outcomes(house.events) if outcome.error]
    assert {outcome.key for outcome in failed} == {("g", "b")}
    assert len(model.asked) < 13
    asked = {document for document, _, _ in model.asked} - {"b"}
    assert all(len(house.rows(document)) == 2 for document in asked)


def test_nothing_is_asked_whose_report_could_not_be_written(house):
    place = house.task.folder / "g"
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder should be", encoding="utf-8")
    model = Model()
    assert house.answer(model) == []
    assert model.asked == []
    assert len(house.skipped) == 3
    assert all("is not a folder" in skipped.reason for skipped in house.skipped)


def allowed(dollars, *, request="1"):
    return Allowance(budget=Budget(limit=Decimal(dollars)), request=Decimal(request))


@pytest.mark.parametrize("dollars", [1, 3, 5])
def test_a_budget_ends_the_run_before_a_request_could_exceed_it(house, dollars):
    model = Model()
    with pytest.raises(BudgetError, match="--max-cost"):
        house.answer(model, allowance=allowed(dollars))
    assert len(model.asked) == dollars, "each of them cost a dollar, and was expected to"
    assert sum(outcome.saved for outcome in outcomes(house.events)) == sum(len(ids) for _, ids, _ in model.asked)


def test_a_budget_that_is_just_enough_stops_nothing(house):
    house.answer(Model(), allowance=allowed(6))
    assert len(house.rows("a")) == 7


def test_what_costs_more_than_expected_counts(house):
    model = Model(workers=1)
    with pytest.raises(BudgetError):
        house.answer(model, at_once=1, allowance=allowed("2.5", request="0.1"))
    assert len(model.asked) == 2


def test_a_budget_counts_what_is_asked_again(house):
    model = Model(lambda text: "\n".join(line.upper() for line in text.split("\n") if "word3" not in line))
    with pytest.raises(BudgetError):
        house.answer(model, allowance=allowed(7))
    assert len(model.asked) == 7


def test_stopped_it_saves_what_arrived_and_ends(house):
    async def say(text):
        if "word6" in text:
            await asyncio.Event().wait()
        return text.upper()

    def after(run, event):
        if isinstance(event, Outcome):
            run.stop()

    events = house.answer(Model(say), after=after)
    told = sum(outcome.saved for outcome in outcomes(events))
    assert told == sum(len(house.rows(document)) for document in "abc") > 0


def test_cancelled_it_saves_what_arrived(house):
    hung = asyncio.Event()

    async def go():
        async def say(text):
            if "word6" in text:
                hung.set()
                await asyncio.Event().wait()
            return text.upper()

        running = asyncio.create_task(house._answer(Model(say)))
        await hung.wait()
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(go())
    told = outcomes(house.events)
    assert sum(len(house.rows(document)) for document in "abc") >= sum(outcome.saved for outcome in told)


def test_a_document_that_another_run_is_asking_about_is_left_to_it(house):
    with DocumentClaims(house.folders.locks) as others:
        with house.folders.planning():
            others.take(("g", "a"))
        model = Model()
        house.answer(model)
    assert {document for document, _, _ in model.asked} == {"b", "c"}
    assert [document.name for document in house.busy] == ["a"]


def test_what_was_answered_or_sent_elsewhere_since_planning_is_not_asked(house):

    def after(_run, event):
        if isinstance(event, Begun) and event.key == ("g", "a"):
            house.store.add([job_about("c", 0)])

    model = Model(workers=1)
    house.answer(model, at_once=1, after=after)
    assert {document for document, _, _ in model.asked} == {"a", "b"}


def test_two_runs_at_once_share_the_work(house):
    house.task.words = {f"d{n}": ["w0", "w1", "w2"] for n in range(12)}

    async def slowly(text):
        await asyncio.sleep(0.001)
        return text.upper()

    models = [Model(slowly), Model(slowly)]

    async def both():
        await asyncio.gather(*(house._answer(model) for model in models))

    asyncio.run(both())
    asked = Counter((document, ids) for model in models for document, ids, _ in model.asked)
    assert set(asked.values()) == {1}
    assert len(asked) == 24
    assert all(model.asked for model in models)


def test_trouble_with_the_state_file_is_told_once_and_nothing_is_lost(house):
    house.state_file.path.parent.mkdir(parents=True)
    house.state_file.path.write_text("{", encoding="utf-8")
    events = house.answer(Model(workers=1), at_once=1)
    assert len([event for event in events if isinstance(event, Noticed)]) == 1
    assert re.search("damaged", next(event for event in events if isinstance(event, Noticed)).message)
    assert len(house.rows("a")) == 7
