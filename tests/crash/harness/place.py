"""A workspace, the emulator it talks to, and what must be true of both once everything is done.

What must be true is read with nothing of batchwright's own code: JSON, CSV, the emulator's log and its hash.
"""

import csv
import gc
import json
import math
import os
import shutil
import ssl
import sys
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from batchwright.cli.main import main
from batchwright.emulator import verdict
from batchwright.emulator.responders import find_issues
from batchwright.workspace import copy_to
from harness.emulator import RUNS_S, Emulator
from harness.watching import await_end, exit_code, say_where_if_aborted

GRACE = "0.02"
"""Seconds between the two listings that prove a job absent; the emulator's create and list do not lag."""
WATCH = "0.5"
"""Seconds to watch. A job that is sent only then ends after time has passed once more, in the next run."""
UNDISTURBED_WATCH = "120"
"""The same where nothing went wrong before: every job has ended, so that it takes so long on a busy machine only."""
RESTARTS = 8
"""Runs after which a workspace that is still not finished counts as one that never will be."""
COLUMNS = [
    "issue_id",
    "page_number",
    "issue",
    "highlighted_context",
    "pass_code",
    "error_category",
    "confidence_score",
    "reasoning",
]


@dataclass(frozen=True)
class Work:
    """What is asked of whom, in how many jobs."""

    provider: str
    documents: tuple = ("gcse-geography.md", "guidance-for-teaching.md")
    """Two of two batches each: at Anthropic, jobs of one size made at one time are told apart by their answers only."""
    batch_size: int = 10
    jobs_per: str = "document"
    limit: int | None = None

    @property
    def create(self):
        words = ["batch-create", "--provider", self.provider, "--jobs-per", self.jobs_per]
        words += ["--batch-size", str(self.batch_size)]
        words += ["--limit", str(self.limit)] if self.limit else []
        return [*words, "--documents", *self.documents]


