"""Creates whose answer is lost, and that the provider lists only later: what becomes of them while it does not.

A program of its own: `python -m harness.late FOLDER PROVIDER CASE` prints one JSON object.
"""

import argparse
import sys
from pathlib import Path

from harness.emulator import emulating
from harness.place import Work, call, make_place, tell, warm_up

LAG_S = 30
"""By the emulator's clock, which stands still until it is told to move."""
LOOK = ["batch-watch", "--interval", "0.05", "--timeout", "0.5"]
"""Many looks, over a multiple of the grace."""

CASES = {
    # The answers to both creates are lost, and the jobs come into being while they are being looked for.
    "late_create": [{"name": "late_create", "seconds": LAG_S}],
    # Both jobs are there at once, and listed only while they are being looked for.
    "list_lag": [{"name": "drop_after", "on": ["create"]}, {"name": "list_lag", "seconds": LAG_S}],
    # The same, and they are looked for many times over far longer than the grace before they can be seen.
    "late_create_beyond": [{"name": "late_create", "seconds": LAG_S}],
    "list_lag_beyond": [{"name": "drop_after", "on": ["create"]}, {"name": "list_lag", "seconds": LAG_S}],
    # One answer is lost, one is not; neither job is listed for far longer than the grace.
    "list_lag_with_a_witness_beyond": [
        {"name": "drop_after", "on": ["create"], "times": 1},
        {"name": "list_lag", "seconds": LAG_S},
    ],
}


def main(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider")
    parser.add_argument("case", choices=CASES)
    asked = parser.parse_args(words)
    asked.folder.mkdir(parents=True)
    with emulating(asked.folder / "emulator") as emulator:
        place = make_place(asked.folder, Work(provider=asked.provider), emulator)
        figures = lose(place, asked.case)
    tell(figures)
    return 0


def lose(place, case):
    """Create under the case's faults, look, let the lag pass, and finish; return what was seen on the way."""
    warm_up(place)
    place.begin()
    for fault in CASES[case]:
        place.emulator.ask("POST", "faults", {"provider": place.work.provider, **fault})
    place.forked(lambda: call(place.work.create) and 0)
    first = states(place)
    place.forked(lambda: call(LOOK if case.endswith("_beyond") else ["batch-fetch", "--check-all-pending"]) and 0)
    waited = states(place)
    place.let_time_pass()
    say_what_the_console_shows(place)
    restarts = place.finish()
    return {
        "provider": place.work.provider,
        "case": case,
        "first": first,
        "waited": waited,
        "restarts": restarts,
        "attempts": sorted(len(job["attempts"]) for job in place.tracked().values()),
        "violations": list(place.violations()),
    }


def say_what_the_console_shows(place):
    """Say that the unresolved jobs do not exist, once the provider has refused their late creates."""
    if place.emulator.stats(place.work.provider)["creates"] == 0:
        place.emulator.ask("DELETE", "faults")
        for job_id in place.tracked():
            words = ["batch-reconcile", "--job-names", job_id, "--absent"]
            place.forked(lambda words=words: call(words) and 0)


def states(place):
    return sorted(job["state"] for job in place.tracked().values())


if __name__ == "__main__":
    sys.exit(main())
