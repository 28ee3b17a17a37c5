"""Every example runs as it stands, in a sample workspace, against an emulator."""

import os
import subprocess
from pathlib import Path

import pytest

from batchwright.config import EMULATOR_VARIABLE
from batchwright.emulator import RunningEmulator, Scenario
from batchwright.workspace import copy_to

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SAYS = {
    "complete_batch.py": "Mathematics GCSE past paper 2023: Categorise this document: Mathematics GCSE past paper 2023",
    "rows.py": "Please cancel my subscription: Triage\nid,message,topic,urgent\n",
    "stage.py": "pages labelled, 0 skipped, 0 failed\n",
    "three_providers.py": "anthropic (claude-haiku-4-5): ",
    "live_context.py": "Ada (123): What is a limit?",
    "live_error_handling.py": "1 pause, failures: {'quota': 1, 'too_short': 1}",
    "live_middleware.py": "2: no answer (TimeoutError)",
    "live_mock_agent.py": "12 of 12 after 15 calls",
    "live_observers.py": "cooldown_ended: 0.2\nitems_processed: 20\n",
    "live_post_processors.py": "100 lines in answers.jsonl",
    "fallback.py": "[gemini: success]\nWhy is the sea salt?\nWhy is the sky blue?\nFor a child of six.\n",
}
"""A part of what each example prints."""


@pytest.fixture
def run(tmp_path, warm_programs):
    copy_to(tmp_path)
    at_once = Scenario.everywhere(validating_s=0, in_progress_s=0, finalizing_s=0)
    with RunningEmulator(tmp_path / "emulator", scenario=at_once) as emulator:
        variables = {"PATH": os.environ["PATH"], EMULATOR_VARIABLE: emulator.url, "HOME": str(tmp_path)}
        variables |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}

        def run(name):
            words = ["-W", "error", "-W", "ignore::ResourceWarning", str(EXAMPLES / name)]
            done = subprocess.run(
                [warm_programs / "python", *words],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                encoding="utf-8",
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        yield run


def test_there_is_something_to_expect_of_every_example():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_prints_what_it_is_for(name, run):
    assert SAYS[name] in run(name)
