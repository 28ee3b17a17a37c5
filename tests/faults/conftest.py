"""The main job under a fault: the commands in process, the SDKs over real connections, one clock for both sides."""

import csv
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchwright import aio
from batchwright.cli.main import main
from batchwright.config import KEY_VARIABLES
from batchwright.credentials import EMULATOR_PREFIXES
from batchwright.emulator import RunningEmulator, Scenario, verdict
from batchwright.emulator.faults import parse_fault
from batchwright.emulator.vendor import Vendor
from batchwright.job import JobRecord, JobState, JobStatus, status_of
from batchwright.providers import registry
from batchwright.testing import FakeClock
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.workspace import copy_to

DOCUMENT = "fieldwork-handbook.md"
"""Five issues of the sample; asked three at a time, that is two requests in one job."""
GRACE = 60
DAY = 86_400.0
AT_ONCE = {"validating_s": 0, "in_progress_s": 0, "finalizing_s": 0, "cancelling_s": 0}
SHORT, LONG = 0.3, 60.0
"""Seconds after which a call that hangs is given up: where one does, and where none should."""

_COMMAND = re.compile(r"\bbatch-(?:create|fetch|watch|retry|reconcile|cancel)\b")


@dataclass(frozen=True)
class Ran:
    """What a command said."""

    words: tuple
    code: int
    text: str


@dataclass
class Desk:
    """Somebody with a workspace who runs commands; nothing here waits, for sleeping moves the clock."""

    folder: Path
    clock: FakeClock
    emulator: RunningEmulator
    provider: str
    read: object
    """Returns what was printed since it was last called."""
    close: object
    """Closes the connections of the last command, as the end of its process would."""
    ran: list = field(default_factory=list)
    options: tuple = ()
    """Given with every command."""
    keys: set = field(default_factory=set)
    """The keys that providers were opened with."""
    cancels: bool = False
    """Whether the job runs for an hour and is to be cancelled meanwhile."""
    excused: Counter = field(default_factory=Counter)
    """How often each issue was asked again because its job is over and brought no usable answer."""
    seen: set = field(default_factory=set)
    """The jobs that are excused."""

    def run(self, *words):
        code = main([str(word) for word in (*words, *self.options)])
        self.close()
        done = Ran(words=words, code=code, text=self.read())
        assert "Traceback" not in done.text, f"{words}:\n{done.text}"
        assert code != 1, f"{words} ended in something nobody foresaw:\n{done.text}"
        self.ran.append(done)
        for record in self.records:
            failed = status_of(record) is JobStatus.FAILED
            assert not failed or self.commands_in(record.error_message), f"{words}: {record}"
        return done

    def create(self, batch_size=3):
        if self.cancels:
            self.behave(in_progress_s=3600)
        words = ("--documents", DOCUMENT, "--batch-size", batch_size, "--provider", self.provider)
        return self.run("batch-create", *words)

    def cancel(self):
        return self.run("batch-cancel", "--job-names", *(record.job_id for record in self.records))

    def fetch(self):
        return self.run("batch-fetch", "--check-all-pending")

    def watch(self, minutes, interval):
        """Look, and again after every so many minutes, for so many."""
        return self.run("batch-watch", "--timeout", f"{minutes}m", "--interval", f"{interval}m")

    def ask(self, prompt):
        """Ask a live question, with a provider as a program has it."""
        try:
            return registry.open_provider(self.provider).generate(prompt)
        finally:
            self.close()

    def strike(self, *faults):
        """Set these faults (JSON forms), and no others."""
        parsed = [fault for form in faults for fault in parse_fault({"provider": self.provider, **form})]
        self.emulator.world.set_faults(tuple(parsed))

    def behave(self, **settings):
        self.emulator.world.use_scenario(self.emulator.world.scenario.patched(settings))

    @property
    def struck(self):
        """How often a fault struck."""
        return sum(entry["kind"] == "fault" for entry in self.emulator.world.journal.entries())

    @property
    def records(self) -> list[JobRecord]:
        """What is remembered of the jobs, but for those whose requests other jobs took over. Reads the file anew."""
        records = JsonFileJobStore(Path("data/batch_jobs.json")).load()
        return [record for record in records if record.request_count]

    @property
    def typed(self):
        """The commands that were run."""
        return {ran.words[0] for ran in self.ran}

    @property
    def said(self):
        """Everything that was said, for a failing test."""
        return "\n".join(f"$ {' '.join(map(str, ran.words))}  [{ran.code}]\n{ran.text}" for ran in self.ran)

    @property
    def issues(self):
        with (self.folder / "Documents/language-check-report.csv").open(encoding="utf-8-sig", newline="") as file:
            return [line for line in csv.DictReader(file) if line["Filename"] == DOCUMENT]

    def answered(self):
        """The issues that have a row, which must be the verdict on them, and no other issue's."""
        path = self.folder / "Documents/Geography/document_reports/fieldwork-handbook.csv"
        if not path.exists():
            return set()
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            issue = self.issues[int(row["issue_id"])]
            judged = verdict({"issue": issue["Issue"], "highlighted_context": issue["Highlighted Context"]})
            assert row["error_category"] == judged.error_category, row
            assert row["reasoning"].rstrip("\u2028") == judged.reasoning, row
        ids = [int(row["issue_id"]) for row in rows]
        assert len(ids) == len(set(ids)), f"an issue has two rows: {ids}"
        return set(ids)

    @property
    def complete(self):
        return self.answered() == set(range(len(self.issues)))

    def bring_home(self):
        """Do what somebody does who reads: fetch what is pending, give the commands that the messages name."""
        for wait in (2 * GRACE, 2 * GRACE, 3 * DAY, 2 * GRACE, 2 * GRACE, 2 * GRACE):
            if self.complete:
                return
            self.clock.advance(wait)
            if any(status_of(record) is JobStatus.PENDING for record in self.records):
                self.fetch()
            self._do_as_told()

    def _do_as_told(self):
        failed = [record for record in self.records if status_of(record) is JobStatus.FAILED]
        for record in failed:
            if record.state is JobState.SUBMITTING:
                self._look_in_the_console(record)
        commands = {command for record in failed for command in self.commands_in(record.error_message)}
        if "batch-cancel" in commands:
            dropped = [record.job_id for record in failed if "batch-cancel" in record.error_message]
            self.run("batch-cancel", "--job-names", *dropped)
            self.create(batch_size=1)
        elif "batch-create" in commands:
            answered = self.answered()
            for record in failed:
                if record.state.ended and record.job_id not in self.seen:
                    self.seen.add(record.job_id)
                    asked = {item for batch in record.batches for item in batch.item_ids}
                    self.excused.update(asked - answered)
            self.create()

    def _look_in_the_console(self, record):
        """Say which of the provider's jobs is the unresolved one, or that there is none."""
        world, mark = self.emulator.world, f"{record.tag}-".encode()
        shown = [job.id for job in world.store.jobs(Vendor(self.provider))]
        ours = [name for name in shown if any(mark in line for _, _, line in world.requests_of(name))]
        self.run("batch-reconcile", "--job-names", record.job_id, *(["--adopt", *ours] if ours else ["--absent"]))

    def paid_wrongly(self):
        """Issues that were asked in more answered requests than one, and one more for each job that lost its answer.

        However late a job came into being, and whether or not anybody looked at it.
        """
        world = self.emulator.world
        self.clock.advance(3 * DAY)
        paid = Counter()
        for job in world.store.all_jobs(Vendor(self.provider)):
            world.look(job)
            for outcome in world.outcomes_of(job.id):
                if outcome.fate == "answered":
                    paid.update(_asked_in(outcome.reading.ask.prompt))
        return {issue: times for issue, times in paid.items() if times > 1 + self.excused[issue]}

    @staticmethod
    def commands_in(text):
        """The commands that a text names."""
        return set(_COMMAND.findall(text or ""))


