"""`batch-fetch` and `batch-watch`: exit codes, timeouts, jobs that expire, and looking again."""

import json
from datetime import datetime, timedelta

import pytest

DAY = 86_400


@pytest.fixture
def create(workspace, emulator):
    """Create one job under the given behaviour of the emulator."""

    def creating(provider="openai", **behaviour):
        emulator.behave(**behaviour)
        workspace.run("batch-create", "--provider", provider, check=0)
        return workspace

    return creating


def test_a_plain_fetch_ends_well_whatever_became_of_the_requests_and_strict_says(create):
    workspace = create(fail_positions=[4])
    fetched = workspace.run("batch-fetch", "--check-all-pending", check=0)
    assert "Failed: 1" in fetched.stdout
    assert "4 of 30 " in fetched.stdout
    workspace.run("batch-fetch", "--job-names", workspace.only_job["job_id"], "--strict", check=3)


def test_waiting_ends_in_3_where_a_request_failed_and_only_its_issues_are_asked_again(create, emulator):
    workspace = create(fail_positions=[4])
    workspace.run("batch-fetch", "--wait", check=3)
    assert workspace.state["subjects"]["Geography"]["gcse-geography.md"]["completed_batches"] == [0]
    emulator.behave(fail_positions=[])
    again = workspace.run("batch-create", "--provider", "openai", check=0)
    assert "Processing Geography/gcse-geography.md (4 issues)..." in again.stdout
    assert emulator.stats("openai")["requests"] == 5 + 1
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []


@pytest.mark.parametrize("command", [["batch-fetch", "--wait"], ["batch-watch"]])
def test_a_timeout_ends_in_124_and_leaves_the_job_pending(create, command):
    workspace = create(stuck=True)
    done = workspace.run(*command, "--timeout", "0.3", check=124)
    assert "Still pending: 1" in done.stdout
    assert "batchwright batch-watch" in done.stderr
    assert workspace.only_job["status"] == "pending"


@pytest.mark.parametrize(("provider", "batches"), [("openai", 2), ("anthropic", 2), ("gemini", 0)])
def test_an_expired_job_ends_in_5_and_what_it_answered_is_kept(create, emulator, provider, batches):
    workspace = create(provider, stuck=True, stuck_fraction=0.4)
    emulator.advance(3 * DAY)
    assert "Failed: 1" in workspace.run("batch-fetch", "--check-all-pending", check=0).stdout
    job = workspace.only_job
    assert (job["state"], job["status"]) == ("expired", "failed")
    answered = [batch for batch in job["batches"] if batch["unanswered"] == []]
    assert len(answered) == batches
    assert sum(len(workspace.rows(path)) for path in workspace.reports) == sum(len(b["issue_ids"]) for b in answered)


def test_what_an_expired_job_left_open_is_asked_again(create, emulator):
    workspace = create(stuck=True, stuck_fraction=0.4)
    emulator.advance(3 * DAY)
    workspace.run("batch-watch", check=5)
    emulator.behave(stuck=False)
    assert "Total batches: 3" in workspace.run("batch-create", "--provider", "openai", check=0).stdout
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []


def test_a_job_the_provider_fails_ends_in_5_with_its_reason(bare, vendor):
    bare.make_document([("has", "the class **has** gone")])
    bare.url = vendor.url
    vendor.job_error = "This line is not parseable as valid JSON."
    bare.run("batch-create", "--provider", "openai", check=0)
    done = bare.run("batch-watch", check=5)
    assert "This line is not parseable as valid JSON." in done.stdout
    assert bare.only_job["state"] == "failed"


def test_a_request_that_no_quota_has_room_for_is_left_to_a_person_and_watching_ends(bare, vendor):
    bare.make_document([("has", "the class **has** gone")])
    bare.url = vendor.url
    vendor.job_error, vendor.job_error_code = "Enqueued token limit reached", "token_limit_exceeded"
    bare.run("batch-create", "--provider", "openai", check=0)
    done = bare.run("batch-watch", check=3)
    assert "smaller --batch-size" in done.stdout
    assert bare.run("batch-list", "--status", "pending", check=0).stdout == ""


def test_refetching_looks_again_at_jobs_that_ended_recently_with_answers_missing(create):
    workspace = create(fail_positions=[0])
    workspace.run("batch-fetch", "--check-all-pending", check=0)
    report = workspace.report_of("Geography", "gcse-geography.md")
    report.unlink()
    assert "Saved 14 result(s)" in workspace.run("batch-fetch", "--refetch-hours", "1", check=0).stdout
    assert len(workspace.rows(report)) == 14

    tracking = json.loads(workspace.tracking_file.read_bytes())
    ((job_id, record),) = tracking["jobs"].items()
    ended = datetime.fromisoformat(record["ended_at"]) - timedelta(hours=5)
    record["ended_at"] = ended.isoformat()
    workspace.tracking_file.write_text(json.dumps(tracking))
    assert "No pending jobs." in workspace.run("batch-fetch", "--refetch-hours", "1", check=0).stderr
    assert job_id in workspace.run("batch-fetch", "--refetch-hours", "6", check=0).stdout


def test_the_record_alone_suffices_to_fetch_on_another_machine_and_fetching_twice_changes_nothing(create):
    workspace = create()
    for path in sorted((workspace.folder / "data" / "batch_jobs").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert workspace.wrong_rows() == []
    reports = {path: path.read_bytes() for path in workspace.reports}
    workspace.run("batch-fetch", "--job-names", workspace.only_job["job_id"], "--strict", check=0)
    assert {path: path.read_bytes() for path in workspace.reports} == reports


def test_answers_about_issues_that_have_changed_since_are_refused_until_a_person_accepts_them(create):
    workspace = create()
    report = workspace.folder / "Documents" / "language-check-report.csv"
    report.write_text(report.read_text().replace(",doesnt,", ",dosnt,"))
    refused = workspace.run("batch-fetch", "--check-all-pending", "--strict", check=3)
    assert "--accept-changed" in refused.stdout
    assert not workspace.report_of("Geography", "fieldwork-handbook.md").exists()
    workspace.run("batch-fetch", "--job-names", "job-", "--accept-changed", "--strict", check=0)
    assert len(workspace.rows(workspace.report_of("Geography", "fieldwork-handbook.md"))) == 5


def test_answers_in_any_order_find_their_issues(create):
    workspace = create(shuffle=True, seed=7)
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []
