"""The main job on a real issue report: 872 issues in 38 documents of three subjects."""

import re
import shutil

import pytest

PROVIDERS = ("gemini", "openai", "anthropic")
ISSUES, WITH_PAGE, DOCUMENTS, BATCHES = 872, 862, 38, 107
NEEDED_SHARE = 0.96
"""Of the issues with a page, those whose prompt must hold their context."""


@pytest.fixture(scope="module")
def open_corpus(open_workspace, tmp_path_factory, request):
    """A function that opens an emulator and a workspace with the corpus in it."""
    folder = request.getfixturevalue("shared_folder") / "corpus" / "Documents"
    if not folder.is_dir():
        pytest.skip("the corpus is not here")

    def opening(**behaviour):
        root = tmp_path_factory.mktemp("corpus")
        opening = open_workspace(root, sample=False, **behaviour)
        shutil.copytree(folder, root / "workspace" / "Documents")
        return opening

    return opening


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request):
    return request.param


@pytest.fixture(scope="module")
def finished(open_corpus, provider):
    """The corpus after its first run."""
    with open_corpus() as workspace:
        workspace.run("batch-create", "--provider", provider, check=0)
        workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
        yield workspace


def test_872_issues_become_rows_in_38_reports_each_with_the_models_verdict(finished):
    assert finished.wrong_rows() == []
    assert len(finished.reports) == DOCUMENTS
    assert sum(len(finished.rows(path)) for path in finished.reports) == ISSUES


def test_one_job_holds_everything_and_the_state_file_lists_every_batch(finished, provider):
    assert finished.emulator.stats(provider)["creates"] == 1
    assert finished.emulator.stats(provider)["requests"] == BATCHES
    entries = [entry for documents in finished.state["subjects"].values() for entry in documents.values()]
    assert len(entries) == DOCUMENTS
    assert sum(entry["total_issues"] for entry in entries) == ISSUES
    assert sum(len(entry["completed_batches"]) for entry in entries) == BATCHES
    assert all(entry["completed_batches"] == list(range(-(-entry["total_issues"] // 10))) for entry in entries)


def test_a_prompt_holds_the_page_its_issues_are_on(finished, provider, request):
    prompts = [entry["prompt"] for entry in finished.emulator.log(provider, "request")]
    batches = finished.only_job["batches"]
    assert len(prompts) == len(batches) == BATCHES
    found = total = 0
    for prompt, batch in zip(prompts, batches, strict=True):
        lines = finished.issues[batch["subject"], batch["filename"]]
        pages = plain(without_findings(prompt))
        with_page = [lines[number] for number in batch["issue_ids"] if lines[number]["Page"]]
        total += len(with_page)
        found += sum(plain(line["Highlighted Context"]) in pages for line in with_page)
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    terminal.write_line(f"\n{provider}: {found} of {total} prompts hold their issue's context ({found / total:.1%})")
    assert total == WITH_PAGE
    assert found / total >= NEEDED_SHARE


def test_a_second_run_sends_nothing_whatever_the_batch_size(finished, provider):
    again = finished.run("batch-create", "--provider", provider, "--batch-size", "7", check=0)
    assert f"Already answered issues: {ISSUES}" in again.stdout
    assert finished.emulator.stats(provider)["creates"] == 1


def test_a_job_for_each_document_on_request(open_corpus):
    with open_corpus() as workspace:
        created = workspace.run("batch-create", "--provider", "openai", "--jobs-per", "document", check=0)
        assert f"Created jobs: {DOCUMENTS}" in created.stdout
        assert workspace.emulator.stats("openai")["creates"] == len(workspace.jobs) == DOCUMENTS
        fetched = workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
        assert f"Completed: {DOCUMENTS}" in fetched.stdout
        assert workspace.wrong_rows() == []


def test_of_107_jobs_for_each_batch_those_beyond_what_gemini_runs_at_once_are_sent_by_later_fetches(open_corpus):
    with open_corpus(polls_until_done=1) as workspace:
        created = workspace.run("batch-create", "--provider", "gemini", "--jobs-per", "batch", check=0)
        assert "Created jobs: 100" in created.stdout
        assert created.stdout.count("Waiting to be sent - ") == BATCHES - 100
        assert workspace.emulator.stats("gemini")["creates"] == 100
        states = [job["state"] for job in workspace.jobs.values()]
        assert states.count("planned") == BATCHES - 100
        assert len(states) == BATCHES
        assert len(workspace.run("batch-list", "--status", "pending", check=0).stdout.splitlines()) == BATCHES

        workspace.run("batch-watch", check=0)

        sent = workspace.emulator.stats("gemini")
        assert (sent["creates"], sent["requests"]) == (BATCHES, BATCHES)
        assert {job["status"] for job in workspace.jobs.values()} == {"completed"}
        assert workspace.wrong_rows() == []


@pytest.fixture(scope="module")
def answered_live(open_corpus, provider):
    """The corpus after a live run, and what the run said."""
    with open_corpus() as workspace:
        done = workspace.run("run", "--provider", provider, "--concurrency", "20", check=0)
        yield workspace, done.stdout


def test_a_live_run_writes_the_same_reports_and_state(answered_live, provider):
    workspace, said = answered_live
    assert workspace.wrong_rows() == []
    assert len(workspace.reports) == DOCUMENTS
    assert sum(len(workspace.rows(path)) for path in workspace.reports) == ISSUES
    assert workspace.emulator.stats(provider)["live"] == BATCHES
    assert f"Total documents: {DOCUMENTS}\n  Saved results: {ISSUES}\n  Requests: {BATCHES}\n" in said
    entries = [entry for documents in workspace.state["subjects"].values() for entry in documents.values()]
    assert sum(entry["total_issues"] for entry in entries) == ISSUES
    assert all(entry["completed_batches"] == list(range(-(-entry["total_issues"] // 10))) for entry in entries)


def test_a_second_live_run_asks_nothing(answered_live, provider):
    workspace, _ = answered_live
    again = workspace.run("run", "--provider", provider, "--batch-size", "7", check=0)
    assert f"Nothing to ask: {ISSUES} issues answered, 0 pending." in again.stdout
    assert workspace.emulator.stats(provider)["live"] == BATCHES


def test_half_by_a_batch_job_and_half_live_make_the_whole(open_corpus, provider):
    with open_corpus(in_progress_s=3600) as workspace:
        half = BATCHES // 2
        workspace.run("batch-create", "--provider", provider, "--limit", half, check=0)
        live = workspace.run("run", "--provider", provider, "--concurrency", "20", check=0)
        assert f"pending in {workspace.only_job['job_id']}" in live.stdout
        assert workspace.emulator.stats(provider)["live"] == BATCHES - half
        workspace.emulator.advance(7200)
        workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
        assert workspace.emulator.stats(provider)["requests"] == half
        assert workspace.wrong_rows() == []
        assert sum(len(workspace.rows(path)) for path in workspace.reports) == ISSUES


def without_findings(prompt):
    """The prompt without its JSON array of issues, which repeats every context."""
    return re.sub(r'^\s*\{"issue_id".*$', "", prompt, flags=re.MULTILINE)


def plain(text):
    """White space folded; without the checker's own marks: ** around the words, ... where it cut."""
    text = " ".join(text.split())
    return " ".join(text.removeprefix("...").removesuffix("...").replace("**", "").split())
