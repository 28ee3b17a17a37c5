"""The emulator in a process of its own, and its controls."""

import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

HANG = 240
"""Seconds after which one answer of the emulator's is taken not to come."""
RUNS_S = 30
"""How long an emulated job takes, by the emulator's clock, which moves only when it is told to."""

_SERVE = """
import json, sys
from pathlib import Path
from batchwright.emulator import Scenario, serve
scenario = Scenario.parse(json.loads(sys.argv[2]))
serve(data_dir=Path(sys.argv[1]), scenario=scenario, on_ready=lambda url: print(url, flush=True))
"""


@dataclass(frozen=True)
class Emulator:
    """What can be asked of a running emulator."""

    url: str

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_emulator/{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=HANG) as answer:
            return answer.read()

    def reset(self):
        self.ask("DELETE", "state")

    def advance(self, seconds):
        self.ask("POST", "clock", {"advance": seconds})

    def behave(self, **settings):
        self.ask("PATCH", "scenario", settings)

    def stats(self, provider):
        return json.loads(self.ask("GET", "stats"))[provider]

    def requests(self, provider):
        """Every request of every committed job."""
        lines = self.ask("GET", f"log?provider={provider}&kind=request").split(b"\n")
        return [json.loads(line) for line in lines if line]


@contextmanager
def emulating(folder, *, runs_s=RUNS_S):
    """Run an emulator whose jobs take `runs_s` seconds of its clock."""
    scenario = json.dumps({"validating_s": 0, "in_progress_s": runs_s, "finalizing_s": 0, "cancelling_s": 0})
    command = [sys.executable, "-c", _SERVE, str(folder), scenario]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Emulator(process.stdout.readline().strip())
        finally:
            process.terminate()
