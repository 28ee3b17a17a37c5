"""Four processes create and fetch in loops on one workspace, and a fifth reads what they write all the time.

A program of its own: `python -m harness.crowd FOLDER PROVIDER ...` prints one JSON object.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from harness.emulator import emulating
from harness.place import Work, call, make_place, tell, warm_up
from harness.watching import Stillness, exit_code

PROCESSES = 4


def main(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--issues", type=int, default=60, help="Of each of two documents; each is a job of its own.")
    asked = parser.parse_args(words)
    asked.folder.mkdir(parents=True)
    with emulating(asked.folder / "emulator", runs_s=0) as emulator:
        warm_up(make_place(asked.folder / "warm", Work(provider=asked.provider), emulator))
        work = Work(provider=asked.provider, batch_size=1, jobs_per="batch")
        place = make_place(asked.folder, work, emulator, issues_per_document=asked.issues)
        figures = crowd(place, asked.seconds)
    tell(figures)
    return 0


def crowd(place, seconds):
    """Let them work for so long, finish what is left, and return the figures and what was violated."""
    place.begin()
    begun = time.monotonic()
    children = [place.start(lambda: keep_working(place, begun + seconds)) for _ in range(PROCESSES)]
    torn, readings = read_on(place, children)
    said, busy = place.said(), time.monotonic() - begun
    jobs = len(place.tracked())
    unexpected = sorted({line for line in said.splitlines() if line.startswith("= ") and not line.endswith(": exit 0")})
    restarts = place.finish()
    return {
        "provider": place.work.provider,
        "busy": round(busy, 1),
        "rounds": said.count("= batch-create"),
        "jobs": jobs,
        "readings": readings,
        "restarts": restarts,
        "seconds": round(time.monotonic() - begun, 1),
        "violations": [*torn, *unexpected, *place.violations()],
    }


def keep_working(place, until):
    """Send one batch and fetch whatever is there, again and again."""
    one = replace(place.work, limit=1).create
    while time.monotonic() < until:
        call(one)
        call(["batch-fetch", "--check-all-pending"])
    return 0


def read_on(place, children):
    """Read the tracking file, the state file and the reports until all children have ended."""
    torn, readings, running, stillness = [], 0, set(children), Stillness(*place.signs)
    while running:
        torn += place.torn()
        readings += 1
        running -= {child for child in running if _ended(child, torn)}
        if stillness.lasts():
            for child in running:
                os.kill(child, signal.SIGABRT)
    return torn[:20], readings


def _ended(child, torn):
    code = exit_code(child)
    if code:
        torn.append(f"a process ended with {code}")
    return code is not None


if __name__ == "__main__":
    sys.exit(main())
