"""Every crash point: a run that dies before, amid and after its n-th touch, is restarted, and loses nothing.

A program of its own: `python -m harness.points FOLDER PROVIDER ...` prints one JSON object. Children are forked from
one process that has everything imported and no second thread, so that a run costs what its work costs.
"""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from batchwright.batch import lifecycle
from batchwright.batch.workers import in_parallel
from batchwright.job import JobState
from harness.emulator import emulating
from harness.place import UNDISTURBED_WATCH, Work, make_place, tell, warm_up
from harness.touches import AFTER, AMID, BEFORE, CRASHED, Touches
from harness.watching import Findings, note

NOTED = 50
"""Points after which it is said how far this is."""


def main(words=None):
    asked = _parser().parse_args(words)
    work = Work(
        provider=asked.provider,
        documents=tuple(asked.documents),
        batch_size=asked.batch_size,
        jobs_per=asked.jobs_per,
    )
    if asked.workers:
        in_parallel.__kwdefaults__["workers"] = asked.workers
    if asked.without_intent:
        switch_intent_off()
        note("no intent is kept on disk: what is found now is what the other programs must not find")
    asked.folder.mkdir(parents=True)
    with emulating(asked.folder / "emulator") as emulator:
        place = make_place(asked.folder, work, emulator)
        figures = run_all(place, asked.share, only=asked.only, literally=asked.literally)
    tell(figures)
    return 0


def _parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider")
    parser.add_argument("--documents", nargs="+", default=Work.documents)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--jobs-per", default="document")
    parser.add_argument("--workers", type=int, help="Threads; with 1, the n-th touch is the same in each run.")
    parser.add_argument("--share", default="0/1", help="k/m: only every m-th crash point, from the k-th on.")
    parser.add_argument("--only", help="Only touches of this name.")
    parser.add_argument("--literally", action="store_true", help="Also after a touch of the disk, not only before.")
    parser.add_argument("--without-intent", action="store_true", help="The control: no intent on disk before a create.")
    return parser


def switch_intent_off():
    """Leave a record `planned` until the provider has answered the create, as a naive tool would."""
    intended = lifecycle.intended

    def unintended(record, **what):
        return replace(intended(record, **what), state=JobState.PLANNED)

    lifecycle.intended = unintended


def run_all(place, share="0/1", *, only=None, literally=False):
    """Try every crash point of the work; return the figures and what was violated."""
    started = time.monotonic()
    names = rehearse(place)
    first, step = map(int, share.split("/"))
    points = list(points_of(names, only=only, literally=literally))[first::step]
    found, restarts, missed = Findings(place), Counter(), 0
    for done, (number, moment) in enumerate(points):
        if done % NOTED == 0:
            note(f"{done} of {len(points)} points")
        place.begin()
        code = place.forked(partial(live_until, place, number, moment))
        missed += code == 0  # with several threads, a run may touch less often than the one that was counted
        wrong = [] if code in {0, CRASHED} else [f"exit {code}: {place.said()[-2000:]}"]
        wrong += place.torn()
        restarts[place.finish()] += 1
        wrong += place.violations()
        found.add(f"{moment} {number} {names[number - 1]}", wrong)
    return {
        "provider": place.work.provider,
        "jobs": place.jobs,
        "touches": len(names),
        "kinds": Counter(name.rstrip("!*=") for name in names),
        "points": len(points),
        "missed": missed,
        "restarts": restarts,
        "seconds": round(time.monotonic() - started, 1),
        "violations": found,
    }


def points_of(names, *, only=None, literally=False):
    """Yield (number, moment) of every crash point.

    In a run where one thing happens after the other, after one touch of the disk is before the next, for nothing
    outside the process changes in between; and a touch that left everything as it was has the same on either side.
    Such points are not tried twice, unless `literally`.
    """
    for number, name in enumerate(names, start=1):
        if only is not None and name != only:
            continue
        if literally or number == 1 or not names[number - 2].endswith("="):
            yield number, BEFORE
        if name.endswith("*"):
            yield number, AMID
        if not name.endswith("!") and (literally or name == "send" or number == len(names)):
            yield number, AFTER


def rehearse(place):
    """Do the work without a crash in a child that counts; return what it touched, in order."""
    warm_up(place)
    notes = place.root / "touches.json"
    place.begin()
    code = place.forked(lambda: count(place, notes))
    if code or place.violations():
        raise AssertionError(f"without any crash: exit {code}, {place.violations()}\n{place.said()}")
    return json.loads(notes.read_bytes())


def count(place, notes):
    touches = Touches()
    live_counted(place, touches)
    touches.outside(lambda: notes.write_text(json.dumps(touches.names)))
    return 0


def live_until(place, number, moment):
    return live_counted(place, Touches(number, moment))


def live_counted(place, touches):
    touches.install()
    return place.live(between=lambda: touches.outside(place.let_time_pass), watch=UNDISTURBED_WATCH)


if __name__ == "__main__":
    sys.exit(main())
