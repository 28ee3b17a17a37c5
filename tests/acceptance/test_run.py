"""`batchwright run`: the same job, answered at once."""

import json
import re
import signal
import subprocess
import time
from collections import Counter

import pytest

from batchwright.emulator.responders import find_issues
from batchwright.tasks.claims import DocumentClaims
from batchwright.tracking.payloads import JobFolders

PROVIDERS = ("gemini", "openai", "anthropic")
BATCHES, ISSUES = 5, 30
PENDING = {"in_progress_s": 3600}
"""Jobs that do not end while a test looks."""


def asked(workspace, provider):
    """How often each issue was asked about live, by what it says."""
    return Counter(
        (issue["issue_id"], issue["issue"], issue["highlighted_context"])
        for entry in workspace.emulator.log(provider, "request")
        if entry["job"] is None
        for issue in find_issues(entry["prompt"])
    )


def strike(workspace, *faults):
    workspace.emulator.behave(faults=[{"provider": "openai", "on": ["live"]} | fault for fault in faults])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_issue_gets_its_row_by_one_request_a_batch(workspace, provider):
    done = workspace.run("run", "--provider", provider, check=0)
    assert workspace.wrong_rows() == []
    assert workspace.emulator.stats(provider)["live"] == BATCHES
    assert "Processing Geography/gcse-geography.md (14 issues)...\n  Batch 0: saved 10 result(s)\n" in done.stdout
    assert f"Saved results: {ISSUES}" in done.stdout
    assert "Tokens: " in done.stdout
    assert "Cost: $" in done.stdout
    assert workspace.state["subjects"]["Geography"]["gcse-geography.md"] == {
        "completed_batches": [0, 1],
        "total_issues": 14,
    }

    again = workspace.run("run", "--provider", provider, "--batch-size", "7", check=0)
    assert f"Nothing to ask: {ISSUES} issues answered, 0 pending." in again.stdout
    assert workspace.emulator.stats(provider)["live"] == BATCHES
    assert workspace.jobs == {}


def test_options_without_a_command_run_as_guide_002_has_it(workspace):
    workspace.run("--subjects", "Geography", check=0)
    assert {path.parent.parent.name for path in workspace.reports} == {"Geography"}
    workspace.run("--subjects", "Geography", "Art and Design", check=0)
    assert workspace.wrong_rows() == []


def test_force_asks_everything_again(workspace):
    workspace.run("run", "--provider", "openai", check=0)
    workspace.run("run", "--provider", "openai", "--force", check=0)
    assert workspace.emulator.stats("openai")["live"] == 2 * BATCHES
    assert workspace.wrong_rows() == []


def test_a_document_begun_by_one_engine_is_finished_by_the_other(workspace, emulator):
    emulator.behave(**PENDING)
    workspace.run("batch-create", "--provider", "openai", "--limit", "3", check=0)
    live = workspace.run("run", "--provider", "anthropic", check=0)
    job = workspace.only_job["job_id"]
    assert f"Skipped 16 issues pending in {job}" in live.stdout
    assert "Saved results: 14" in live.stdout
    assert emulator.stats("anthropic")["live"] == 2

    emulator.advance(7200)
    workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert workspace.wrong_rows() == []
    assert asked(workspace, "anthropic").total() + 16 == ISSUES


def test_what_a_run_answered_is_in_no_job(workspace, emulator):
    workspace.run("run", "--provider", "openai", "--limit", "4", check=0)
    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("batch-watch", check=0)
    assert (emulator.stats("openai")["live"], emulator.stats("openai")["requests"]) == (4, 1)
    assert workspace.wrong_rows() == []


def test_force_asks_what_is_pending_as_well(workspace, emulator):
    emulator.behave(**PENDING)
    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("run", "--provider", "openai", check=0)
    assert emulator.stats("openai")["live"] == 0
    workspace.run("run", "--provider", "openai", "--force", check=0)
    assert emulator.stats("openai")["live"] == BATCHES
    assert workspace.wrong_rows() == []


def test_the_answers_of_a_job_that_force_did_not_wait_for_take_no_rows_place(workspace, emulator):
    emulator.behave(**PENDING)
    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("run", "--provider", "openai", "--subjects", "Geography", "--force", check=0)
    for path in workspace.reports:  # stands for answers that differ from the job's
        path.write_text(re.sub(r"(?m)^(\d.*)$", r"\1 newer", path.read_text("utf-8")), "utf-8")
    newer = {path: path.read_text("utf-8") for path in workspace.reports}
    assert all(text.count(" newer\n") > 1 for text in newer.values())
    emulator.advance(7200)
    workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert {path: path.read_text("utf-8") for path in newer} == newer
    assert len(workspace.reports) > len(newer)


