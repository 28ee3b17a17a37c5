"""A tracking file of the first generation: a flat map of the provider's job names."""

import json

import httpx2
import pytest

CREATED = "2025-12-30T10:15:00.123456"
SUBJECT, FILENAME = "Geography", "fieldwork-handbook.md"
UNKNOWN = "batches/unknowntotheprovider00000000000000000"


def entry(job_name, batch_index, issue_ids, status, **more):
    return {
        "provider_name": "gemini",
        "job_name": job_name,
        "subject": SUBJECT,
        "filename": FILENAME,
        "batch_index": batch_index,
        "issue_ids": issue_ids,
        "created_at": CREATED,
        "status": status,
        **more,
    }


@pytest.fixture
def known_job(workspace):
    """A job as the first generation made them: one inlined request without a key."""
    issues = [
        {"issue_id": number, "issue": line["Issue"], "highlighted_context": line["Highlighted Context"]}
        for number, line in enumerate(workspace.issues[SUBJECT, FILENAME])
    ]
    prompt = {"contents": [{"role": "user", "parts": [{"text": json.dumps(issues)}]}]}
    body = {"batch": {"display_name": "x", "input_config": {"requests": {"requests": [{"request": prompt}]}}}}
    answer = httpx2.post(
        f"{workspace.url}/gemini/v1beta/models/gemini-2.5-flash:batchGenerateContent",
        json=body,
        headers={"x-goog-api-key": "any"},
    )
    return answer.raise_for_status().json()["name"]


@pytest.fixture
def old_file(workspace, known_job):
    """Its bytes, as they lie in the workspace."""
    entries = [
        entry(known_job, 0, [0, 1, 2, 3, 4], "pending"),
        entry(UNKNOWN, 1, [5, 6], "pending"),
        entry("batches/done", 2, [7], "completed"),
        entry("batches/failed", 3, [8, 9], "failed", error_message="Invalid response format"),
    ]
    text = json.dumps({each["job_name"]: each for each in entries}, indent=2).encode()
    workspace.tracking_file.parent.mkdir()
    workspace.tracking_file.write_bytes(text)
    return text


def test_every_job_is_listed_and_listing_changes_nothing(workspace, old_file):
    before = workspace.tree()
    listed = workspace.run("batch-list", "--show-errors", check=0).stdout.splitlines()
    assert sorted(line.split()[1] for line in listed) == ["completed", "pending", "pending", "pending"]
    assert sum("Invalid response format" in line for line in listed) == 1
    assert all(line.startswith("job-") for line in listed)
    assert workspace.tree() == before


def test_the_known_job_is_fetched_into_the_report(workspace, old_file, known_job):
    fetched = workspace.run("batch-fetch", "--job-names", known_job, check=0)
    assert "Saved 5 result(s)" in fetched.stdout
    rows = workspace.rows(workspace.report_of(SUBJECT, FILENAME))
    assert [row["issue_id"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert not [line for line in workspace.wrong_rows() if "fieldwork-handbook" in line]


def test_a_job_the_old_tool_gave_up_is_fetched_if_the_provider_has_it_and_never_paid_for_twice(
    workspace, old_file, known_job
):
    entries = {known_job: entry(known_job, 0, [0, 1, 2, 3, 4], "failed", error_message="Invalid response format")}
    workspace.tracking_file.write_text(json.dumps(entries))
    creates = workspace.emulator.stats("gemini")["creates"]
    created = workspace.run("batch-create", "--documents", FILENAME, check=0)
    assert "5 pending" in created.stdout
    assert workspace.emulator.stats("gemini")["creates"] == creates
    assert "Saved 5 result(s)" in workspace.run("batch-fetch", "--check-all-pending", check=0).stdout
    assert workspace.only_job["status"] == "completed"


def test_a_job_the_provider_no_longer_knows_reads_as_lost_after_two_looks_and_nothing_is_thrown_away(
    workspace, old_file, known_job
):
    first = workspace.run("batch-fetch", "--check-all-pending", check=0)
    assert "Still pending: 2" in first.stdout
    second = workspace.run("batch-fetch", "--check-all-pending", check=0)
    assert "Failed: 2" in second.stdout

    shown = workspace.run("batch-list", "--status", "failed", "--show-errors", check=0).stdout.splitlines()
    lost = [line for line in shown if " lost " in line]
    assert len(lost) == 2
    assert all("gemini does not know" in line for line in lost)
    assert {record["job_name"] for record in workspace.jobs.values()} == set(json.loads(old_file))
    assert workspace.tracking_file.with_name("batch_jobs.json.v1").read_bytes() == old_file
    assert "No pending jobs." in workspace.run("batch-fetch", "--check-all-pending", check=0).stderr
