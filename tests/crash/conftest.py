"""The programs that crash batchwright, run beside the tests; each prints its figures as one JSON object."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROVIDERS = ("openai", "anthropic", "gemini")


class Programs:
    """Starts `python -m harness.NAME FOLDER ...` in the background; `figures` waits for what it prints."""

    def __init__(self, root, python):
        self.root = root
        self.python = python
        self.running = []

    def start(self, name, *words):
        folder = self.root / f"{len(self.running)}-{name}"
        command = [self.python, "-m", f"harness.{name}", str(folder), *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        self.running.append(process)
        return process

    def for_each_provider(self, name, *words):
        """Return what starts the program for a provider, or has started it: all three, to use both cores.

        A worker of pytest-xdist has only some of the tests, and there are other workers for the other cores.
        """
        begin = cache(lambda provider: self.start(name, provider, *words))
        if "PYTEST_XDIST_WORKER" not in os.environ:
            for provider in PROVIDERS:
                begin(provider)
        return begin

    @staticmethod
    def figures(process):
        said, trouble = process.communicate()
        assert process.returncode == 0, trouble
        return json.loads(said)

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.communicate()


@pytest.fixture(scope="module")
def programs(tmp_path_factory, warm_programs):
    programs = Programs(tmp_path_factory.mktemp("crash"), warm_programs / "python")
    yield programs
    programs.stop()


@pytest.fixture
def shown(capsys):
    """Print a line of figures, past pytest's capture."""

    def show(line):
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return show