@dataclass(frozen=True)
class Place:
    """One workspace for one piece of work; `begin` makes it as new, from the template beside it."""

    root: Path
    work: Work
    emulator: Emulator
    issues: dict = field(default_factory=dict)
    """(subject, filename) → the lines of the issue report, numbered by their place."""

    @property
    def folder(self):
        return self.root / "workspace"

    @property
    def template(self):
        return self.root / "template"

    @property
    def output(self):
        return self.root / "output.txt"

    @property
    def environment(self):
        return {"BATCHWRIGHT_EMULATOR_URL": self.emulator.url, "BATCHWRIGHT_GRACE": GRACE, "NO_COLOR": "1"}

    @property
    def tracking_file(self):
        return self.folder / "data" / "batch_jobs.json"

    @property
    def state_file(self):
        return self.folder / "data" / "llm_categoriser_state.json"

    def report(self, subject, filename):
        return self.folder / "Documents" / subject / "document_reports" / f"{filename.removesuffix('.md')}.csv"

    def begin(self):
        self.emulator.reset()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.template, self.folder)
        self.output.unlink(missing_ok=True)

    # The expected

    @property
    def jobs(self):
        if self.work.jobs_per == "document":
            return len(self.issues)
        return self.requests

    @property
    def requests(self):
        return sum(math.ceil(len(lines) / self.work.batch_size) for lines in self.issues.values())

    # The commands

    def live(self, between=None, *, watch=WATCH):
        """Create, look, let time pass (`between`), watch, fetch; in this process, which must be in the workspace."""
        between = between or self.let_time_pass
        commands = [
            self.work.create,
            ["batch-fetch", "--check-all-pending"],
            None,
            ["batch-watch", "--interval", "0.05", "--timeout", watch],
            ["batch-fetch", "--check-all-pending"],
        ]
        for words in commands:
            if words is None:
                between()
            else:
                call(words)
        return 0

    def let_time_pass(self):
        """Until every job that was created has ended."""
        self.emulator.advance(2 * RUNS_S)

    def enter(self):
        """Make this process one that a person starts in the workspace."""
        for name in [name for name in os.environ if name.startswith(("BATCHWRIGHT_", "LLM_"))]:
            del os.environ[name]
        os.environ.update(self.environment)
        os.chdir(self.folder)

    def forked(self, act):
        """Run `act` in a child that shares everything imported so far; return its exit code, negative for a signal.

        One that hangs is ended, after it has said where.
        """
        child = self.start(act)
        return await_end(child, lambda: exit_code(child), *self.signs)

    @property
    def signs(self):
        """Where it shows that a run gets on."""
        return self.folder, self.output

    def start(self, act):
        """Begin `act` in a child; return its process id."""
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            self._become(act)
        return child

    def _become(self, act):
        code = 70
        try:
            handle = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            say_where_if_aborted()
            self.enter()
            code = act()
        except BaseException:  # noqa: BLE001  (the child must never come back into the parent's code)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def finish(self):
        """Run the same commands again until everything is done; return how often that took."""
        for restart in range(1, RESTARTS + 1):
            if self.forked(self.live) or self.finished():
                return restart
        return RESTARTS + 1

    # The found

    def tracked(self):
        """The records of the tracking file by our job id; none where it is torn, which `torn` says."""
        try:
            return json.loads(self.tracking_file.read_bytes())["jobs"]
        except (FileNotFoundError, ValueError):
            return {}

    def rows(self, subject, filename):
        try:
            with self.report(subject, filename).open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file, strict=True))
        except (FileNotFoundError, ValueError, csv.Error):
            return []

    def finished(self):
        collected = all(job.get("collected_at") for job in self.tracked().values())
        return collected and all(len(self.rows(*key)) == len(lines) for key, lines in self.issues.items())

    def torn(self):
        """What is wrong, at any moment, with the files that others read; one that is not there yet is right."""
        for path, read in (
            (self.tracking_file, lambda data: json.loads(data)["jobs"]),
            (self.state_file, lambda data: json.loads(data)["subjects"]),
            *((self.report(*key), read_report) for key in self.issues),
        ):
            try:
                read(path.read_bytes())
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, csv.Error) as error:
                yield f"torn: {path.name}: {error!r}"

    def violations(self):
        """Everything that is not as it must be once all is done."""
        return [
            *self.torn(),
            *self._paid(),
            *self.misreported(),
            *self._remembered(),
            *self.misnoted(),
            *self.crashes(),
        ]

    def _paid(self):
        """Each request created exactly once, by the emulator's count and by what the requests ask about."""
        stats = self.emulator.stats(self.work.provider)
        if (stats["creates"], stats["requests"]) != (self.jobs, self.requests):
            yield f"paid: {stats['creates']} jobs of {stats['requests']} requests, not {self.jobs} of {self.requests}"
        sent = Counter(
            (issue["issue_id"], folded(issue["issue"]), folded(issue["highlighted_context"]))
            for request in self.emulator.requests(self.work.provider)
            for issue in find_issues(request["prompt"] or "") or ()
        )
        wanted = Counter(
            (number, folded(line["Issue"]), folded(line["Highlighted Context"]))
            for lines in self.issues.values()
            for number, line in enumerate(lines)
        )
        for issue in sorted(sent.keys() | wanted.keys()):
            if sent[issue] != wanted[issue]:
                yield f"paid: issue {issue[:2]} was asked {sent[issue]} time(s), not {wanted[issue]}"

    def misreported(self):
        """Every row present once, with the emulated model's verdict computed again."""
        for (subject, filename), lines in self.issues.items():
            rows = [{name: folded(row.get(name) or "") for name in COLUMNS} for row in self.rows(subject, filename)]
            if rows != [expected_row(line, number) for number, line in enumerate(lines)]:
                yield f"rows: {filename} has {[row['issue_id'] for row in rows]}"

    def _remembered(self):
        jobs = self.tracked()
        if len(jobs) != self.jobs:
            yield f"tracked: {len(jobs)} jobs, not {self.jobs}"
        for job_id, job in jobs.items():
            whole = all(batch["unanswered"] == [] for batch in job["batches"]) if job.get("collected_at") else False
            if job["state"] != "completed" or not whole or job.get("error_message"):
                yield f"tracked: {job_id} is {job['state']}: {job.get('error_message')} {job.get('last_error')}"
        names = Counter(job["job_name"] for job in jobs.values() if job.get("job_name"))
        if any(count > 1 for count in names.values()):
            yield f"tracked: one provider job for several of ours: {names}"

    def misnoted(self):
        """The state file lists every batch, and git is kept off the payloads."""
        ignored = self.folder / "data" / "batch_jobs" / ".gitignore"
        if not ignored.exists() or ignored.read_bytes().strip() != b"*":
            yield "payloads are not ignored"
        wanted = {}
        for (subject, filename), lines in self.issues.items():
            batches = list(range(math.ceil(len(lines) / self.work.batch_size)))
            wanted.setdefault(subject, {})[filename] = {"completed_batches": batches, "total_issues": len(lines)}
        found = self.state_file.read_bytes() if self.state_file.exists() else b"{}"
        try:
            if json.loads(found).get("subjects") != wanted:
                yield f"state: {found.decode()}"
        except ValueError:
            yield "state: torn"

    def said(self):
        """What the commands wrote on either stream."""
        return self.output.read_text(encoding="utf-8", errors="replace") if self.output.exists() else ""

    def crashes(self):
        """What a command said that must not be said."""
        _, mark, rest = self.said().partition("Traceback")
        if mark:
            yield f"said: Traceback{rest[-2000:]}"


