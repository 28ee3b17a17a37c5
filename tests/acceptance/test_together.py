"""Two commands at the same time in one workspace."""

import pytest


@pytest.mark.parametrize("jobs_per", ["run", "batch"])
def test_two_creates_at_once_send_every_batch_once(workspace, emulator, jobs_per):
    words = ("batch-create", "--provider", "openai", "--jobs-per", jobs_per)
    both = [workspace.start(*words), workspace.start(*words)]
    for process in both:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, (stdout, stderr)
    sent = [(b["subject"], b["filename"], b["batch_index"]) for job in workspace.jobs.values() for b in job["batches"]]
    assert len(sent) == len(set(sent)) == 5
    assert emulator.stats("openai")["requests"] == 5


def test_two_fetches_at_once_write_every_row_once(workspace):
    workspace.run("batch-create", "--provider", "openai", "--jobs-per", "batch", check=0)
    both = [workspace.start("batch-fetch", "--check-all-pending") for _ in range(2)]
    for process in both:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, (stdout, stderr)
    assert {job["status"] for job in workspace.jobs.values()} == {"completed"}
    assert workspace.wrong_rows() == []
