"""A small task, and an engine over fakes: no network, no waiting."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from batchwright.batch.collecting.collector import Collector
from batchwright.batch.collecting.row_runs import write_row_jobs
from batchwright.batch.orchestrator import Engine
from batchwright.batch.sending.assembler import Assembly
from batchwright.batch.sending.creation import write_jobs
from batchwright.batch.sending.planner import JobsPer
from batchwright.errors import ChangedInputError, InputError
from batchwright.job import BatchRef
from batchwright.reports.base import ReportSpec
from batchwright.request import Message, Request
from batchwright.result import Failure, FailureKind, ResultStatus
from batchwright.run import Run
from batchwright.sources.row_prompts import PromptSpec
from batchwright.tasks.base import Document, Handled, Task
from batchwright.tasks.remaining import what_is_left
from batchwright.tasks.rows import BATCH, COLUMNS, DEDUPE, DIGEST, VIA, RowsTask
from batchwright.testing import START, FakeClock, FakeProvider
from batchwright.tracking.ids import JobIds
from batchwright.tracking.memory import MemoryJobStore
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.runs import RunStore
from batchwright.tracking.state import StateFile


class EchoTask(Task):
    """Asks for the upper case of words; an answer is one word a line, `id=WORD`."""

    name = "echo"
    output_schema = None
    items_word = "words"
    report = ReportSpec(columns=("id", "word", "answer"), key="id", identity=("word",), answer="answer")

    def __init__(self, folder, documents: dict[str, list[str]]) -> None:
        self.folder = folder
        self.words = documents
        self.unreadable: set[str] = set()

    def documents(self) -> Sequence[Document]:
        return [Document(group="g", name=name, item_ids=range(len(words))) for name, words in self.words.items()]

    def make_batch(self, document, index, item_ids):
        words = self.words[document.name]
        if any(item >= len(words) for item in item_ids):
            raise ChangedInputError("gone")
        digest = "-".join(words[item] for item in item_ids)
        return BatchRef(group="g", document=document.name, index=index, item_ids=tuple(item_ids), digest=digest)

    def build_request(self, batch, custom_id):
        if batch.document in self.unreadable:
            raise InputError(f"cannot read {batch.document}")
        lines = [f"{item}={self.words[batch.document][item]}" for item in batch.item_ids]
        return Request(custom_id=custom_id, messages=(Message.text(*lines),))

    def handle_result(self, batch, result):
        if not result.succeeded:
            return Handled(warnings=(f"{batch.document}: {result.failure.message}",))
        answers = dict(line.split("=") for line in (result.text or "").split("\n") if line)
        words = self.words[batch.document]
        return Handled(
            rows=tuple(
                {"id": str(item), "word": words[item], "answer": answers[str(item)]}
                for item in batch.item_ids
                if str(item) in answers
            )
        )

    def identify(self, document):
        return {item: {"word": word} for item, word in enumerate(self.words[document.name])}

    def report_path(self, group, document):
        return self.folder / group / f"{document}.csv"


@dataclass
class House:
    """Everything an engine test needs."""

    task: EchoTask
    provider: FakeProvider
    clock: FakeClock
    store: MemoryJobStore
    folders: JobFolders
    engine: Engine
    job_ids: JobIds
    settings: dict = field(default_factory=dict)

    def plan(self, *, batch_size=2, limit=None, force=False, jobs_per=JobsPer.RUN):
        planned = what_is_left(
            self.task.documents(),
            task=self.task,
            records=self.store.load(),
            batch_size=batch_size,
            limit=limit,
            force=force,
        )
        assembly = Assembly(
            task=self.task,
            provider=self.provider,
            jobs_per=jobs_per,
            batch_size=batch_size,
            open_payload=lambda job_id, suffix: self.folders.writer(self.folders.requests_path(job_id, suffix)),
            new_job_id=self.job_ids,
            now=self.clock.now,
        )
        jobs = list(write_jobs(planned, assembly))
        self.store.add(jobs)
        return planned, jobs

    def create(self, **options):
        _, jobs = self.plan(**options)
        return list(self.engine.submit_all(jobs))

    def look(self):
        return list(self.engine.look_at_all(self.store.load()))

    def report(self, document):
        return (self.task.report_path("g", document)).read_text(encoding="utf-8")


@pytest.fixture
def house(tmp_path):
    task = EchoTask(tmp_path / "documents", {"a": ["one", "two", "three"], "b": ["four"]})
    clock = FakeClock()
    provider = FakeProvider(lambda text: text.upper(), clock=clock)
    store = MemoryJobStore()
    folders = JobFolders(tmp_path / "data" / "jobs.json")
    job_ids = JobIds(clock.now)
    state = StateFile(tmp_path / "data" / "state.json")
    collector = Collector(store=store, folders=folders, state=state, clock=clock)
    engine = Engine(
        store=store,
        folders=folders,
        clock=clock,
        collector=collector,
        provider_of=lambda _name, _model: provider,
        task_of=lambda _name: task,
        new_job_id=job_ids,
    )
    return House(
        task=task,
        provider=provider,
        clock=clock,
        store=store,
        folders=folders,
        engine=engine,
        job_ids=job_ids,
    )


class Rows:
    """A run over a small table, and the engine that carries it."""

    def __init__(self, house, folder):
        self.house = house
        self.folder = folder
        self.source = folder / "reviews.csv"
        self.runs = RunStore(folder / "data" / "batch.db")
        self.task = RowsTask(self.runs, outputs=folder / "data" / "batch_runs", now=house.clock.now)
        house.engine = replace(house.engine, task_of=lambda _name: self.task)

    def begin(self, texts=("good", "bad", "late"), *, dedupe=True, **more):
        lines = ["id,text", *(f"{number},{text}" for number, text in enumerate(texts))]
        self.source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        spec = PromptSpec(inputs=(str(self.source),), template="Mood of {text}", **more)
        with spec.open() as prompts:
            digest = prompts.digest()
        config = spec.config() | {VIA: BATCH, DIGEST: digest, COLUMNS: ["id", "text"], DEDUPE: dedupe}
        return self.runs.create(
            Run(
                run_id="reviews",
                created_at=START,
                input_file=str(self.source),
                output_file=str(self.folder / "out.csv"),
                model="gpt-5.4-mini",
                total=len(texts),
                config=config,
            )
        )

    def took_up(self, template, **more):
        """As if the run had begun with this template over the input as it is now."""
        spec = PromptSpec(inputs=(str(self.source),), template=template, **more)
        with spec.open() as prompts:
            config = {**self.runs.get("reviews").config, **spec.config(), DIGEST: prompts.digest()}
        self.runs.update("reviews", config=config)

    def plan(self):
        house = self.house
        assembly = Assembly(
            task=self.task,
            provider=house.provider,
            jobs_per=JobsPer.RUN,
            batch_size=1,
            open_payload=lambda job_id, suffix: house.folders.writer(house.folders.requests_path(job_id, suffix)),
            new_job_id=house.job_ids,
            now=house.clock.now,
        )
        document = self.task.document("reviews")
        jobs = list(write_row_jobs(self.task, document, assembly, records=house.store.load()))
        house.store.add(jobs)
        return jobs

    def send(self):
        return list(self.house.engine.submit_all(self.plan()))

    def prompts(self):
        return [line["text"] for lines in self.house.provider.sent.values() for line in lines]

    def fail(self, places, kind=FailureKind.SERVER):
        """Let the requests at `places` of a job fail at the provider."""
        whole = type(self.house.provider).results

        def results(job):
            for result in whole(self.house.provider, job):
                failed = int(result.custom_id.rpartition("-")[2]) in places
                failure = Failure(kind=kind, message="The server had an error.")
                yield replace(result, status=ResultStatus.ERRORED, text=None, failure=failure) if failed else result

        self.house.provider.results = results

    @property
    def output(self):
        with (self.folder / "out.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def rows(house, tmp_path):
    rows = Rows(house, tmp_path)
    yield rows
    rows.runs.close()