def test_a_job_whose_gaps_a_run_filled_counts_as_completed(workspace, emulator):
    emulator.behave(fail_every=2)
    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("batch-watch", check=3)
    assert workspace.only_job["status"] == "failed"
    workspace.run("run", "--provider", "openai", check=0)
    assert workspace.only_job["status"] == "completed"
    assert workspace.wrong_rows() == []


def test_issues_without_a_usable_answer_are_asked_again_on_their_own(workspace, emulator):
    strike(workspace, {"name": "wrong_shape", "shape": "fields", "times": 1})
    done = workspace.run("run", "--provider", "openai", "--documents", "fieldwork-handbook.md", check=0)
    assert "  Batch 0: saved 0 result(s), asking 5 issues again\n  Batch 0: saved 5 result(s)\n" in done.stdout
    first, second = (entry["prompt"] for entry in emulator.log("openai", "request"))
    assert "could not be used" not in first
    assert "An earlier answer to this request could not be used: Issue 0 missing required fields" in second


def test_an_answer_that_was_cut_is_asked_again_in_halves(workspace, emulator):
    strike(workspace, {"name": "cut_answer", "times": 1})
    workspace.run("run", "--provider", "openai", "--documents", "fieldwork-handbook.md", check=0)
    sizes = [len(find_issues(entry["prompt"])) for entry in emulator.log("openai", "request")]
    assert sizes[0] == 5
    assert sorted(sizes[1:]) == [2, 3]


def test_issues_that_never_get_an_answer_are_told_and_asked_by_the_next_run(workspace, emulator):
    strike(workspace, {"name": "empty_answer"})
    words = ("run", "--provider", "openai", "--documents", "fieldwork-handbook.md")
    done = workspace.run(*words, "--max-retries", "1", check=3)
    assert "Without a usable answer: 5" in done.stdout
    assert emulator.stats("openai")["live"] == 2
    strike(workspace)
    workspace.run(*words, check=0)
    assert emulator.stats("openai")["live"] == 3


def test_a_used_up_quota_ends_the_run_with_7_and_what_was_answered_stays(workspace, emulator):
    strike(workspace, {"name": "credit_exhausted", "after": 2})
    done = workspace.run("run", "--provider", "openai", "--concurrency", "1", check=7)
    assert done.stderr.count("You exceeded your current quota") == 2, "where it happens, and as the reason of the end"
    assert "Traceback" not in done.stderr
    assert "Saved results: 11" in done.stdout
    strike(workspace)
    workspace.run("run", "--provider", "openai", check=0)
    assert emulator.stats("openai")["live"] == BATCHES
    assert workspace.wrong_rows() == []


def test_without_quota_a_run_may_also_go_on_and_say_what_is_left(workspace):
    strike(workspace, {"name": "credit_exhausted", "after": 2})
    done = workspace.run("run", "--provider", "openai", "--concurrency", "1", "--no-fail-on-quota", check=3)
    assert "Without a usable answer: 19" in done.stdout


def test_the_next_provider_takes_over_when_a_quota_is_used_up(workspace, emulator):
    strike(workspace, {"name": "credit_exhausted", "after": 2})
    settings = {"LLM_PRIMARY": "openai", "LLM_FALLBACK": "anthropic,gemini"}
    done = workspace.run("run", "--concurrency", "1", env=settings, check=0)
    assert "going on with anthropic" in done.stderr
    assert (emulator.stats("openai")["live"], emulator.stats("anthropic")["live"]) == (2, BATCHES - 2)
    assert workspace.wrong_rows() == []


def test_a_fallback_without_a_key_is_left_out_and_named(no_emulator, vendor):
    settings = {"OPENAI_API_KEY": "sk-x", "LLM_PRIMARY": "openai", "LLM_FALLBACK": "gemini"}
    done = no_emulator.run("run", "--documents", "nothing", env=settings, check=2)
    assert "LLM_FALLBACK: gemini is left out: no key for gemini" in done.stderr


def test_without_a_key_nothing_is_asked(no_emulator):
    done = no_emulator.run("run", "--provider", "openai", check=4)
    assert "OPENAI_API_KEY" in done.stderr
    assert no_emulator.reports == []


