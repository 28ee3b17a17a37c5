"""The main job under a fault: the commands in process, the SDKs over real connections, one clock for both sides."""

import csv
import json
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batchwright.cli.main import main
from batchwright.emulator import RunningEmulator, Scenario, verdict
from batchwright.emulator.faults import parse_fault
from batchwright.emulator.vendor import Vendor
from batchwright.job import JobRecord, JobState
from batchwright.providers import registry
from batchwright.testing import FakeClock
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.workspace import copy_to

DOCUMENT = "fieldwork-handbook.md"
"""Five issues of the sample; asked three at a time, that is two requests in one job."""
GRACE = 60
DAY = 86_400.0
AT_ONCE = {"validating_s": 0, "in_progress_s": 0, "finalizing_s": 0, "cancelling_s": 0}
TIMEOUT = 0.5
"""Seconds after which a call that hangs is given up; a real provider gets ten minutes."""

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

    def run(self, *words):
        code = main([str(word) for word in words])
        self.close()
        done = Ran(words=words, code=code, text=self.read())
        assert "Traceback" not in done.text, f"{words}:\n{done.text}"
        assert code != 1, f"{words} ended in something nobody foresaw:\n{done.text}"
        self.ran.append(done)
        return done

    def create(self):
        return self.run("batch-create", "--documents", DOCUMENT, "--batch-size", 3, "--provider", self.provider)

    def fetch(self):
        return self.run("batch-fetch", "--check-all-pending")

    def watch(self):
        """Four looks, a minute apart."""
        return self.run("batch-watch", "--timeout", "3m", "--interval", "60")

    def strike(self, *faults):
        """Set these faults (JSON forms), and no others."""
        parsed = [fault for form in faults for fault in parse_fault({"provider": self.provider, **form})]
        self.emulator.world.set_faults(tuple(parsed))

    def behave(self, **settings):
        self.emulator.world.use_scenario(self.emulator.world.scenario.patched(settings))

    @property
    def strikes(self):
        return [entry for entry in self.emulator.world.journal.entries() if entry["kind"] == "fault"]

    @property
    def records(self) -> list[JobRecord]:
        """What is remembered of the jobs, but for those whose requests other jobs took over. Reads the file anew."""
        records = JsonFileJobStore(Path("data/batch_jobs.json")).load()
        return [record for record in records if record.request_count]

    @property
    def log(self):
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

    def paid(self):
        """How often each issue was asked in a request that was answered, in whichever job, however late that came."""
        world = self.emulator.world
        self.clock.advance(3 * DAY)
        paid = Counter()
        for job in world.store.all_jobs(Vendor(self.provider)):
            world.look(job)
            for outcome in world.outcomes_of(job.id):
                if outcome.fate == "answered":
                    paid.update(_asked_in(outcome.reading.ask.prompt))
        return paid

    def named(self, text):
        """The commands that a text names."""
        return set(_COMMAND.findall(text))


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

    def open_one(provider):
        times["clock"] = clock = FakeClock()
        emulator.world.use_scenario(Scenario.everywhere(**AT_ONCE))
        emulator.world.reset()
        copy_to(tmp_path)
        monkeypatch.chdir(tmp_path)
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LLM_PRIMARY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("BATCHWRIGHT_EMULATOR_URL", emulator.url)
        monkeypatch.setenv("BATCHWRIGHT_GRACE", str(GRACE))
        monkeypatch.setattr("batchwright.cli.workbench.SystemClock", lambda: clock)
        providers = []
        original = registry.open_provider

        def opened(*words, **options):
            providers.append(original(*words, timeout=TIMEOUT, **options))
            return providers[-1]

        def close():
            while providers:
                providers.pop()._client.close()

        monkeypatch.setattr(registry, "open_provider", opened)
        monkeypatch.setattr("google.genai._api_client.INITIAL_RETRY_DELAY", 0)

        def read():
            said = capsys.readouterr()
            return said.out + said.err

        return Desk(folder=tmp_path, clock=clock, emulator=emulator, provider=provider, read=read, close=close)

    return open_one


@pytest.fixture
def _emulator_times(_emulator, _times):
    return _emulator, _times
