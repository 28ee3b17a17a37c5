"""kill -9 of `batchwright run` at random moments, then the same command again: nothing lost, nothing asked again.

A program of its own: `python -m harness.live_kills FOLDER PROVIDER ...` prints one JSON object. What was answered is
read from the reports that a killed run left, what was asked from the emulator's log; nothing of batchwright's own code
is believed. Only calls that were in flight may be asked a second time.
"""

import argparse
import csv
import gc
import importlib
import json
import random
import shutil
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchwright.emulator.responders import find_issues
from batchwright.workspace import copy_to
from harness.emulator import emulating
from harness.kills import command
from harness.place import Place, Work, call, folded, tell
from harness.watching import Findings, Stillness, await_end, note

AT_ONCE = 4
ACTIVE = 0.8
"""The part of the kills that comes when a number of calls was carried out; the others come at any moment."""
BETWEEN = 0.6
"""The part of the kills, at least, that has to find some issues answered and not all of them."""
NOTED = 5
"""Kills after which it is said how far this is."""
_ARRIVAL_S = 0.2
"""What a killed process had sent has arrived after so many seconds."""
_GLANCE_S = 0.01


@dataclass(frozen=True)
class Moment:
    """When to kill: after how many calls were carried out, and how many seconds after that.

    Calls and not seconds, so that a machine which gets slower or faster meanwhile does not move the moment.
    """

    calls: int
    delay: float


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
        tell(kill_often(place, asked.kills, random.Random(asked.seed), asked.latency))
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


def kill_often(place, kills, chance, latency):
    """Kill so often; return the figures and what was violated."""
    started = time.monotonic()
    startup = measure(place)
    warm_up(place)
    issues = sum(len(lines) for lines in place.issues.values())
    found, missed, done, between, losses = Findings(place), 0, 0, 0, []
    while (done < kills or between < BETWEEN * kills) and done + missed < 4 * kills:
        moment = draw(chance, place.requests, startup, latency)
        place.begin()
        if not run_and_kill(place, moment):
            missed += 1  # the command was done before its moment came
            continue
        done += 1
        wrong, lost, rows = finish(place)
        losses.append(lost)
        between += 0 < rows < issues
        found.add(f"kill {done}: {moment}", wrong)
        if done % NOTED == 0:
            note(f"{done} of {kills} kills, {between} with some issues answered, {missed} missed")
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


def draw(chance, calls, startup, latency):
    """Most kills come while calls are made, the others in the seconds up to the first and a while after it."""
    if chance.random() < ACTIVE:
        return Moment(calls=chance.randrange(1, calls), delay=chance.uniform(0, latency))
    return Moment(calls=0, delay=chance.uniform(0, 1.5 * startup))


def measure(place):
    """Run the real command line undisturbed; return the seconds to the first call."""
    place.begin()
    began = time.monotonic()
    with command(place, run_words(place)) as process:
        await_calls(place, 1, process)
        startup = time.monotonic() - began
        code = await_end(process.pid, process.poll, *place.signs)
    check_undisturbed(place, code)
    return startup


def warm_up(place):
    """Import here what a run imports, so that children forked from this process have that behind them.

    The run itself is a child's: it starts threads, and those are not forked.
    """
    notes = place.root / "modules.json"

    def learn():
        code = call(run_words(place))
        notes.write_text(json.dumps(list(sys.modules)), encoding="utf-8")
        return code

    place.begin()
    check_undisturbed(place, place.forked(learn))
    for name in json.loads(notes.read_bytes()):
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def check_undisturbed(place, code):
    sent = Counter(issue for issues in asked(place) for issue in issues)
    wrong = [*whole(place), *asked_wrongly(wanted(place), sent)]
    if code or wrong:
        raise AssertionError(f"without any kill: exit {code}, {wrong}\n{place.said()}")


def run_and_kill(place, moment):
    """Run the real command line up to the moment and kill it; false if it had ended by then."""
    with command(place, run_words(place)) as process:
        await_calls(place, moment.calls, process)
        time.sleep(moment.delay)
        process.kill()
    time.sleep(_ARRIVAL_S)
    return process.returncode < 0


def finish(place):
    """Run the same command again to its end; return what is wrong, the calls that were lost, the rows there before."""
    wrong = list(place.torn())
    before, rows = asked(place), answered(place)
    # Nobody kills this one, so it is made with everything imported: that takes much of a short run's time.
    if code := place.forked(lambda: call(run_words(place))):
        wrong.append(f"exit {code}: {place.said()[-2000:]}")
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


def await_calls(place, calls, process):
    """Wait until the emulator has carried out so many calls, or the command has ended."""
    stillness = Stillness(*place.signs)
    while process.poll() is None and place.emulator.stats(place.work.provider)["live"] < calls:
        if stillness.lasts():
            process.kill()
        time.sleep(_GLANCE_S)


if __name__ == "__main__":
    sys.exit(main())
