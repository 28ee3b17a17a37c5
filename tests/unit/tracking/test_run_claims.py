import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batchwright.errors import ClaimedJobError, InputError, TrackingError
from batchwright.run import Run, RunStatus
from batchwright.tracking.run_claims import RunClaims

RUN = Run(run_id="reviews", created_at=datetime(2026, 11, 25, tzinfo=UTC), input_file="reviews.csv", model="m")


@pytest.fixture
def claims(tmp_path):
    return RunClaims(tmp_path / "batch.db")


def test_a_running_run_that_nobody_works_on_was_interrupted(claims):
    assert claims.seen(RUN).status is RunStatus.INTERRUPTED


def test_a_run_that_somebody_works_on_is_running_for_all_who_look(claims, tmp_path):
    with claims.claim("reviews"):
        assert claims.seen(RUN) is RUN
        assert RunClaims(tmp_path / "batch.db").seen(RUN) is RUN
    assert claims.seen(RUN).status is RunStatus.INTERRUPTED


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.PAUSED])
def test_a_run_that_ended_is_as_it_ended(claims, status):
    ended = replace(RUN, status=status)
    assert claims.seen(ended) is ended


def test_a_run_that_a_provider_works_on_needs_no_process(claims):
    at_provider = replace(RUN, config={"via": "batch"})
    assert claims.seen(at_provider) is at_provider


def test_a_run_is_worked_on_by_one_at_a_time(claims):
    with claims.claim("reviews"):
        refused = pytest.raises(ClaimedJobError, match="the run reviews is being worked on by another process")
        with refused, claims.claim("reviews"):
            pass
        with claims.claim("others"):
            pass
    with claims.claim("reviews"):
        pass


def test_a_claim_is_free_when_its_holder_is_killed(claims, tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from batchwright.tracking.run_claims import RunClaims\n"
        "with RunClaims(Path(sys.argv[1])).claim('reviews'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "batch.db")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        assert claims.seen(RUN) is RUN
        holder.kill()
        holder.wait()
    assert claims.seen(RUN).status is RunStatus.INTERRUPTED
    with claims.claim("reviews"):
        assert claims.seen(RUN) is RUN


def test_claims_leave_no_files_behind(claims, tmp_path):
    with claims.claim("reviews"):
        assert list(tmp_path.rglob("*.claim"))
    assert not list(tmp_path.rglob("*.claim"))


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-n", ".hidden", "x" * 101, "a b"])
def test_an_id_that_cannot_name_a_file_is_refused(claims, name):
    with pytest.raises(InputError, match="cannot be"), claims.claim(name):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "batch.db.claims").write_text("in the way")
    with (
        pytest.raises(TrackingError, match=r"cannot use .*batch\.db\.claims"),
        RunClaims(tmp_path / "batch.db").claim("reviews"),
    ):
        pass
