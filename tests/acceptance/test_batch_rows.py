"""`batchwright batch FILE --via batch`: the same rows through a provider's Batch API."""

import csv
import json
import signal
import time
from contextlib import closing

import pytest

from batchwright.tracking.runs import RunStore

PATIENCE = 60.0
PROVIDERS = ("gemini", "openai", "anthropic")


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def send(place, *words, provider="openai", check=0):
    return place.run("batch", "questions.txt", "--provider", provider, "--via", "batch", *words, check=check)


def status(place, run_id):
    return json.loads(place.run("batch", "status", run_id, "--json", check=0).stdout)


def until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


@pytest.fixture
def place(bare):
    (bare.folder / "questions.txt").write_text("".join(f"question {number}\n" for number in range(30)))
    return bare


@pytest.mark.parametrize("provider", PROVIDERS)
def test_rows_go_through_a_job_and_come_back_in_order(place, provider):
    done = send(place, "--output", "out.csv", "--batch-id", "mine", provider=provider)
    assert done.stdout == ""
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == [f"question {n}" for n in range(30)]
    assert place.emulator.stats(provider)["live"] == 0
    assert "mine/questions.txt" in place.run("batch-list", check=0).stdout
    found = status(place, "mine")
    assert (found["status"], found["completed_prompts"]) == ("completed", 30)
    assert float(found["cost_usd"]) > 0


def test_without_an_output_answers_are_printed_at_the_end(place):
    assert send(place).stdout.splitlines() == [f"question {number}" for number in range(30)]
    printed = send(place, "--schema", "mood", "--format", "jsonl").stdout.splitlines()
    assert all(set(json.loads(line)["response"]) == {"mood"} for line in printed)


def test_failed_rows_are_marked_and_asked_again(place):
    place.emulator.behave(fail_every=10)
    done = send(place, "--output", "out.csv", "--batch-id", "mine", check=3)
    assert "Failed: 3" in done.stderr
    assert sum(bool(row["error"]) for row in rows_of(place.folder / "out.csv")) == 3
    place.emulator.behave(fail_every=0)
    place.run("batch", "questions.txt", "--resume", check=0)
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == [f"question {n}" for n in range(30)]
    assert place.emulator.stats("openai")["requests"] == 33


def test_ctrl_c_detaches_and_another_terminal_collects(place):
    place.emulator.behave(in_progress_s=3600)
    words = ("batch", "questions.txt", "--provider", "openai", "--via", "batch", "--output", "out.csv")
    running = place.start(*words, "--batch-id", "mine")
    until(lambda: place.emulator.total("creates") == 1)
    until(lambda: place.jobs and next(iter(place.jobs.values()))["state"] != "submitting")
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "Come back with: batchwright batch questions.txt --resume --batch-id mine" in stderr
    assert status(place, "mine")["status"] == "running", "the provider works on it"
    place.emulator.advance(7200)
    place.run("batch-fetch", "--check-all-pending", check=0)
    assert len(rows_of(place.folder / "out.csv")) == 30
    assert status(place, "mine")["status"] == "completed"


def test_a_killed_run_goes_on_and_pays_nothing_twice(place):
    place.emulator.behave(in_progress_s=3600)
    words = ("batch", "questions.txt", "--provider", "openai", "--via", "batch", "--output", "out.csv")
    running = place.start(*words, "--batch-id", "mine")
    until(lambda: place.emulator.total("creates") == 1)
    running.kill()
    running.communicate()
    place.emulator.advance(7200)
    place.run("batch", "questions.txt", "--resume", "--batch-id", "mine", check=0)
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == [f"question {n}" for n in range(30)]
    assert place.emulator.stats("openai")["requests"] == 30
    with closing(RunStore(place.folder / "data" / "batch.db")) as store:
        assert store.get("mine").resumed_at is not None  # from then on its rate is counted


def test_a_cancelled_run_keeps_what_was_answered_and_goes_on(place):
    place.emulator.behave(in_progress_s=3600)
    words = ("batch", "questions.txt", "--provider", "openai", "--via", "batch", "--output", "out.csv")
    running = place.start(*words, "--batch-id", "mine")
    until(lambda: place.jobs and next(iter(place.jobs.values()))["state"] not in {"planned", "submitting"})
    cancelled = place.run("batch", "cancel", "mine", check=0)
    assert "Run mine is paused" in cancelled.stdout
    running.communicate(timeout=PATIENCE)
    assert status(place, "mine")["completed_prompts"] < 30
    place.emulator.behave(in_progress_s=0)
    place.run("batch", "questions.txt", "--resume", "--batch-id", "mine", check=0)
    assert [row["response"] for row in rows_of(place.folder / "out.csv")] == [f"question {n}" for n in range(30)]


def test_a_budget_refuses_the_most_that_it_may_cost(place):
    done = send(place, "--max-cost", "0.000001", check=6)
    assert "nothing was sent: it may cost up to" in done.stderr
    assert place.emulator.total("creates") == 0


@pytest.mark.parametrize("option", [("--cache",), ("--stop-on-error",), ("--database", "other.db")])
def test_what_only_live_runs_can_do_is_refused(place, option):
    assert f"{option[0]} does not go with --via batch" in send(place, *option, check=2).stderr
    assert place.emulator.total("creates") == 0


def test_tools_are_refused_before_anything_is_sent(place):
    assert "--via batch calls no tools" in send(place, "--tools", "python", "--yes", check=2).stderr
    assert place.emulator.total("creates") == 0
    assert not (place.folder / "data" / "batch.db").exists()


def test_standard_input_is_gone_when_the_answers_come(place):
    done = place.shell("echo hello | python -m batchwright batch - --provider openai --via batch")
    assert done.returncode == 2
    assert "give a file, not -" in done.stderr
