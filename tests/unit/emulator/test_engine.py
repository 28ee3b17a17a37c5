from dataclasses import replace

import pytest

from batchwright.emulator import Limits, Settings
from batchwright.emulator.engine import History, Phase, view

LIMITS = Limits(max_requests=0, max_input_bytes=0, window_s=100)
SETTINGS = Settings(limits=LIMITS, validating_s=1, in_progress_s=10, finalizing_s=1, cancelling_s=2)
NEW = History(created_at=1000)


def phase_at(seconds, *, history=NEW, settings=SETTINGS):
    return view(history, settings, 1000 + seconds).phase


@pytest.mark.parametrize(
    ("seconds", "phase"),
    [
        (0, Phase.VALIDATING),
        (0.99, Phase.VALIDATING),
        (1, Phase.RUNNING),
        (10.99, Phase.RUNNING),
        (11, Phase.FINALIZING),
        (12, Phase.SUCCEEDED),
        (1e9, Phase.SUCCEEDED),
    ],
)
def test_a_job_walks_through_its_states_by_the_clock(seconds, phase):
    assert phase_at(seconds) is phase


def test_progress_grows_from_zero_to_one_while_running():
    shares = [view(NEW, SETTINGS, 1000 + at).progress for at in (0, 1, 6, 11, 12)]
    assert shares == [0, 0, 0.5, 1, 1]


def test_times_are_those_of_the_plan_however_late_one_looks():
    seen = view(NEW, SETTINGS, 5000)
    assert (seen.started_at, seen.finalizing_at, seen.ended_at) == (1001, 1011, 1012)


def test_a_refused_job_fails_when_validation_ends():
    refused = replace(NEW, refused=True)
    assert phase_at(0.5, history=refused) is Phase.VALIDATING
    seen = view(refused, SETTINGS, 1050)
    assert (seen.phase, seen.ended_at, seen.started_at) == (Phase.FAILED, 1001, None)


def test_cancelling_freezes_progress_and_ends_after_its_time():
    cancelled = replace(NEW, cancel_at=1006)
    during, after = view(cancelled, SETTINGS, 1007), view(cancelled, SETTINGS, 1008)
    assert (during.phase, during.progress, during.ended_at) == (Phase.CANCELLING, 0.5, None)
    assert (after.phase, after.progress, after.ended_at) == (Phase.CANCELLED, 0.5, 1008)


def test_cancelling_a_job_that_has_ended_changes_nothing():
    assert phase_at(60, history=replace(NEW, cancel_at=1050)) is Phase.SUCCEEDED


def test_a_cancel_in_the_future_is_not_seen_yet():
    assert phase_at(5, history=replace(NEW, cancel_at=1006)) is Phase.RUNNING


def test_a_stuck_job_expires_when_its_window_closes():
    stuck = replace(SETTINGS, stuck=True, stuck_fraction=0.25)
    assert phase_at(99, settings=stuck) is Phase.RUNNING
    seen = view(NEW, stuck, 1100)
    assert (seen.phase, seen.progress, seen.ended_at) == (Phase.EXPIRED, 0.25, 1100)


def test_a_job_slower_than_its_window_expires_with_what_it_got_done():
    slow = replace(SETTINGS, in_progress_s=198)
    seen = view(NEW, slow, 1500)
    assert (seen.phase, seen.progress) == (Phase.EXPIRED, 0.5)


def test_a_job_that_never_started_expires_empty():
    seen = view(NEW, replace(SETTINGS, validating_s=500), 1100)
    assert (seen.phase, seen.progress, seen.started_at) == (Phase.EXPIRED, 0, None)


def test_with_polls_the_clock_does_not_matter_until_the_window_closes():
    polled = replace(SETTINGS, polls_until_done=3)
    assert phase_at(50, settings=polled) is Phase.VALIDATING
    assert phase_at(50, settings=polled, history=replace(NEW, polls=2)) is Phase.RUNNING
    assert phase_at(200, settings=polled, history=replace(NEW, polls=2)) is Phase.EXPIRED
    done = replace(NEW, polls=3, polled_out_at=1040)
    assert view(done, polled, 1200).phase is Phase.SUCCEEDED
    assert view(done, polled, 1200).ended_at == 1040


def test_only_end_states_are_ended():
    ended = {phase for phase in Phase if phase.ended}
    assert ended == {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED}
