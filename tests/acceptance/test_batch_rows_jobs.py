"""Jobs with rows, by the commands that know every job."""

import csv

import pytest


@pytest.fixture
def place(bare):
    (bare.folder / "questions.txt").write_text("".join(f"question {number}\n" for number in range(30)))
    return bare


def send(place, check):
    words = ("batch", "questions.txt", "--provider", "openai", "--via", "batch", "--output", "out.csv")
    return place.run(*words, "--batch-id", "mine", check=check)


def responses(place):
    with (place.folder / "out.csv").open(newline="", encoding="utf-8") as file:
        return [row["response"] for row in csv.DictReader(file)]


def test_what_a_job_left_open_is_shown_and_asked_again(place):
    place.emulator.behave(fail_every=10)
    send(place, check=3)
    (job,) = place.jobs
    shown = place.run("batch-show", job, "--errors", check=0).stdout
    assert sum(line.startswith("  questions.txt row ") for line in shown.splitlines()) == 3
    assert "may be asked again" in shown
    place.emulator.behave(fail_every=0)
    place.run("batch-retry", "--all", check=0)
    place.run("batch-fetch", "--check-all-pending", check=0)
    assert responses(place) == [f"question {number}" for number in range(30)]
    assert place.emulator.stats("openai")["requests"] == 33


def test_rows_are_not_asked_live_by_a_retry(place):
    place.emulator.behave(fail_every=10)
    send(place, check=3)
    done = place.run("batch-retry", "--all", "--live", "--yes", check=2)
    assert "--live asks again about documents" in done.stderr
    assert place.emulator.stats("openai")["live"] == 0


def send_and_die(place):
    """Kill the command when its job is at the provider."""
    place.emulator.behave(in_progress_s=3600)
    words = ("batch", "questions.txt", "--provider", "openai", "--via", "batch", "--output", "out.csv")
    running = place.start(*words, "--batch-id", "mine")
    while not place.tracking_file.exists() or not all(job.get("job_name") for job in place.jobs.values()):
        assert running.poll() is None
    running.kill()
    running.communicate()
    place.emulator.advance(7200)


def test_a_lost_tracking_file_is_made_again_and_the_rows_are_collected(place):
    send_and_die(place)
    place.tracking_file.unlink()
    assert "Resolved: 1" in place.run("batch-reconcile", "--rebuild", check=0).stdout
    place.run("batch-fetch", "--check-all-pending", check=0)
    assert responses(place) == [f"question {number}" for number in range(30)]
    assert place.emulator.total("creates") == 1


def test_what_is_answered_already_is_not_restored(place):
    send(place, check=0)
    place.tracking_file.unlink()
    assert "Restored 0 record(s)" in place.run("batch-reconcile", "--rebuild", check=0).stdout


def test_an_input_that_was_edited_gets_no_answers(place):
    send_and_die(place)
    (place.folder / "questions.txt").write_text("".join(f"another {number}\n" for number in range(30)))
    done = place.run("batch-fetch", "--check-all-pending")
    assert "its items changed since it was sent" in done.stdout + done.stderr
    assert not (place.folder / "out.csv").exists()