def test_a_dry_run_needs_no_key_and_writes_nothing(no_emulator):
    before = no_emulator.tree()
    done = no_emulator.run("run", "--provider", "openai", "--subjects", "Geography", "--dry-run", check=0)
    assert "Would process Geography/gcse-geography.md (14 issues)..." in done.stdout
    assert "Total batches: 3" in done.stdout
    assert '"content"' in done.stdout
    assert no_emulator.tree() == before


def test_a_missing_document_is_skipped_and_named_and_the_others_are_answered(workspace):
    (workspace.folder / "Documents" / "Geography" / "markdown" / "gcse-geography.md").unlink()
    done = workspace.run("run", "--provider", "openai", check=3)
    assert "Geography/gcse-geography.md skipped: the text of Geography/gcse-geography.md does not exist" in done.stderr
    assert "Skipped documents: 1" in done.stdout
    assert "Saved results: 16" in done.stdout


def test_a_report_that_cannot_be_merged_into_stops_nothing_else(workspace):
    report = workspace.report_of("Geography", "gcse-geography.md")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("no report\n", encoding="utf-8")
    done = workspace.run("run", "--provider", "openai", check=3)
    assert "cannot be merged into" in done.stderr
    assert "Saved results: 16" in done.stdout
    assert report.read_text(encoding="utf-8") == "no report\n"


def test_a_run_that_is_bound_to_cost_more_than_allowed_is_not_begun(workspace, emulator):
    done = workspace.run("run", "--provider", "openai", "--max-cost", "0.000001", check=6)
    assert "nothing was sent: it costs at least" in done.stderr
    assert emulator.stats("openai")["live"] == 0


def test_a_run_stops_before_it_costs_more_than_allowed(workspace, emulator):
    workspace.run("run", "--provider", "openai", check=0)
    estimate = workspace.run("estimate", "--provider", "openai", "--force", "--json", check=0)
    least, _ = json.loads(estimate.stdout)["estimates"][0]["live_usd"]
    words = ("run", "--provider", "openai", "--force", "--concurrency", "1", "--max-cost", least)
    done = workspace.run(*words, check=6)
    assert "stopped: " in done.stderr
    assert BATCHES < emulator.stats("openai")["live"] < 2 * BATCHES
    assert "Saved results: " in done.stdout


def test_a_budget_needs_a_price(workspace, emulator):
    words = ("run", "--provider", "openai", "--model", "nobody-knows", "--max-cost", "5")
    assert "what it costs is unknown" in workspace.run(*words, check=6).stderr
    assert emulator.stats("openai")["live"] == 0


def test_an_estimate_is_shown_and_nothing_asked_until_a_person_says_so(workspace, emulator):
    done = workspace.run("run", "--provider", "openai", "--estimate", check=0)
    assert "Estimate for 5 request(s) to openai" in done.stdout
    assert emulator.stats("openai")["live"] == 0
    workspace.run("run", "--provider", "openai", "--estimate", "--yes", check=0)
    assert emulator.stats("openai")["live"] == BATCHES


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_at_once_and_the_next_one_goes_on(workspace, emulator, number, code):
    strike(workspace, {"name": "hang", "seconds": 600, "after": 3})
    running = workspace.start("run", "--provider", "openai", "--concurrency", "2")
    while emulator.stats("openai")["live"] < 3 or len(workspace.reports) < 2:
        time.sleep(0.02)
    began = time.monotonic()
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=60)
    assert time.monotonic() - began < 20  # the call that hangs does so for ten minutes
    assert running.returncode == code
    assert "run the same command again" in stderr
    assert "Traceback" not in stderr
    assert "Saved results: " in stdout
    saved = sum(len(workspace.rows(path)) for path in workspace.reports)
    strike(workspace)
    workspace.run("run", "--provider", "openai", check=0)
    assert workspace.wrong_rows() == []
    assert asked(workspace, "openai").total() == ISSUES
    assert 0 < saved < ISSUES


def test_a_state_file_that_a_killed_run_left_behind_is_brought_up_to_date(workspace):
    workspace.run("run", "--provider", "openai", check=0)
    whole = workspace.state
    (workspace.folder / "data" / "llm_categoriser_state.json").unlink()
    workspace.run("run", "--provider", "openai", check=0)
    assert workspace.state == whole


