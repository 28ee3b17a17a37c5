"""Every page is run: its commands, its programs, and what it says they answer.

With BATCHWRIGHT_UPDATE_DOCS=1 an answer that differs is written into the page instead; look at the difference then.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic_core
import pytest

from batchwright.config import EMULATOR_VARIABLE
from batchwright.emulator import RunningEmulator, Scenario
from batchwright.workspace import copy_to

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
UPDATE = os.environ.get("BATCHWRIGHT_UPDATE_DOCS") == "1"
READERS = 3
SHELL_TIMEOUT = 240
"""Seconds; far more than anything takes on a machine that is not busy with other things."""
pytestmark = pytest.mark.timeout(900)  # a page may wait until others are read
AT_ONCE = {"validating_s": 0, "in_progress_s": 0, "finalizing_s": 0, "cancelling_s": 0}
"""Jobs that are done when somebody first looks: pages wait for nothing."""

_SLEEP = f"""\
import os, sys, urllib.request

def sleep(seconds):  # nobody waits: the emulator's clock goes on instead
    request = urllib.request.Request(os.environ["{EMULATOR_VARIABLE}"] + "/_emulator/clock", b'{{"advance": %s}}')
    request.data %= str(seconds).encode()
    urllib.request.urlopen(request).close()
"""
_SLEEP_PROGRAM = f"#!{sys.executable} -SE\n{_SLEEP}\nsleep(float(sys.argv[1]))\n"
_INTERPRETER = f"""\
{_SLEEP}
import contextlib, io, json, time, traceback

time.sleep, names = sleep, {{"__name__": "__page__"}}
for line in sys.stdin:
    folder, place, code = json.loads(line)
    output, trouble = io.StringIO(), ""
    with contextlib.chdir(folder), contextlib.redirect_stdout(output):
        try:
            exec(compile(code, place, "exec"), names)
        except BaseException:
            trouble = traceback.format_exc()
    print(json.dumps([output.getvalue(), trouble]), flush=True)
