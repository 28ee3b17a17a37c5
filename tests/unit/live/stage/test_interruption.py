"""A stage in a process of its own that is stopped in the middle, and one that goes on where it was."""

import os
import signal
import subprocess
import sys

import pytest

from batchwright import Checkpoint
from batchwright.config import EMULATOR_VARIABLE

PAGES = 120
WORKERS = 6
STAGE = f"""\
import sys
from batchwright import *

def build(page_num, model):
    messages = [{{"role": "user", "content": f"page {{page_num}}"}}]
    return LLMRequest(id=f"page_{{page_num}}", model=model, messages=messages, metadata={{"page_num": page_num}})

def handle(result):
    handled.append(result.request.metadata["page_num"])
    print(handled[-1], flush=True)
    if len(handled) == int(sys.argv[2]):
        sys.stdin.read()  # the blow falls here

handled = []
checkpoint = Checkpoint(sys.argv[1])
config = LLMBatchConfig(model="openai/gpt-5.4-mini", max_workers={WORKERS}, show_progress=False)
processor = LLMBatchProcessor(checkpoint, None, None, config)
batch_process_with_preparation("Labels", range({PAGES}), build, handle, processor)
"""


class Stage:
    """The stage in a process; what it prints is read line by line, what it logs at its end."""

    def __init__(self, folder, url, *, stop_at=0):
        self._log = folder / "log.txt"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", STAGE, str(folder / "checkpoint.jsonl"), str(stop_at)],
                cwd=folder,
                env={**os.environ, EMULATOR_VARIABLE: url},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def handled(self, number):
        """The next pages it handles."""
        return [int(self.process.stdout.readline()) for _ in range(number)]

    def end(self):
        """Wait for its end and return (pages handled since, what it logged)."""
        with self.process.stdin, self.process.stdout as rest:
            pages = [int(line) for line in rest]
        self.process.wait(timeout=60)
        return pages, self._log.read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_was_handled_stays_done_and_only_what_was_in_flight_is_asked_again(how, emulated, tmp_path):
    stage = Stage(tmp_path, emulated.url, stop_at=40)
    handled = stage.handled(40)
    stage.process.send_signal(how)
    rest, logged = stage.end()
    assert rest == []
    assert stage.process.returncode == -how, logged
    if how == signal.SIGINT:
        assert "stopped by KeyboardInterrupt" in logged
        assert "never retrieved" not in logged
    left = Checkpoint(tmp_path / "checkpoint.jsonl").remaining(range(PAGES))
    assert len(left) == PAGES - 39  # the page in whose handler the blow fell is not done
    rest, logged = Stage(tmp_path, emulated.url).end()
    assert sorted(rest) == left
    assert f"Labels: {len(left)} completed, 0 failed, {PAGES - len(left)} skipped" in logged
    assert set(handled + rest) == set(range(PAGES))
    in_flight = WORKERS + 4 + 4 + 1  # asked or on the way, waiting for the handler, and in its hands
    assert PAGES <= emulated.asked() <= PAGES + in_flight