def test_two_runs_at_once_ask_nothing_twice(workspace, emulator):
    strike(workspace, {"name": "hang", "seconds": 0.3})
    runs = [workspace.start("run", "--provider", "openai", "--batch-size", "2") for _ in range(2)]
    for running in runs:
        _, stderr = running.communicate(timeout=60)
        assert running.returncode == 0, stderr
    assert set(asked(workspace, "openai").values()) == {1}
    assert asked(workspace, "openai").total() == ISSUES
    assert workspace.wrong_rows() == []


def test_batch_create_leaves_alone_what_a_run_is_asking_about(workspace, emulator):
    strike(workspace, {"name": "hang", "seconds": 600})
    running = workspace.start("run", "--provider", "openai", "--documents", "gcse-geography.md")
    while not list((workspace.folder / "data" / "batch_jobs" / "locks").glob("asking-*")):
        time.sleep(0.02)
    time.sleep(0.1)
    created = workspace.run("batch-create", "--provider", "openai", check=3)
    assert "gcse-geography.md skipped: a live run is asking about it now" in created.stderr
    assert emulator.stats("openai")["requests"] == 3
    running.kill()
    running.communicate()
    workspace.run("batch-create", "--provider", "openai", check=0)
    assert emulator.stats("openai")["requests"] == BATCHES


def test_a_terminal_shows_a_bar_on_stderr_and_the_results_stay_on_stdout(workspace):
    words = f"{workspace.environment()['PATH'].split(':')[0]}/python -m batchwright run --provider openai"
    shown = workspace.folder.parent / "shown.txt"
    done = subprocess.run(
        ["script", "-qec", f"{words} > {shown}", "/dev/null"],
        cwd=workspace.folder,
        env=workspace.environment({"TERM": "xterm", "COLUMNS": "120"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "/5 requests" in done.stdout
    assert "tokens, $" in done.stdout
    assert "\x1b" not in shown.read_text(encoding="utf-8")
    assert "Saved results: 30" in shown.read_text(encoding="utf-8")


def left_open(workspace):
    """A job whose every second request failed on the vendor's side."""
    workspace.emulator.behave(fail_every=2)
    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("batch-watch", check=3)
    return workspace.only_job["job_id"]


def test_what_a_job_left_open_is_answered_at_once_for_a_price_that_is_told_first(workspace, emulator):
    job = left_open(workspace)
    done = workspace.run("batch-retry", "--job-names", job, "--live", check=0)
    price, *rest = done.stdout.splitlines()
    assert price.startswith("2 request(s) about 11 issues to openai, ")
    assert "at the live price: $" in price
    assert "Saved results: 11" in "\n".join(rest)
    assert emulator.stats("openai")["live"] == 2
    assert workspace.only_job["status"] == "completed"
    assert workspace.wrong_rows() == []
    again = workspace.run("batch-retry", "--all", "--live", check=0)
    assert "No jobs with unanswered items" in again.stderr


def test_two_jobs_that_left_the_same_open_are_asked_once(workspace, emulator):
    left_open(workspace)
    emulator.behave(fail_every=1)
    workspace.run("batch-retry", "--all", check=0)
    workspace.run("batch-watch", check=3)
    assert [job["status"] for job in workspace.jobs.values()] == ["failed", "failed"]
    workspace.run("batch-retry", "--all", "--live", check=0)
    assert emulator.stats("openai")["live"] == 2
    assert [job["status"] for job in workspace.jobs.values()] == ["completed", "completed"]


def test_what_a_live_run_is_asking_about_goes_into_no_job(workspace, emulator):
    left_open(workspace)
    emulator.behave(fail_every=0)
    created = emulator.total("creates")
    with DocumentClaims(JobFolders(workspace.folder / "data/batch_jobs.json").locks) as claims:
        for batch in workspace.only_job["batches"]:
            claims.take((batch["subject"], batch["filename"]))
        done = workspace.run("batch-retry", "--all", check=3)
        assert "a live run is asking about it now" in done.stdout
        assert emulator.total("creates") == created
    workspace.run("batch-retry", "--all", check=0)
    assert emulator.total("creates") == created + 1


def test_on_a_terminal_the_price_is_told_and_leave_is_asked(workspace, emulator):
    left_open(workspace)
    python = f"{workspace.environment()['PATH'].split(':')[0]}/python"
    done = subprocess.run(
        ["script", "-qec", f"{python} -m batchwright batch-retry --all --live", "/dev/null"],
        cwd=workspace.folder,
        env=workspace.environment({"TERM": "xterm", "COLUMNS": "120"}),
        input="n\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "at the live price: $" in done.stdout
    assert "Ask? [y/N]" in done.stdout
    assert emulator.stats("openai")["live"] == 0