"""


@dataclass(frozen=True)
class Ran:
    code: int
    output: str


class Reader:
    """Somebody who follows a page to the letter, in a sample workspace, with an emulator for the providers."""

    def __init__(self, folder: Path, closing: contextlib.ExitStack, transcript, warm: Path) -> None:
        self._folder = folder
        self._warm = warm
        self._closing = closing
        self._transcript = transcript
        self._interpreter: Any = None
        self._beginnings = 0
        self._unread: str | None = None
        self.corrections: list[tuple[int, str, str]] = []
        """Line of a block's fence, its body, and what it should be."""
        self.begin()

    def begin(self) -> None:
        """Start with a new workspace and a new emulator."""
        self._beginnings += 1
        home = self._folder / str(self._beginnings)
        self._cwd = home / "workspace"
        copy_to(self._cwd)
        (self._cwd / "data").mkdir()
        self._emulator = self._closing.enter_context(
            RunningEmulator(home / "emulator", scenario=Scenario.everywhere(**AT_ONCE))
        )
        programs = home / "programs"
        programs.mkdir()
        sleep = programs / "sleep"
        sleep.write_text(_SLEEP_PROGRAM)
        sleep.chmod(0o755)
        for name in ("batchwright", "llm", "python"):
            (programs / name).symlink_to(self._warm / name)
        self._state = home / "state"
        self._interpreter = None
        self._environment = {
            "PATH": os.pathsep.join([str(programs), str(PROGRAMS), os.environ["PATH"]]),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
            EMULATOR_VARIABLE: self._emulator.url,
            **{f"GIT_{who}_{what}": "reader@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def follow(self, block) -> None:
        """Do what a block says. Fails where it does not do what the page says."""
        if block.marked("fresh") is not None:
            self.begin()
        if settings := block.marked("scenario"):
            self._emulator.world.use_scenario(Scenario.everywhere(**AT_ONCE).patched(pydantic_core.from_json(settings)))
        for word, command in block.marks:
            if word == "before":
                self._expect(block, self._shell(command), 0)
        if block.marked("not run") is not None or block.marked("illustration") is not None or not _has_needs(block):
            self._unread = None
        elif name := block.marked("file"):
            (self._cwd / name).write_text(self._local(block.body))
        elif name := block.marked("shows"):
            self._compare(block, block.body, (self._cwd / name).read_text(encoding="utf-8-sig"))
        else:
            self._act(block)

    def _act(self, block) -> None:
        match block.language:
            case "console":
                self._follow_transcript(block)
            case "bash":
                self._unread = self._expect(block, self._shell("set -e\n" + self._typed(block, block.body)))
            case "python":
                self._unread = self._execute(block)
            case "yaml" if block.marked("steps") is not None:
                for step in steps_of(block.body):
                    self._expect(block, self._shell("set -e\n" + self._typed(block, step)))
            case "text" if self._unread is not None:
                self._compare(block, block.body, self._unread)
                self._unread = None
            case language:
                pytest.fail(f"{block.place}: nobody knows what to do with this {language} block; give it a mark")

    def _follow_transcript(self, block) -> None:
        exchanges = list(exchanges_of(block))
        shown, came = "", ""
        for number, (command, expected) in enumerate(exchanges, start=1):
            typed = self._typed(block, command)
            if block.marked("serves") is not None:
                output = self._serve(block, typed, expected.count("\n"))
            else:
                code = int(block.marked("exit") or 0) if number == len(exchanges) else 0
                output = self._expect(block, self._shell(typed), code)
            prompt = "$ " + "\n> ".join(command.split("\n")) + "\n"
            if self._transcript.agree(expected, output):
                shown, came = shown + prompt + expected, came + prompt + expected
                continue
            shown += prompt + expected
            if UPDATE and not self._transcript.omits(expected):
                came += prompt + self._transcript.corrected(expected, output)
            else:
                self._disagree(block, expected, output)
        if came != shown:
            self.corrections.append((block.line, block.body, came))

    def _compare(self, block, expected: str, actual: str) -> None:
        if self._transcript.agree(expected, actual):
            return
        if UPDATE and not self._transcript.omits(expected):
            self.corrections.append((block.line, block.body, self._transcript.corrected(expected, actual)))
        else:
            self._disagree(block, expected, actual)

    def _disagree(self, block, expected: str, actual: str) -> None:
        difference = self._transcript.difference(expected, actual)
        pytest.fail(f"{block.place} shows something else than what comes:\n{difference}", pytrace=False)

    def _expect(self, block, ran: Ran, code: int = 0) -> str:
        if ran.code != code:
            pytest.fail(f"{block.place} ended with {ran.code}, not {code}:\n{ran.output}", pytrace=False)
        return ran.output

    def _typed(self, block, command: str) -> str:
        for word, rest in block.marks:
            if word == "as":
                shown, _, run = rest.partition(" => ")
                assert shown in command, f"{block.place}: {shown!r} is not in the block"
                command = command.replace(shown, run)
        return self._local(self._transcript.typed(command))

    def _local(self, text: str) -> str:
        """The emulator's address of the page, as it is in this run."""
        return text.replace("http://127.0.0.1:8765", self._emulator.url)

    def _shell(self, script: str) -> Ran:
        """Run a script as the reader's shell would, which remembers its folder and variables."""
        remember = f"pwd > {self._state}.cwd; env -0 > {self._state}.env"
        done = subprocess.run(
            ["bash", "-c", f"{script}\ncode=$?\n{remember}\nexit $code"],
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=SHELL_TIMEOUT,
            check=False,
        )
        with contextlib.suppress(FileNotFoundError):
            self._cwd = Path(Path(f"{self._state}.cwd").read_text().rstrip("\n"))
            pairs = Path(f"{self._state}.env").read_text().split("\0")
            self._environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return Ran(done.returncode, done.stdout)

    def _serve(self, block, command: str, lines: int) -> str:
        """Start a server on a free port, read as many lines as the page shows, and stop it."""
        program = subprocess.Popen(
            re.sub(r"--port \d+", "--port 0", command).split(),
            cwd=self._cwd,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert program.stdout is not None
        with program:
            output = "".join(program.stdout.readline() for _ in range(max(lines, 1)))
            program.send_signal(signal.SIGINT)
            program.stdout.read()
            assert program.wait(timeout=20) == 128 + signal.SIGINT, f"{block.place}: {output}"
        return output if lines else ""

    def _execute(self, block) -> str:
        """Run a block in the page's own interpreter; line numbers in a traceback are the page's."""
        if self._interpreter is None:
            self._interpreter = self._closing.enter_context(_interpreter(self._warm / "python", self._environment))
        code = "\n" * block.line + self._local(self._transcript.typed(block.body))
        self._interpreter.stdin.write(json.dumps([str(self._cwd), block.page, code]) + "\n")
        self._interpreter.stdin.flush()
        output, trouble = json.loads(self._interpreter.stdout.readline())
        if trouble:
            pytest.fail(f"{block.place}:\n{output}{trouble}", pytrace=False)
        return output


@contextlib.contextmanager
def _interpreter(python: Path, environment: dict[str, str]) -> Iterator[Any]:
    """A Python that runs one block after another in one namespace, and takes every warning for an error."""
    # Clients that a program does not close are closed by the garbage collector, which would complain.
    command = [str(python), "-W", "error", "-W", "ignore::ResourceWarning", "-c", _INTERPRETER]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as program:
        yield program


def _has_needs(block) -> bool:
    return all(shutil.which(rest) for word, rest in block.marks if word == "needs")


def exchanges_of(block) -> Iterator[tuple[str, str]]:
    """The commands of a transcript, each with its output; a command goes on in lines that begin with `> `."""
    command, output = "", ""
    for line in block.body.splitlines(keepends=True):
        if line.startswith("$ ") and not (command and block.marked("single") is not None):
            if command:
                yield command, output
            command, output = line[2:].rstrip("\n"), ""
        elif not output and line.startswith("> "):
            command += "\n" + line[2:].rstrip("\n")
        else:
            assert command, f"{block.place}: a transcript begins with a command"
            output += line
    yield command, output


def steps_of(workflow: str) -> list[str]:
    """The `run:` steps of a workflow."""
    steps = re.findall(r"^ *(?:- )?run: (?:\|\n((?: {4,}.*\n|\n)+)|([^|\n].*)\n)", workflow, re.MULTILINE)
    assert len(steps) == workflow.count("run: "), "a step was not understood"
    return [textwrap.dedent(many) or one for many, one in steps]


def follow(page, folder: Path, transcript, warm: Path) -> None:
    """Read a page from beginning to end; write what it should show into it where that was asked for."""
    with contextlib.ExitStack() as closing:
        reader = Reader(folder, closing, transcript, warm)
        for block in page.blocks:
            reader.follow(block)
    if reader.corrections:
        lines = page.text.split("\n")
        for line, before, after in reversed(reader.corrections):
            lines[line : line + before.count("\n")] = after.rstrip("\n").split("\n")
        (ROOT / page.name).write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def reading(request, pages, tmp_path_factory, new_transcript, warm_programs):
    """The future of a page that is read: all that are asked for at once, several at a time, for they mostly wait.

    Where pytest-xdist has shared the tests out, nobody knows which pages come here: each is read when its turn comes.
    """
    asked = {
        item.callspec.params["page_name"]
        for item in request.session.items
        if getattr(item, "originalname", "") == test_a_page_does_what_it_says.__name__
    }
    assert (PROGRAMS / "batchwright").exists(), "install the package first: the pages run its command"
    with ThreadPoolExecutor(READERS) as readers:

        def read(name):
            return readers.submit(follow, pages[name], tmp_path_factory.mktemp("page"), new_transcript(), warm_programs)

        shared_out = hasattr(request.config, "workerinput")
        begun = {} if shared_out else {name: read(name) for name in sorted(asked)}
        yield lambda name: begun.get(name) or read(name)


def test_a_page_does_what_it_says(page_name, reading):
    reading(page_name).result()


def test_what_is_not_run_is_there_and_has_a_reason(page_name, pages, root):
    for block in pages[page_name].blocks:
        reason = block.marked("not run") or block.marked("illustration")
        if block.marked("not run") is None and block.marked("illustration") is None:
            continue
        assert reason, f"{block.place}: say why"
        _, _, paths = reason.partition("; exists ")
        for path in paths.split():
            assert (root / path).exists(), f"{block.place}: {path} is not there"
        for shown in re.findall(r"\bscripts/[\w-]+", block.body):
            assert os.access(root / shown, os.X_OK), f"{block.place}: {shown} cannot be run"


PAGE = """\
<!-- test: fresh -->
```console
$ batchwright batch-show job-aaaaaaaaaaaa
job  job-aaaaaaaaaaaa
$ cat a \\
> b
c
```
"""


def test_a_transcript_is_taken_apart_into_commands_and_their_output(parse_page):
    (block,) = parse_page("page", PAGE).blocks
    assert block.marked("fresh") == ""
    assert list(exchanges_of(block)) == [
        ("batchwright batch-show job-aaaaaaaaaaaa", "job  job-aaaaaaaaaaaa\n"),
        ("cat a \\\nb", "c\n"),
    ]


@pytest.mark.parametrize("text", ["```\nno end\n", "<!-- test: fresh -->\nno block\n", "```cobol\n```\n"])
def test_a_page_that_cannot_be_taken_apart_is_refused(text, parse_page):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        parse_page("page", text)


def test_an_output_agrees_but_for_names_and_times(new_transcript):
    names = new_transcript()
    assert names.agree("job-aaaaaaaaaaaa at 2026-01-01 10:00\n", "job-bbbbbbbbbbbb at 2027-02-03 11:11\n")
    assert names.agree("job-aaaaaaaaaaaa again\n", "job-bbbbbbbbbbbb again\n")
    assert not names.agree("job-aaaaaaaaaaaa again\n", "job-cccccccccccc again\n")
    assert not names.agree("3 rows\n", "4 rows\n")
    assert names.typed("batchwright batch-show job-aaaaaa") == "batchwright batch-show job-bbbbbbbbbbbb"


def test_an_omission_stands_for_any_lines_and_for_nothing_else(new_transcript):
    names = new_transcript()
    assert names.agree("a\n...\nz\n", "a\nb\nc\nz\n")
    assert not names.agree("a\n...\nz\n", "a\nb\nc\n")


def test_every_step_of_a_workflow_is_found():
    workflow = "- name: A\n  run: one\n- name: B\n  run: |\n    two\n      three\n"
    assert steps_of(workflow) == ["one", "two\n  three\n"]
