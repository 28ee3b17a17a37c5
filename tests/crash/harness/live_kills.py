"""kill -9 of `batchwright run` at random moments, then the same command again: nothing lost, nothing asked again.

A program of its own: `python -m harness.live_kills FOLDER PROVIDER ...` prints one JSON object. What was answered is
read from the reports that a killed run left, what was asked from the emulator's log; nothing of batchwright's own code
is believed. Only calls that were in flight may be asked a second time.
"""

import argparse
import csv
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from batchwright.emulator.responders import find_issues
from batchwright.workspace import copy_to
from harness.emulator import emulating
from harness.kills import await_change, command
from harness.place import Place, Work, folded, tell

AT_ONCE = 4
ACTIVE = 0.8
"""The part of the kills that comes when some rows are there; the others come at any moment."""
BETWEEN = 0.6
"""The part of the kills, at least, that has to find some issues answered and not all of them."""
HANG = 600
"""Seconds after which a run is taken to hang: a machine may have much else to do."""
_ARRIVAL_S = 0.2
"""What a killed process had sent has arrived after so many seconds."""


def main(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--documents", type=Path, help="a folder of documents with its issue report")
    asked = parser.parse_args(words)
    asked.folder.mkdir(parents=True)
    with emulating(asked.folder / "emulator") as emulator:
        # Carried out before the wait: a call whose answer finds nobody was paid all the same.
        slow = {"name": "hang", "on": ["live"], "seconds": asked.latency, "committed": True}
        emulator.behave(faults=[slow])
        work = Work(provider=asked.provider, batch_size=asked.batch_size)
        place = live_place(asked.folder, work, emulator, asked.documents)
        tell(kill_often(place, asked.kills, random.Random(asked.seed)))
    return 0


def live_place(root, work, emulator, documents):
    """A place whose work is everything in the sample workspace, or in a folder of documents."""
    place = Place(root, work, emulator)
    if documents is None:
        copy_to(place.template)
    else:
        shutil.copytree(documents, place.template / "Documents")
    with (place.template / "Documents" / "language-check-report.csv").open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            place.issues.setdefault((line["Subject"], line["Filename"]), []).append(line)
    return place


def run_words(place):
    work = place.work
    return ["run", "--provider", work.provider, "--batch-size", str(work.batch_size), "--concurrency", str(AT_ONCE)]


def kill_often(place, kills, chance):
    """Kill so often; return the figures and what was violated."""
    started = time.monotonic()
    startup, active = measure(place)
    issues = sum(len(lines) for lines in place.issues.values())
    found, missed, done, between, losses = {}, 0, 0, 0, []
    while (done < kills or between < BETWEEN * kills) and done + missed < 4 * kills:
        in_work = chance.random() < ACTIVE
        delay = chance.uniform(0, active if in_work else startup + active)
        place.begin()
        if not run_and_kill(place, in_work=in_work, delay=delay):
            missed += 1  # the command was done before its moment came
            continue
        done += 1
        wrong, lost, rows = finish(place)
        losses.append(lost)
        between += 0 < rows < issues
        if wrong:
            found[f"kill {done}: {delay:.3f} s after {'the first rows' if in_work else 'the start'}"] = wrong
    return {
        "provider": place.work.provider,
        "kills": done,
        "missed": missed,
        "issues": issues,
        "calls": place.requests,
        "at_once": AT_ONCE,
        "between": between,
        "lost": sum(losses),
        "most_lost": max(losses, default=0),
        "seconds": round(time.monotonic() - started, 1),
        "violations": found,
    }


def measure(place):
    """Run undisturbed; return the seconds to the first rows, and from there to the last."""
    place.begin()
    began = time.monotonic()
    with command(place, run_words(place)) as process:
        await_rows(place, process)
        first = last = time.monotonic()
        while process.poll() is None:
            await_change(place.state_file, process)
            last, before = time.monotonic(), last
    sent = Counter(issue for issues in asked(place) for issue in issues)
    wrong = [*whole(place), *asked_wrongly(wanted(place), sent)]
    if wrong:
        raise AssertionError(f"without any kill: {wrong}\n{place.said()}")
    return first - began, before - first


def run_and_kill(place, *, in_work, delay):
    """Run up to the moment and kill; false if the command had ended by then."""
    with command(place, run_words(place)) as process:
        if in_work:
            await_rows(place, process)
        time.sleep(delay)
        process.kill()
    time.sleep(_ARRIVAL_S)
    return process.returncode < 0


def finish(place):
    """Run the same command again to its end; return what is wrong, the calls that were lost, the rows there before."""
    wrong = list(place.torn())
    before, rows = asked(place), answered(place)
    with command(place, run_words(place)) as process:
        if process.wait(HANG) != 0:
            wrong.append(f"exit {process.returncode}: {place.said()[-2000:]}")
    again = asked(place)[len(before) :]
    wrong += asked_wrongly(wanted(place) - rows, Counter(issue for issues in again for issue in issues))
    lost = lost_calls(before, rows)
    if lost > AT_ONCE:
        wrong.append(f"{lost} calls were paid and not saved, and {AT_ONCE} at most were in flight")
    return [*wrong, *whole(place)], lost, rows.total()


def lost_calls(calls, rows):
    """How many calls were carried out whose rows are not there."""
    left = Counter(rows)
    lost = 0
    for issues in calls:
        if all(left[issue] for issue in issues):
            left.subtract(issues)
        else:
            lost += 1
    return lost


def asked_wrongly(due, sent):
    """What was asked although it was answered, or more often than once, or not at all."""
    for issue in sorted(due.keys() | sent.keys()):
        if due[issue] != sent[issue]:
            yield f"issue {issue[:2]} was due {due[issue]} time(s) and asked {sent[issue]} time(s)"


def asked(place):
    """The issues of each live call that the emulator carried out, oldest first."""
    requests = place.emulator.requests(place.work.provider)
    return [[_named(issue["issue_id"], issue) for issue in find_issues(request["prompt"])] for request in requests]


def answered(place):
    """The issues that have their row now."""
    return Counter(_named(int(row["issue_id"]), row) for key in place.issues for row in place.rows(*key))


def wanted(place):
    return Counter(
        _named(number, {"issue": line["Issue"], "highlighted_context": line["Highlighted Context"]})
        for lines in place.issues.values()
        for number, line in enumerate(lines)
    )


def _named(number, issue):
    return number, folded(issue["issue"]), folded(issue["highlighted_context"])


def whole(place):
    """Everything that is not as it must be once all is done."""
    return [*place.torn(), *place.misreported(), *place.misnoted(), *place.crashes()]


def await_rows(place, process):
    """Wait until the first rows are on disk, or the command has ended."""
    while process.poll() is None and not any(place.report(*key).exists() for key in place.issues):
        time.sleep(0.001)


if __name__ == "__main__":
    sys.exit(main())
