"""The emulated services' one state: clock, scenario, stored jobs and files. The vendors' routes are views of it."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from batchwright.emulator.asks import tokens
from batchwright.emulator.clock import Clock
from batchwright.emulator.engine import History, Phase, View, view
from batchwright.emulator.faults.answers import Answer, answer_under
from batchwright.emulator.faults.book import FaultBook
from batchwright.emulator.faults.jobs import birth_under, settings_under, view_under
from batchwright.emulator.faults.lines import ends_without_newline, lines_under
from batchwright.emulator.http import LateCommitError
from batchwright.emulator.journal import Journal
from batchwright.emulator.rates import Allowances, Standing
from batchwright.emulator.responders import respond
from batchwright.emulator.scenario import Scenario
from batchwright.emulator.store import Job, Store, StoredFile
from batchwright.emulator.vendor import Operation, Vendor
from batchwright.emulator.work import Dialect, Examination, Outcome, ResultFiles, Tally, lines_of, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from batchwright.emulator.asks import Ask
    from batchwright.emulator.faults.rules import Fault

COUNTERS = ("creates", "requests", "polls", "lists", "cancels", "uploads", "downloads", "live")
"""What `/_emulator/stats` counts for each vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A job as it stands at this moment; once ended, `job.settled` says what became of it."""

    job: Job
    view: View

    @classmethod
    def at_create(cls, job: Job) -> Self:
        """The job as create answers: nothing has happened yet."""
        return cls(job=job, view=View(phase=Phase.VALIDATING, progress=0.0))


class World:
    """The state of the emulator, in `data_dir` (None: a temporary directory, removed when closed or forgotten).

    `scenario` None means the one remembered in `data_dir`, or the default. `faults` come after the scenario's own, and
    in place of remembered ones. Methods may be called from several threads;
    those that read a job's input (`look`, `add_job`) block as long as that takes.
    """

    def __init__(
        self,
        data_dir: Path | None,
        *,
        dialects: Mapping[Vendor, Dialect],
        scenario: Scenario | None = None,
        faults: Iterable[Fault] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        faults = tuple(faults)
        temporary = data_dir is None
        self.data_dir = Path(tempfile.mkdtemp(prefix="batchwright-emulator-")) if data_dir is None else data_dir
        for folder in ("files", "jobs", "incoming"):
            (self.data_dir / folder).mkdir(parents=True, exist_ok=True)
        self._clock = Clock(clock)
        self.store = Store(self.data_dir / "state.sqlite3", now=self._clock.now)
        self.journal = Journal(self.data_dir / "log.jsonl")
        self._dialects = dialects
        self._settling = threading.Lock()
        self._allowances = {vendor: Allowances() for vendor in Vendor}
        self._clock.offset = self.store.setting("clock_offset") or 0.0
        self.faults = FaultBook(self.store)
        set_before = () if scenario is None else scenario.faults
        if scenario is None:
            scenario = Scenario.parse(self.store.setting("scenario") or {})
        self.use_scenario(replace(scenario, faults=(*set_before, *faults)) if faults else scenario)
        self._finalizer = weakref.finalize(
            self, _release, self.store, self.journal, self.data_dir if temporary else None
        )

    def close(self) -> None:
        """Close the database, and remove the data directory if it is a temporary one. May be called twice."""
        self._finalizer()

    # Clock and scenario

    def now(self) -> float:
        """Seconds since 1970 by the emulator's clock: real time and a settable offset."""
        return self._clock.now()

    def wall(self) -> float:
        """Seconds since 1970 for whoever is not in the emulator's time, such as a client that waits."""
        return self._clock.real()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the emulator's clock is ahead."""
        return self._clock.offset

    def advance_clock(self, seconds: float) -> None:
        """Move the clock."""
        self._clock.offset += seconds
        self.store.put_setting("clock_offset", self._clock.offset)

    @property
    def scenario(self) -> Scenario:
        """What the services do now."""
        return self._scenario

    def use_scenario(self, scenario: Scenario) -> None:
        """Change what the services do; jobs that exist keep the settings and faults they were created with."""
        self._scenario = scenario
        self.store.put_setting("scenario", scenario.to_json())
        self.faults.use(scenario.faults, {vendor: scenario.of(vendor).seed for vendor in Vendor})

    def reset(self) -> None:
        """Forget jobs, files, counters, log and clock offset; the scenario and its faults stay."""
        with self._settling:
            self.store.clear()
            self.journal.clear()
            self._clock.offset = 0.0
            self._allowances = {vendor: Allowances() for vendor in Vendor}
            self.faults.restart()
            self.use_scenario(self._scenario)
            for folder in ("files", "jobs", "incoming"):
                shutil.rmtree(self.data_dir / folder, ignore_errors=True)
                (self.data_dir / folder).mkdir()

    # Faults

    def strike(self, vendor: Vendor, operation: Operation) -> Fault | None:
        """The fault that strikes this call of the vendor."""
        fault = self.faults.on_call(vendor, operation)
        if fault is not None:
            self._note(vendor, (fault,), operation=str(operation))
        return fault

    def set_faults(self, faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
        """Change the scenario's faults, and show what is set; see `FaultBook.use` for which go on counting."""
        self.use_scenario(replace(self._scenario, faults=faults))
        return self.faults.show()

    def _note(self, vendor: Vendor, faults: Iterable[Fault], **where: str) -> None:
        for fault in faults:
            self.journal.write(self.now(), vendor, "fault", name=fault.name, **where)

    # Answers

    def admit(self, vendor: Vendor, ask: Ask) -> Standing | None:
        """Count a live call towards the minute's limits; None where there are none."""
        limits = self._scenario.of(vendor).limits
        return self._allowances[vendor].take(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            tokens=tokens(ask.prompt),
            now=self.now(),
        )

    def answer(self, vendor: Vendor, ask: Ask) -> Answer:
        """A live answer. Every live answer of every vendor passes through here."""
        faults = self.faults.on_live(vendor)
        self._note(vendor, faults, operation=str(Operation.LIVE))
        answer = answer_under(faults, respond(ask, self.scenario.of(vendor).responder))
        self.store.count(vendor, "live")
        if self.scenario.log_bodies:
            now = self.now()
            self.journal.write(now, vendor, "request", job=None, custom_id=None, model=ask.model, prompt=ask.prompt)
            self.journal.write(now, vendor, "answer", job=None, custom_id=None, fate="answered", text=answer.text)
        return answer

    # Jobs

    def folder_of(self, job_id: str) -> Path:
        """Where a job keeps its input and results."""
        return self.data_dir / "jobs" / job_id.replace("/", "_")

    def add_job(
        self,
        vendor: Vendor,
        job_id: str,
        *,
        source: Path,
        requests: int,
        spec: dict[str, Any],
        now: float,
        examined: Examination | None = None,
        inline: bool = False,
    ) -> Job:
        """Commit a job whose requests are the lines of `source`; it keeps its own link to them.

        `examined` is given by vendors that look at the whole input before they accept it; `inline` is whether the
        results come with the job, and not as a file. Raises `LateCommitError` where the job comes into being later.
        """
        faults = self.faults.on_job(vendor, in_file=not inline)
        self._note(vendor, faults, job=job_id)
        birth = birth_under(faults, now)
        folder = self.folder_of(job_id)
        folder.mkdir()
        try:
            os.link(source, folder / "input.jsonl")
        except OSError:
            shutil.copyfile(source, folder / "input.jsonl")
        job = Job(
            id=job_id,
            vendor=vendor,
            history=History(created_at=birth.created_at),
            settings=settings_under(faults, self.scenario.of(vendor)),
            spec={**spec, "requests": requests},
            examined=asdict(examined) if examined else None,
            faults=faults,
        )
        with self.store.transaction():
            self.store.add_job(job, listed_at=birth.listed_at)
            self.store.count(vendor, "creates")
            self.store.count(vendor, "requests", requests)
        if self.scenario.log_bodies:
            self.journal.write(now, vendor, "requests", job=job_id)
        if birth.lost_to is not None:
            raise LateCommitError(silent=birth.lost_to.word("answer") == "drop")
        return job

    def delete_file(self, vendor: Vendor, file: StoredFile) -> None:
        """Delete a file of the vendor's file API; a create that has not taken effect yet and needs it never will."""
        with self.store.transaction():
            self.store.delete_file(file.id)
            for job in self.store.unborn_jobs(vendor):
                if file.id in (job.spec.get("input_file_id"), job.spec.get("file_name")):
                    self.store.forget_job(job.id)
                    self.store.count(vendor, "creates", -1)
                    self.store.count(vendor, "requests", -job.spec["requests"])
        if file.path.startswith("files/"):
            (self.data_dir / file.path).unlink(missing_ok=True)

    def active_jobs(self, vendor: Vendor) -> int:
        """How many jobs of the vendor have not ended."""
        now = self.now()
        return sum(not view(job.history, job.settings, now).phase.ended for job in self.store.all_jobs(vendor))

    def poll(self, vendor: Vendor, job_id: str) -> Look | None:
        """A GET of the job by its owner: counts as a poll."""
        job = self.store.job(vendor, job_id)
        if job is None:
            return None
        if job.settled is None:  # what has ended stays as it is
            self.store.count_poll(job_id, self.now(), ends_at=job.settings.polls_until_done)
        self.store.count(vendor, "polls")
        return self.look(self.store.job(vendor, job_id) or job)

    def cancel(self, vendor: Vendor, job_id: str) -> None:
        """Ask for the job's cancellation."""
        self.store.cancel_job(job_id, self.now())
        self.store.count(vendor, "cancels")

    def look(self, job: Job) -> Look:
        """Where the job stands now; does the work that had to be done up to this moment."""
        now = self.now()
        seen = view(job.history, job.settings, now)
        if job.examined is None and seen.started_at is not None:
            job = self._examined(job)
            seen = view(job.history, job.settings, now)
        if seen.phase.ended and seen.phase is not Phase.FAILED and job.examined and job.settled is None:
            job = self._settled(job, seen)
        return Look(job=job, view=view_under(job.faults, seen))

    def _examined(self, job: Job) -> Job:
        with self._settling:
            known = self.store.any_job(job.id) or job
            if known.examined is not None:
                return known
            found = self._dialects[job.vendor].examine(job, lines_of(self.folder_of(job.id) / "input.jsonl"))
            examined = asdict(found)
            self.store.remember_examined(job.id, examined)
            return replace(job, examined=examined, history=replace(job.history, refused=bool(found.errors)))

    def _settled(self, job: Job, seen: View) -> Job:
        with self._settling:
            known = self.store.any_job(job.id) or job
            if known.settled is not None:
                return known
            settled = self._work(job, seen)
            made = self._dialects[job.vendor].result_files(job, settled["bytes"], seen.ended_at or 0.0)
            with self.store.transaction():
                self.store.remember_settled(job.id, settled)
                for file in made:
                    self.store.add_file(file)
        if self.scenario.log_bodies:
            self.journal.write(self.now(), job.vendor, "answers", job=job.id)
        return replace(job, settled=settled)

    def _work(self, job: Job, seen: View) -> dict[str, Any]:
        """Write the job's result files; the sums over them, and their sizes by part."""
        dialect, tally = self._dialects[job.vendor], Tally()
        if seen.phase is not Phase.SUCCEEDED and not dialect.keeps_partial_results:
            return asdict(tally) | {"bytes": {}}
        folder = self.folder_of(job.id)
        with_newline = dialect.ends_with_newline and not ends_without_newline(job.faults)
        files = ResultFiles(folder, ends_with_newline=with_newline)
        try:
            for outcome in outcomes(job, dialect, folder / "input.jsonl", seen):
                tally.add(outcome)
                part, document = dialect.write(job, outcome, seen.ended_at or 0.0)
                files.write(part, lines_under(job.faults, outcome.position, document))
            return asdict(tally) | {"bytes": files.finish()}
        except BaseException:
            files.abandon()
            raise

    def outcomes_of(self, job_id: str) -> Iterator[Outcome]:
        """What became of each request of a settled job, computed again (it comes out the same)."""
        job = self.store.any_job(job_id)
        if job is None or job.settled is None:
            return
        dialect, seen = self._dialects[job.vendor], view(job.history, job.settings, self.now())
        if seen.phase is Phase.SUCCEEDED or dialect.keeps_partial_results:
            yield from outcomes(job, dialect, self.folder_of(job_id) / "input.jsonl", seen)

    def requests_of(self, job_id: str) -> Iterator[tuple[Job, int, bytes]]:
        """The requests of a job as they arrived, with their positions."""
        job = self.store.any_job(job_id)
        if job is not None:
            for position, line in enumerate(lines_of(self.folder_of(job_id) / "input.jsonl")):
                yield job, position, line

    def dialect(self, vendor: Vendor) -> Dialect:
        """How the vendor reads and writes lines."""
        return self._dialects[vendor]


def _release(store: Store, journal: Journal, temporary: Path | None) -> None:
    store.close()
    journal.close()
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)
