"""Ctrl-C and SIGTERM: waiting ends at once, the paid jobs go on, and the way back is told."""

import signal
import socket
import time

import pytest

AT_ONCE = 20.0
"""Seconds in which a command that waits for nobody has ended, on the busiest machine; one that waits takes minutes."""


@pytest.fixture(scope="module")
def stuck(open_workspace, tmp_path_factory):
    """The sample workspace with a job that does not end."""
    with open_workspace(tmp_path_factory.mktemp("stuck"), stuck=True) as workspace:
        workspace.run("batch-create", "--provider", "openai", check=0)
        yield workspace


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


def address(listener):
    return {"BATCHWRIGHT_EMULATOR_URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}


def end(process, number):
    """Send a signal; return the exit code, the output, and how long it took."""
    began = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr, time.monotonic() - began


@pytest.mark.parametrize(
    ("number", "code", "command"),
    [
        (signal.SIGINT, 130, ["batch-watch"]),
        (signal.SIGTERM, 143, ["batch-watch"]),
        (signal.SIGINT, 130, ["batch-fetch", "--wait", "--interval", "10m"]),
    ],
)
def test_a_signal_detaches_from_jobs_that_go_on(stuck, number, code, command):
    before = stuck.jobs
    watching = stuck.start(*command)
    assert "waiting for 1 of 1 job(s)" in watching.stderr.readline()
    ended, _, stderr, seconds = end(watching, number)
    assert ended == code
    assert "batchwright batch-watch" in stderr
    assert "Traceback" not in stderr
    assert seconds < AT_ONCE
    assert stuck.emulator.total("cancels") == 0
    assert stuck.jobs.keys() == before.keys()
    assert stuck.only_job["status"] == "pending"
    assert stuck.run("batch-list", "--status", "pending", check=0).stdout.count("job-") == 1


def test_ctrl_c_does_not_wait_for_a_hung_look(stuck, silent):
    watching = stuck.start("batch-watch", env=address(silent))
    connection, _ = silent.accept()
    with connection:
        assert connection.recv(4) == b"GET "
        code, _, stderr, seconds = end(watching, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in stderr
    assert seconds < AT_ONCE
    assert stuck.only_job["status"] == "pending"


def test_a_timeout_is_kept_although_a_look_hangs(stuck, silent):
    began = time.monotonic()
    done = stuck.run("batch-watch", "--timeout", "1", env=address(silent), check=124)
    assert time.monotonic() - began < AT_ONCE
    assert "Still pending" in done.stdout
    assert stuck.only_job["status"] == "pending"


def test_ctrl_c_during_a_hung_create_ends_at_once_and_nothing_is_lost_or_sent_twice(workspace, emulator, silent):
    creating = workspace.start("batch-create", "--provider", "openai", env=address(silent))
    connection, _ = silent.accept()
    with connection:
        assert connection.recv(5) == b"POST "
        code, _, stderr, seconds = end(creating, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in stderr
    assert seconds < AT_ONCE
    assert "What was planned or sent is remembered; run the same command again" in stderr
    assert workspace.only_job["state"] == "submitting"

    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("batch-watch", check=0)
    assert emulator.stats("openai")["creates"] == 1
    assert workspace.wrong_rows() == []
