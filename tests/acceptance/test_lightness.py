"""What `--help` and `batch-list` cost: no SDK, no server, hardly any time."""

import re
import resource
import subprocess
import sys

import pytest

HEAVY = {"anthropic", "openai", "google", "httpx2", "httpx", "starlette", "uvicorn", "jinja2", "rich", "pydantic"}
"""Top-level modules that these commands must not load."""
CPU_SECONDS = 0.3
IMPORTED = re.compile(r"^import time:.*\| +(\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def listed(open_workspace, tmp_path_factory):
    """A workspace with jobs to list."""
    with open_workspace(tmp_path_factory.mktemp("listed")) as workspace:
        workspace.run("batch-create", "--provider", "openai", "--jobs-per", "batch", check=0)
        yield workspace


@pytest.mark.parametrize("words", [["--help"], ["batch-list"], ["batch-list", "--json"], ["batch-create", "--help"]])
def test_no_sdk_and_no_server_is_imported(listed, words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batchwright", *words],
        cwd=listed.folder,
        env=listed.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {name.partition(".")[0] for name in IMPORTED.findall(done.stderr)}
    assert "batchwright" in modules
    assert modules & HEAVY == set()


@pytest.mark.parametrize("words", [["--help"], ["batch-list"]])
def test_the_best_of_five_takes_less_than_three_tenths_of_a_second_of_cpu(listed, words):
    assert min(cpu_of(listed, words) for _ in range(5)) < CPU_SECONDS


def cpu_of(workspace, words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    workspace.run(*words, check=0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
