"""`batch-retry`, `batch-reconcile`, `batch-clean`: what a person does when something went wrong, or all is well."""

import pytest

PROVIDERS = ("gemini", "openai", "anthropic")


def create(workspace, *words, provider="openai", **behaviour):
    workspace.emulator.behave(**behaviour)
    return workspace.run("batch-create", "--provider", provider, *words, check=0)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_retry_asks_only_what_failed_and_completes_the_reports(workspace, provider):
    create(workspace, provider=provider, fail_positions=[4])
    workspace.run("batch-fetch", "--wait", check=3)
    parent = workspace.only_job["job_id"]
    workspace.emulator.behave(fail_positions=[])
    retried = workspace.run("batch-retry", "--all", check=0)
    assert "Total batches: 1" in retried.stdout
    child = next(job for job_id, job in workspace.jobs.items() if job_id != parent)
    assert (child["parent"], child["retries"]) == (parent, 1)
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []
    assert workspace.emulator.stats(provider)["requests"] == 5 + 1
    assert "No jobs with unanswered items" in workspace.run("batch-retry", "--all", check=0).stderr


def test_a_retry_needs_to_be_told_which_jobs(workspace):
    assert "No jobs specified" in workspace.run("batch-retry", check=2).stderr


def test_nothing_to_retry_is_said(workspace):
    create(workspace)
    workspace.run("batch-watch", check=0)
    assert "No jobs with unanswered items" in workspace.run("batch-retry", "--all", check=0).stderr


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_lost_tracking_file_is_rebuilt_and_nothing_is_sent_twice(workspace, provider):
    create(workspace, provider=provider)
    workspace.tracking_file.rename(workspace.folder / "lost.json")
    rebuilt = workspace.run("batch-reconcile", "--rebuild", check=0)
    assert "Restored 1 record(s)" in rebuilt.stdout
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []
    assert workspace.emulator.stats(provider)["creates"] == 1


def test_a_job_whose_answers_are_in_the_reports_is_not_rebuilt(workspace):
    create(workspace)
    workspace.run("batch-watch", check=0)
    workspace.tracking_file.rename(workspace.folder / "lost.json")
    assert "Restored 0 record(s)" in workspace.run("batch-reconcile", "--rebuild", check=0).stdout


def test_without_unresolved_jobs_there_is_nothing_to_reconcile(workspace):
    create(workspace)
    assert "No unresolved jobs" in workspace.run("batch-reconcile", check=0).stderr


@pytest.mark.parametrize("provider", PROVIDERS)
def test_cleaning_deletes_what_we_left_and_keeps_records_and_reports(workspace, provider):
    create(workspace, provider=provider)
    workspace.run("batch-watch", check=0)
    cleaned = workspace.run("batch-clean", "--older-than", "0", "--yes", check=0)
    assert "deleted" in cleaned.stdout
    job = workspace.only_job
    assert "cleaned_at" in job
    assert not (workspace.folder / "data" / "batch_jobs" / job["job_id"]).exists()
    assert workspace.wrong_rows() == []
    assert "Nothing to clean" in workspace.run("batch-clean", "--older-than", "0", "--yes", check=0).stderr


def test_cleaning_touches_nothing_that_is_still_needed(workspace):
    create(workspace, fail_positions=[4])
    workspace.run("batch-fetch", "--wait", check=3)
    assert "Nothing to clean" in workspace.run("batch-clean", "--older-than", "0", "--yes", check=0).stderr


def test_cleaning_asks_first(workspace):
    create(workspace)
    workspace.run("batch-watch", check=0)
    before = workspace.tree()
    workspace.run("batch-clean", "--older-than", "0")
    assert workspace.tree() == before


def test_what_goes_over_a_limit_waits_and_is_sent_as_room_appears(workspace):
    workspace.variables["BATCHWRIGHT_OPENAI_MAX_CONCURRENT_JOBS"] = "2"
    created = create(workspace, "--jobs-per", "batch")
    assert "Created jobs: 2" in created.stdout
    assert "Waiting to be sent" in created.stdout
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []
    assert workspace.emulator.stats("openai")["creates"] == 5


def test_jobs_planned_before_are_sent_only_where_they_were_asked_for(workspace):
    workspace.variables["BATCHWRIGHT_OPENAI_MAX_CONCURRENT_JOBS"] = "1"
    create(workspace, "--jobs-per", "document")
    del workspace.variables["BATCHWRIGHT_OPENAI_MAX_CONCURRENT_JOBS"]
    told = "2 job(s) planned before are waiting; batch-fetch sends them"
    for words in (["--provider", "gemini"], ["--provider", "openai", "--limit", "1"]):
        assert told in workspace.run("batch-create", *words, check=0).stderr
    assert workspace.emulator.total("creates") == 1

    waiting = [job["batches"][0]["filename"] for job in workspace.jobs.values() if job["state"] == "planned"]
    one = ("batch-create", "--provider", "openai", "--documents", waiting[0])
    assert "Jobs planned before: 1" in workspace.run(*one, "--dry-run", check=0).stdout
    done = workspace.run(*one, check=0)
    assert "Jobs planned before: 1" in done.stdout
    assert "1 job(s) planned before are waiting" in done.stderr
    assert workspace.emulator.total("creates") == 2


@pytest.mark.parametrize("command", [["batch-fetch", "--check-all-pending"], ["batch-watch"]])
def test_fetching_without_the_issue_report_ends_at_once(workspace, command):
    create(workspace)
    (workspace.folder / "Documents" / "language-check-report.csv").unlink()
    assert "language-check-report.csv" in workspace.run(*command, check=2).stderr
    assert workspace.only_job["status"] == "pending"
