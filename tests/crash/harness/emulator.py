"""The emulator in a process of its own, and its controls."""

import json
import os
import signal
import sys
import traceback
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

from batchwright.emulator import Scenario, serve

HANG = 240
"""Seconds after which one answer of the emulator's is taken not to come."""
RUNS_S = 30
"""How long an emulated job takes, by the emulator's clock, which moves only when it is told to."""


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
    """Run an emulator whose jobs take `runs_s` seconds of its clock; it shares what this process has imported."""
    scenario = Scenario.everywhere(validating_s=0, in_progress_s=runs_s, finalizing_s=0, cancelling_s=0)
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _serve(folder, scenario, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as told:
            yield Emulator(told.readline().strip())
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def _serve(folder, scenario, writing):
    try:
        serve(data_dir=folder, scenario=scenario, on_ready=lambda url: os.write(writing, f"{url}\n".encode()))
    except SystemExit:  # how it ends when it is told to
        pass
    except BaseException:  # noqa: BLE001  (the child must never come back into the parent's code)
        traceback.print_exc()
    finally:
        os._exit(0)