def _asked_in(prompt):
    """The issues that a prompt asks about: those of its last JSON."""
    _, _, asked = prompt.rpartition("```json")
    return [int(number) for number in re.findall(r'"issue_id": ?(\d+)', asked)]


@pytest.fixture(scope="session")
def _times():
    return {}


@pytest.fixture(scope="session")
def _emulator(tmp_path_factory, _times):
    with RunningEmulator(
        tmp_path_factory.mktemp("emulator"), clock=lambda: _times["clock"].now().timestamp()
    ) as emulator:
        yield emulator


@pytest.fixture
def _orderly_logging():
    logger = logging.getLogger("batchwright")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def open_desk(tmp_path, monkeypatch, capsys, _emulator_times, _orderly_logging):
    """Return a function that opens a desk for a provider."""
    emulator, times = _emulator_times

    def open_one(provider, grace=GRACE, *, hangs=False, key=None, where="environment"):
        times["clock"] = clock = FakeClock(datetime.now(UTC))  # from now, for the dates in headers
        emulator.world.use_scenario(Scenario.everywhere(**AT_ONCE))
        emulator.world.reset()
        copy_to(tmp_path)
        monkeypatch.chdir(tmp_path)
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LLM_PRIMARY"):
            monkeypatch.delenv(name, raising=False)
        options = {"timeout": SHORT if hangs else LONG}
        if key is None:
            monkeypatch.setenv("BATCHWRIGHT_EMULATOR_URL", emulator.url)
        else:  # as at a real provider, but for the address
            monkeypatch.delenv("BATCHWRIGHT_EMULATOR_URL", raising=False)
            options["base_url"] = f"{emulator.url}{EMULATOR_PREFIXES[provider]}"
            (variable, *_) = KEY_VARIABLES[provider]
            if where == ".env":
                (tmp_path / where).write_text(f"{variable}={key}\n", encoding="utf-8")
            else:
                monkeypatch.setenv(variable, key)
        monkeypatch.setenv("BATCHWRIGHT_GRACE", str(grace))
        monkeypatch.setattr("batchwright.cli.workbench.SystemClock", lambda: clock)
        monkeypatch.setattr("batchwright.providers.gemini.adapter.SystemClock", lambda: clock)
        providers = []
        original = registry.open_provider

        def opened(*words, **asked):
            providers.append(original(*words, **options, **asked))
            desk.keys.update(providers[-1]._calls.secrets)
            return providers[-1]

        def close():
            while providers:
                aio.run(providers.pop().aclose())

        monkeypatch.setattr(registry, "open_provider", opened)
        monkeypatch.setattr("google.genai._api_client.INITIAL_RETRY_DELAY", 0)

        def read():
            said = capsys.readouterr()
            return said.out + said.err

        desk = Desk(folder=tmp_path, clock=clock, emulator=emulator, provider=provider, read=read, close=close)
        return desk

    return open_one


@pytest.fixture
def _emulator_times(_emulator, _times):
    return _emulator, _times
