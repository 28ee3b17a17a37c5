"""When a run of the harness counts as hung: by what it shows, not by how long it takes on a busy machine."""

import importlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STILL_S = 100


class Clock:
    """Stands still until it is told to move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watching(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("harness.watching")


@pytest.fixture
def stillness(watching, tmp_path, clock):
    return watching.Stillness(tmp_path / "workspace", tmp_path / "output.txt", still=STILL_S, clock=clock)


def test_a_run_that_changes_nothing_for_long_is_still(stillness, clock):
    clock.now = STILL_S - 1
    assert not stillness.lasts()
    clock.now = STILL_S
    assert stillness.lasts()


@pytest.mark.parametrize("name", ["output.txt", "workspace/data/batch_jobs.json"])
def test_a_slow_run_that_says_or_writes_something_now_and_then_is_not_still_however_long_it_takes(
    name, stillness, clock, tmp_path
):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for step in range(1, 20):
        clock.now = step * (STILL_S - 1)
        with (tmp_path / name).open("a") as file:
            file.write("more\n")
        assert not stillness.lasts()


def test_a_process_that_hangs_is_ended_and_says_where_it_was(watching, tmp_path):
    hanging = "from harness.watching import say_where_if_aborted as ready; import sys; ready(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hanging], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=HERE, text=True
    ) as process:
        code = watching.await_end(process.pid, process.poll, tmp_path, still=2)
        said = process.stderr.read()
    assert code == -signal.SIGABRT
    assert "most recent call first" in said
