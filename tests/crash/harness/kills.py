"""kill -9 of the real command line at random moments, then the same commands again: nothing lost, nothing paid twice.

A program of its own: `python -m harness.kills FOLDER PROVIDER ...` prints one JSON object. Moments are drawn from a
timeline measured before: most between the first record on disk and the last one collected, some from the whole run.
What a process was at when it died is read from the tracking file it left.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.emulator import emulating
from harness.place import Work, call, make_place, tell, warm_up
from harness.watching import Findings, note

WATCH = ["batch-watch", "--interval", "0.05", "--timeout", "300"]
BETWEEN = 0.6
"""The part of the kills, at least, that has to find a job planned and not all of them collected."""
NOTED = 10
"""Kills after which it is said how far this is."""
_GLANCE = 0.001


@dataclass(frozen=True)
class Moment:
    """When to kill: in which command, and how many seconds after what."""

    watching: bool
    active: bool
    """Counted from the command's first change of the tracking file, or else from its start."""
    delay: float


@dataclass(frozen=True)
class Timeline:
    """Seconds a command took from its start to its first change of the tracking file, and from there to its last."""

    startup: float
    active: float


def main(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    asked.folder.mkdir(parents=True)
    with emulating(asked.folder / "emulator") as emulator:
        place = make_place(asked.folder, Work(provider=asked.provider), emulator)
        figures = kill_often(place, asked.kills, random.Random(asked.seed))
    tell(figures)
    return 0


def kill_often(place, kills, chance):
    """Kill so often; return the figures and what was violated."""
    started = time.monotonic()
    warm_up(place)
    creating, watching = measure(place)
    found, states, restarts, between, missed, done = Findings(place), Counter(), Counter(), 0, 0, 0
    while (done < kills or between < BETWEEN * kills) and done + missed < 4 * kills:
        moment = draw(done, chance, creating, watching)
        place.begin()
        if not run_and_kill(place, moment):
            missed += 1  # the command was done before its moment came
            continue
        done += 1
        wrong = list(place.torn())
        left = states_left(place)
        states[" + ".join(left) or "nothing"] += 1
        between += any(state != "collected" for state in left)
        restarts[place.finish()] += 1
        wrong += place.violations()
        found.add(f"kill {done}: {moment}, left {left}", wrong)
        if done % NOTED == 0:
            note(f"{done} of {kills} kills, {between} between planned and collected")
    return {
        "provider": place.work.provider,
        "kills": done,
        "between": between,
        "missed": missed,
        "states": states,
        "restarts": restarts,
        "seconds": round(time.monotonic() - started, 1),
        "violations": found,
    }


def draw(number, chance, creating, watching):
    """Of five kills, two come while jobs are sent, two while they are looked at and collected, one at any moment."""
    kind = number % 5
    watched = kind in {2, 3} or (kind == 4 and chance.random() < 0.5)
    timeline = watching if watched else creating
    if kind == 4:
        return Moment(watched, active=False, delay=chance.uniform(0, timeline.startup + timeline.active))
    return Moment(watched, active=True, delay=chance.uniform(0, timeline.active))


def measure(place):
    """Run both commands undisturbed and note when the tracking file first changed."""
    place.begin()
    creating = _timeline(place, place.work.create)
    place.let_time_pass()
    watching = _timeline(place, WATCH)
    if wrong := place.violations():
        raise AssertionError(f"without any kill: {wrong}\n{place.said()}")
    return creating, watching


def _timeline(place, words):
    changes = [time.monotonic()]
    with command(place, words) as process:
        while process.poll() is None:
            await_change(place.tracking_file, process)
            changes.append(time.monotonic())
    # The last one is the process's end; one that a busy machine showed together with another is one change.
    started, first, last = changes[0], changes[1], changes[-2]
    return Timeline(startup=first - started, active=last - first)


def run_and_kill(place, moment):
    """Run up to the moment and kill; false if the command had ended by then."""
    if moment.watching:
        # Nobody kills this one, so it is made with everything imported: that takes most of a command's time.
        place.forked(partial(call, place.work.create))
        place.let_time_pass()
    with command(place, WATCH if moment.watching else place.work.create) as process:
        if moment.active:
            await_change(place.tracking_file, process)
        time.sleep(moment.delay)
        process.kill()
    return process.returncode < 0


def command(place, words):
    with place.output.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "batchwright", *words],
            cwd=place.folder,
            env={**os.environ, **place.environment},
            stdout=output,
            stderr=output,
        )


def await_change(path, process):
    """Wait until the file is another one than now, or the process has ended."""
    before = _identity(path)
    while _identity(path) == before and process.poll() is None:
        time.sleep(_GLANCE)


def _identity(path):
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def states_left(place):
    jobs = place.tracked().values()
    return sorted("collected" if job.get("collected_at") else job["state"] for job in jobs)


if __name__ == "__main__":
    sys.exit(main())
