"""`batch-list`, `batch-show` and `batch-cancel`: what is told about jobs, and to whom."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
STATUSES = ("pending", "completed", "failed")


@pytest.fixture(scope="module")
def jobs(open_workspace, tmp_path_factory):
    """Five jobs of one batch each: two completed, two pending, one failed with a long reason."""
    with open_workspace(tmp_path_factory.mktemp("jobs")) as workspace:
        small = ("--provider", "openai", "--jobs-per", "batch")
        workspace.run("batch-create", *small, "--limit", "2", check=0)
        workspace.run("batch-watch", check=0)
        workspace.emulator.behave(fail_every=1)
        workspace.run("batch-create", *small, "--limit", "1", check=0)
        workspace.run("batch-watch", check=3)
        workspace.emulator.behave(fail_every=0, stuck=True)
        workspace.run("batch-create", *small, "--subjects", "Geography", "--documents", "gcse-geography", check=0)
        assert sorted(record["status"] for record in workspace.jobs.values()) == [
            "completed",
            "completed",
            "failed",
            "pending",
            "pending",
        ]
        yield workspace


@pytest.fixture
def stuck(workspace, emulator):
    """Three jobs that do not end, one a document."""
    emulator.behave(stuck=True)
    workspace.run("batch-create", "--provider", "openai", "--jobs-per", "document", check=0)
    assert len(workspace.jobs) == 3
    return workspace


def test_a_line_a_job_begins_with_its_id_and_nothing_else_looks_like_one(jobs):
    for words in ([], ["--show-errors"], ["--batches"], ["--batches", "--show-errors"]):
        lines = jobs.run("batch-list", *words, check=0).stdout.splitlines()
        named = [line for line in lines if "job-" in line]
        assert [line.split()[0] for line in named] == list(jobs.jobs)
        assert all(line.count("job-") == 1 for line in named)


def test_a_status_chooses_and_the_guides_grep_counts(jobs):
    counted = [jobs.shell(f'batchwright batch-list --status {s} | grep -c "job-"').stdout for s in STATUSES]
    assert counted == ["2\n", "2\n", "1\n"]


def test_an_empty_list_says_so_beside_the_data(bare):
    done = bare.run("batch-list", check=0)
    assert done.stdout == ""
    assert "No jobs in data/batch_jobs.json" in done.stderr
    assert list(bare.folder.iterdir()) == []


def test_errors_are_shown_on_request(jobs):
    assert "error: " not in jobs.run("batch-list", check=0).stdout
    shown = [line for line in jobs.run("batch-list", "--show-errors", check=0).stdout.splitlines() if "error: " in line]
    assert len(shown) == 1
    assert "`batch-create` asks them again" in shown[0]


def test_batches_are_shown_on_request(jobs):
    lines = jobs.run("batch-list", "--batches", check=0).stdout.splitlines()
    assert "    Art-and-Design/guidance-for-teaching.md batch 0: 10 items, all answered" in lines
    assert len(lines) == 2 * len(jobs.jobs)


def test_json_is_one_versioned_document(jobs):
    done = jobs.run("batch-list", "--json", check=0)
    document = json.loads(done.stdout)
    assert (document["version"], document["kind"]) == (1, "jobs")
    assert [job["job_id"] for job in document["jobs"]] == list(jobs.jobs)
    first = document["jobs"][0]
    batch = {"subject": "Art-and-Design", "filename": "guidance-for-teaching.md", "batch_index": 0}
    assert batch.items() <= first["batches"][0].items()
    assert first["job_name"].startswith("batch_")
    assert json.loads(jobs.run("batch-list", "--json", "--status", "failed", check=0).stdout)["jobs"][0][
        "error_message"
    ]


def test_one_job_is_shown_by_any_unique_part_of_its_names(jobs):
    job_id, record = next(iter(jobs.jobs.items()))
    for name in (job_id, record["job_name"], record["job_name"][-8:]):
        shown = jobs.run("batch-show", name, check=0).stdout
        assert job_id in shown
        assert record["job_name"] in shown
        assert "Art-and-Design/guidance-for-teaching.md batch 0: succeeded" in shown
    answer = jobs.run("batch-show", job_id, "--full", check=0).stdout
    assert "error_category" in answer
    assert "matches 5 jobs" in jobs.run("batch-show", "job-", check=2).stderr


def test_a_failed_request_is_shown_with_its_reason(jobs):
    (failed,) = [job_id for job_id, record in jobs.jobs.items() if record["status"] == "failed"]
    shown = jobs.run("batch-show", failed, "--errors", check=0).stdout
    assert "errored: " in shown
    (pending, *_) = [job_id for job_id, record in jobs.jobs.items() if record["status"] == "pending"]
    assert "batchwright batch-fetch --job-names" in jobs.run("batch-show", pending, check=0).stderr


@pytest.mark.parametrize("words", [["batch-list"], ["batch-list", "--json"], ["--help"], ["batch-create", "--help"]])
def test_a_reader_that_leaves_early_is_no_error(jobs, words):
    done = without_reader(jobs, *words)
    assert (done.returncode, done.stderr) == (0, "")


def test_work_goes_on_to_its_end_and_true_exit_code_without_a_reader(workspace):
    workspace.emulator.behave(fail_positions=[4])
    assert without_reader(workspace, "batch-create", "--provider", "openai", "--jobs-per", "run").returncode == 0
    assert workspace.only_job["job_name"]
    assert without_reader(workspace, "batch-watch").returncode == 3
    assert len(workspace.reports) == 3


def without_reader(workspace, *words):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "batchwright", *words],
            cwd=workspace.folder,
            env=workspace.environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)


def test_piped_output_is_plain(jobs):
    for words in (["batch-list"], ["batch-list", "--json"], ["batch-watch", "--timeout", "0"]):
        done = jobs.run(*words, env={"FORCE_COLOR": "1", "TERM": "xterm-256color"})
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("no_colour", ["1", None])
def test_a_terminal_shows_progress_and_the_data_stays_plain(jobs, no_colour):
    screen, terminal = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "batchwright", "batch-watch", "--timeout", "0.1"],
        cwd=jobs.folder,
        env=jobs.environment({"TERM": "xterm-256color", "NO_COLOR": no_colour}),
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    shown = everything(screen)
    stdout, _ = watching.communicate(timeout=30)
    assert watching.returncode == 124
    assert b"\x1b" not in stdout
    assert "Ctrl-C detaches" in shown
    assert no_colour is None or not [code for code in COLOUR.findall(shown) if re.search(r"[34]\d", code)]


def everything(screen):
    shown = b""
    with os.fdopen(screen, "rb", buffering=0) as file:
        while True:
            try:
                piece = file.read(4096)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not piece:
                break
            shown += piece
    return shown.decode(errors="replace")


def test_named_jobs_are_cancelled_and_the_others_go_on(stuck):
    first, second, third = stuck.jobs
    done = stuck.run("batch-cancel", "--job-names", first, stuck.jobs[second]["job_name"], check=0)
    assert "batchwright batch-fetch" in done.stderr
    assert stuck.emulator.stats("openai")["cancels"] == 2
    stuck.run("batch-fetch", "--check-all-pending", check=0)
    assert [stuck.jobs[job]["state"] for job in (first, second)] == ["cancelled", "cancelled"]
    assert stuck.jobs[third]["status"] == "pending"
    assert "has ended already" in stuck.run("batch-cancel", "--job-names", first, check=0).stderr
    assert stuck.emulator.stats("openai")["cancels"] == 2


def test_everything_pending_is_cancelled_and_its_issues_may_be_asked_again(stuck, emulator):
    stuck.run("batch-cancel", "--cancel-all-pending", check=0)
    assert emulator.stats("openai")["cancels"] == 3
    stuck.run("batch-fetch", "--wait", check=5)
    assert {record["state"] for record in stuck.jobs.values()} == {"cancelled"}
    answered = sum(len(stuck.rows(path)) for path in stuck.reports)
    emulator.behave(stuck=False)
    again = stuck.run("batch-create", "--provider", "openai", check=0)
    assert answered == 0 or f"Already answered issues: {answered}" in again.stdout
    stuck.run("batch-watch", check=0)
    assert stuck.wrong_rows() == []
    assert "No pending jobs." in stuck.run("batch-cancel", "--cancel-all-pending", check=0).stderr
