"""The command line as its users meet it: a subprocess in a workspace, the emulator on a real port.

The installed program takes most of its processor time to load itself and a vendor's SDK. It is what `start` runs, and
`run` and `shell` where they are asked for it; else the command's process is made by a program that has all that loaded.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from batchwright.emulator import RunningEmulator, Scenario, verdict
from batchwright.workspace import copy_to

PROVIDERS = ("gemini", "openai", "anthropic")
REPORT_COLUMNS = [
    "issue_id",
    "page_number",
    "issue",
    "highlighted_context",
    "pass_code",
    "error_category",
    "confidence_score",
    "reasoning",
]
AT_ONCE = {"validating_s": 0, "in_progress_s": 0, "finalizing_s": 0, "cancelling_s": 0}
"""Jobs that are done when they are first looked at."""
PATIENCE = 60
"""Seconds after which a command is taken to hang."""
INSTALLED = (sys.executable, "-m", "batchwright")


def folded(text):
    return " ".join(text.split())


@dataclass
class Workspace:
    """A folder, and the commands run in it."""

    folder: Path
    url: str | None
    home: Path
    quick: Path | None = None
    """The folder of programs that run like the installed ones, and sooner."""
    variables: dict = field(default_factory=dict)

    def environment(self, more=None):
        """Nothing of the machine's own settings: no key, no .env of its user, no colour wishes."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}{os.pathsep}/usr/local/bin"
        clean = {"PATH": programs, "HOME": str(self.home), "LANG": "C.UTF-8", **self.variables}
        if self.url is not None:
            clean["BATCHWRIGHT_EMULATOR_URL"] = self.url
        return {name: value for name, value in (clean | (more or {})).items() if value is not None}

    def run(self, *words, env=None, check=None, cwd=None, text=True, installed=False):
        """Run `batchwright` to its end; with `check`, demand that exit code."""
        command = INSTALLED if installed or self.quick is None else (self.quick / "batchwright",)
        done = subprocess.run(
            [*command, *map(str, words)],
            cwd=cwd or self.folder,
            env=self.environment(env),
            capture_output=True,
            text=text,
            timeout=PATIENCE,
            check=False,
        )
        if check is not None:
            assert done.returncode == check, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words, env=None):
        """Run `batchwright` in the background, where Ctrl-C reaches it however this test was started."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [*INSTALLED, *map(str, words)],
                cwd=self.folder,
                env=self.environment(env),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def shell(self, script, *, programs=None, env=None, installed=False):
        """Run a script under `bash -e`; `programs` is a folder that comes first on the PATH."""
        variables = self.environment(env)
        folders = [programs, None if installed else self.quick, variables["PATH"]]
        variables["PATH"] = os.pathsep.join(str(folder) for folder in folders if folder is not None)
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @property
    def emulator(self):
        return Service(self.url)

    @property
    def tracking_file(self):
        return self.folder / "data" / "batch_jobs.json"

    @property
    def jobs(self):
        """The records of the tracking file by our job id."""
        return json.loads(self.tracking_file.read_bytes())["jobs"] if self.tracking_file.exists() else {}

    @property
    def only_job(self):
        ((job_id, record),) = self.jobs.items()
        return {"job_id": job_id, **record}

    @property
    def state(self):
        return json.loads((self.folder / "data" / "llm_categoriser_state.json").read_bytes())

    @property
    def reports(self):
        return sorted(self.folder.glob("Documents/*/document_reports/*.csv"))

    def rows(self, path):
        with (self.folder / path).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def report_of(self, subject, filename):
        return self.folder / "Documents" / subject / "document_reports" / f"{filename.removesuffix('.md')}.csv"

    @property
    def issues(self):
        """The issue report read with nothing of ours: (subject, filename) to its lines, numbered by their place."""
        found = {}
        for line in self.rows("Documents/language-check-report.csv"):
            found.setdefault((line["Subject"], line["Filename"]), []).append(line)
        return found

    def tree(self, root=None):
        """Every file below the folder and its bytes."""
        root = root or self.folder
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def wrong_rows(self):
        """Rows that are not the verdict on their issue, and issues without a row."""
        wrong = []
        for (subject, filename), lines in self.issues.items():
            path = self.report_of(subject, filename)
            rows = self.rows(path) if path.exists() else []
            if [row["issue_id"] for row in rows] != [str(number) for number in range(len(lines))]:
                wrong.append(f"{path}: {[row['issue_id'] for row in rows]}")
                continue
            for line, row in zip(lines, rows, strict=True):
                if self.seen(row) != expected_row(line, row["issue_id"]):
                    wrong.append(f"{path}: {row}")
        return wrong

    @staticmethod
    def seen(row):
        return {name: folded(row[name]) for name in REPORT_COLUMNS}

    def make_document(self, lines, *, text=None, subject="Geography", filename="one.md"):
        """Replace the issue report by one about a single document; `lines` are (issue, context) pairs."""
        columns = ["Subject", "Filename", "Page", "Rule ID", "Type", "Issue", "Message"]
        columns += ["Suggestions", "Highlighted Context", "Pass Code"]
        report = self.folder / "Documents" / "language-check-report.csv"
        report.parent.mkdir(exist_ok=True)
        with report.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for issue, context in lines:
                writer.writerow([subject, filename, 1, "RULE", "grammar", issue, "message", "", context, "LT"])
        page = self.folder / "Documents" / subject / "markdown" / filename
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text or "One page of text.\n", encoding="utf-8")


def expected_row(line, issue_id):
    """The row an issue's line must become, by the emulated model's own hash."""
    judged = verdict({"issue": line["Issue"], "highlighted_context": line["Highlighted Context"]})
    return {
        "issue_id": str(issue_id),
        "page_number": line["Page"],
        "issue": folded(line["Issue"]),
        "highlighted_context": folded(line["Highlighted Context"]),
        "pass_code": line["Pass Code"],
        "error_category": judged.error_category,
        "confidence_score": str(judged.confidence_score),
        "reasoning": judged.reasoning,
    }


@dataclass
class Service:
    """A running emulator, and what can be asked of it over its controls."""

    url: str

    def stats(self, provider):
        return httpx2.get(f"{self.url}/_emulator/stats").raise_for_status().json()[provider]

    def total(self, counter):
        return sum(each[counter] for each in httpx2.get(f"{self.url}/_emulator/stats").json().values())

    def log(self, provider, kind):
        text = httpx2.get(f"{self.url}/_emulator/log", params={"provider": provider, "kind": kind}).raise_for_status()
        return [json.loads(line) for line in text.content.split(b"\n") if line]

    def advance(self, seconds):
        httpx2.post(f"{self.url}/_emulator/clock", json={"advance": seconds}).raise_for_status()

    def behave(self, **settings):
        httpx2.patch(f"{self.url}/_emulator/scenario", json=settings).raise_for_status()


@contextmanager
def opened(root, *, quick=None, sample=True, **behaviour):
    """A workspace below `root` and an emulator for it; jobs are done at once unless `behaviour` says otherwise."""
    folder, home = root / "workspace", root / "home"
    folder.mkdir(exist_ok=True)
    home.mkdir()
    if sample:
        copy_to(folder)
    with RunningEmulator(root / "emulator", scenario=Scenario.everywhere(**(AT_ONCE | behaviour))) as running:
        yield Workspace(folder, running.url, home, quick)


@pytest.fixture(scope="session")
def open_workspace(warm_programs):
    """For workspaces that several tests look at."""
    return partial(opened, quick=warm_programs)


@pytest.fixture
def workspace(tmp_path, open_workspace):
    """The sample workspace: three documents of two subjects, 30 issues, 5 batches."""
    with open_workspace(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def bare(tmp_path, open_workspace):
    """An empty folder to run commands in."""
    with open_workspace(tmp_path, sample=False) as workspace:
        yield workspace


@pytest.fixture
def emulator(workspace):
    """The emulator of `workspace`; a test that wants other jobs than such that are done at once calls `behave`."""
    return workspace.emulator


@pytest.fixture
def no_emulator(workspace):
    """The sample workspace where nothing says that there is an emulator."""
    return replace(workspace, url=None)


@pytest.fixture(scope="session")
def shared_folder():
    """The folder of third-party material beside the repository."""
    root = Path(os.environ.get("BATCHWRIGHT_SHARED") or Path(__file__).parents[3] / "shared")
    if not root.is_dir():
        pytest.skip("the shared material is not here")
    return root


class Vendor:
    """A stand-in for OpenAI's batch service that says what a test wants said; written from the vendor's format.

    With `quotes_key` it refuses whatever it is asked, in any vendor's form, and quotes the key.
    """

    def __init__(self):
        self.url = ""
        self.answers = [("[]", "stop")]
        """Text and finish reason of each answer; the last one stands for all that follow."""
        self.job_error = None
        self.job_error_code = "invalid_json_line"
        self.refusal = None
        self.quotes_key = False
        self.seen = []
        """Every value of every header that arrived."""
        self._requests = []

    def reply(self, method, path, headers, body):
        """Return (status, body) for one call."""
        self.seen += headers.values()
        if self.quotes_key:
            return 401, self._refused(f"Incorrect API key provided: {'; '.join(headers.values())}", "invalid_api_key")
        if self.refusal is not None:
            return 400, self._refused(self.refusal, "invalid_request")
        path = path.removeprefix("/openai/v1")
        if path.endswith("/content"):
            return 200, b"".join(self._result_line(number) for number in range(len(self._requests)))
        if (method, path) == ("POST", "/files"):
            self._requests = [json.loads(line) for line in body.split(b"\n") if line.startswith(b'{"custom_id"')]
            return 200, b'{"id":"file-in","object":"file","bytes":1,"created_at":1,"filename":"x","purpose":"batch"}'
        return 200, json.dumps(self._batch(ended=method == "GET")).encode()

    @staticmethod
    def _refused(message, code):
        error = {"message": message, "type": "authentication_error", "status": "UNAUTHENTICATED", "code": code}
        return json.dumps({"type": "error", "error": error}).encode()

    def _batch(self, *, ended):
        status = "in_progress" if not ended else "failed" if self.job_error else "completed"
        batch = {
            "id": f"batch_{self._requests[0]['custom_id'][4:16]}",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-in",
            "completion_window": "24h",
            "created_at": 1_800_000_000,
            "status": status,
        }
        if status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": self.job_error_code, "message": self.job_error}]}
        if status == "completed":
            batch["output_file_id"] = "file-out"
        return batch

    def _result_line(self, number):
        text, finish_reason = self.answers[min(number, len(self.answers) - 1)]
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": finish_reason, "message": message}
        body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice]}
        response = {"status_code": 200, "request_id": "req_1", "body": body}
        line = {"id": "batch_req_1", "custom_id": self._requests[number]["custom_id"], "response": response}
        return json.dumps(line).encode() + b"\n"


@pytest.fixture
def vendor():
    """A running `Vendor`; its `url` is what stands for the emulator's."""
    stand_in = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = stand_in.reply(self.command, self.path.partition("?")[0], dict(self.headers), body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815  (http.server's name)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield stand_in
        server.shutdown()
        thread.join()
