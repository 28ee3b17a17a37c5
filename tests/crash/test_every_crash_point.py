"""A run that dies at its n-th touch of disk or network, for all n, and is then restarted.

The run creates two jobs, looks at them, watches and fetches, in a child process whose calls that open a file for
writing, write, sync, rename, remove, make a folder, lock, or send a request are counted; it dies by `os._exit` before
the n-th of them, for a write also when half of it is done, for a request also when its answer has come. The jobs are
sent one after the other, so that right after any other touch is right before the next one; and a touch that leaves
everything as it was (a lock, a sync, a folder that is there) has the same point on either side. No point is tried twice
here. `scripts/soak crashes` tries them all the same, and with the jobs sent side by side.
"""

import pytest

PROVIDERS = ("openai", "anthropic", "gemini")
LEAST = 60
"""Touches of a run, and points at which it dies, at least."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def runs(programs):
    return programs.for_each_provider("points", "--workers", 1)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_run_that_dies_at_any_point_loses_nothing_and_pays_nothing_twice(provider, runs, programs, shown):
    figures = programs.figures(runs(provider))
    shown("{provider}: {touches} touches, {points} crash points, {seconds} s".format(**figures))
    assert figures["violations"] == {}
    assert figures["missed"] == 0
    assert figures["touches"] >= LEAST
    assert figures["kinds"]["send"] >= 8
    assert figures["points"] >= LEAST


@pytest.fixture(scope="module")
def controls(programs):
    return programs.for_each_provider("points", "--workers", 1, "--only", "send", "--without-intent")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_the_intent_on_disk_the_same_test_finds_requests_paid_twice(provider, controls, programs):
    found = programs.figures(controls(provider))["violations"]
    twice = [wrongs for wrongs in found.values() if any("asked 2 time(s), not 1" in wrong for wrong in wrongs)]
    assert len(twice) == 2, found  # after either job's create was answered and before that was on disk