def make_place(root, work, emulator, *, issues_per_document=None):
    """Make a place with the sample workspace, or a large invented document of so many issues, as its template."""
    place = Place(root, work, emulator)
    copy_to(place.template)
    if issues_per_document:
        _invent(place.template, issues_per_document)
    with (place.template / "Documents" / "language-check-report.csv").open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            if line["Filename"] in work.documents:
                place.issues.setdefault((line["Subject"], line["Filename"]), []).append(line)
    return place


def warm_up(place):
    """Do the work once in this process, so that children forked from it have nothing left to import."""
    # Each client would read the certificates of the world, a third of all time, and speak plain HTTP to the emulator.
    ssl.create_default_context = cache(ssl.create_default_context)
    here, streams = Path.cwd(), (os.dup(1), os.dup(2))
    place.begin()
    place.enter()
    with place.output.open("wb") as file:
        for handle in (1, 2):
            os.dup2(file.fileno(), handle)
        place.live(watch=UNDISTURBED_WATCH)
        sys.stdout.flush()
    for handle, saved in enumerate(streams, start=1):
        os.dup2(saved, handle)
        os.close(saved)
    os.chdir(here)
    if wrong := place.violations():
        raise AssertionError(f"without any crash: {wrong}\n{place.said()}")
    gc.collect()
    while threading.active_count() > 1:  # a thread is not forked, and a lock it holds would never be freed
        time.sleep(0.01)
    gc.freeze()


def _invent(folder, count):
    """Replace the issue report by one about many issues of each document."""
    path = folder / "Documents" / "language-check-report.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns, lines = reader.fieldnames, list(reader)
    firsts = {line["Filename"]: line for line in lines}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for filename in sorted(firsts):
            for number in range(count):
                writer.writerow({**firsts[filename], "Issue": f"word {number} of {filename}"})


def read_report(data):
    lines = list(csv.reader(data.decode().splitlines(keepends=True), strict=True))
    if lines[:1] != [COLUMNS] or any(len(cells) != len(COLUMNS) for cells in lines) or not data.endswith(b"\n"):
        raise ValueError("it is no whole report")
    numbers = [int(cells[0]) for cells in lines[1:]]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"its rows are {numbers}")


def call(words):
    """Run one command in this process and note how it ended."""
    code = main(words)
    sys.stdout.write(f"= {words[0]}: exit {code}\n")
    sys.stdout.flush()
    return code


def tell(figures):
    """Say what a program of this harness found."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def folded(text):
    return " ".join(text.split())


def expected_row(line, number):
    """The row that an issue's line must become, by the emulated model's own hash."""
    judged = verdict({"issue": line["Issue"], "highlighted_context": line["Highlighted Context"]})
    return {
        "issue_id": str(number),
        "page_number": line["Page"],
        "issue": folded(line["Issue"]),
        "highlighted_context": folded(line["Highlighted Context"]),
        "pass_code": line["Pass Code"],
        "error_category": judged.error_category,
        "confidence_score": str(judged.confidence_score),
        "reasoning": judged.reasoning,
    }
