"""Looking before leaping: `--dry-run`, `--emit-payload`, `--limit`, and what `--log-file` tells."""

import json

import pytest

PLACEHOLDER = "job-000000000000-a1-0"


@pytest.mark.parametrize("provider", ["gemini", "openai", "anthropic"])
def test_a_dry_run_needs_no_key_writes_nothing_and_shows_the_first_request(no_emulator, provider):
    before = no_emulator.tree()
    done = no_emulator.run("batch-create", "--provider", provider, "--dry-run", check=0)
    assert no_emulator.tree() == before
    assert "Would process Geography/gcse-geography.md (14 issues)..." in done.stdout
    assert "  Total batches: 5" in done.stdout
    first = json.loads(done.stdout.partition("First request:\n")[2])
    text = json.dumps(first)
    assert text.count(PLACEHOLDER) == 1
    assert "**has** taught it for years" in text


def test_two_dry_runs_print_the_same(no_emulator):
    words = ("batch-create", "--provider", "openai", "--dry-run")
    assert no_emulator.run(*words, check=0).stdout == no_emulator.run(*words, check=0).stdout


@pytest.mark.parametrize("provider", ["gemini", "openai", "anthropic"])
def test_emitted_payloads_are_what_is_uploaded(workspace, provider):
    before = workspace.tree()
    workspace.url, url = None, workspace.url
    words = ("batch-create", "--provider", provider, "--jobs-per", "document")
    shown = workspace.run(*words, "--emit-payload", "out", check=0).stdout.split()
    emitted = [(workspace.folder / path).read_bytes() for path in shown]
    assert workspace.tree().keys() == before.keys() | set(shown)

    workspace.url = url
    workspace.run(*words, check=0)
    assert emitted
    payloads = [path.stem for path in map(workspace.folder.joinpath, shown)]
    sent = [uploaded(workspace, job_id) for job_id in workspace.jobs]
    assert [same_id(data, old) for data, old in zip(emitted, payloads, strict=True)] == [
        same_id(data, new) for data, new in zip(sent, workspace.jobs, strict=True)
    ]


def uploaded(workspace, job_id):
    """The wire file of a job, after making sure that its requests are what the emulator got."""
    (path,) = (workspace.folder / "data" / "batch_jobs" / job_id).glob("requests*")
    data = path.read_bytes()
    received = (workspace.folder.parent / "emulator" / "jobs").glob("*/input.jsonl")
    lines = [json.loads(line) for file in received for line in file.read_bytes().splitlines()]
    requests = json.loads(data)["requests"] if path.suffix == ".json" else map(json.loads, data.splitlines())
    assert all(request in lines for request in requests)
    return data


def same_id(data, job_id):
    return data.replace(job_id.encode(), b"job-000000000000")


def test_a_limit_sends_so_many_batches_and_the_rest_later(workspace, emulator):
    pilot = workspace.run("batch-create", "--provider", "openai", "--limit", "2", check=0)
    assert "Total batches: 2" in pilot.stdout
    assert emulator.stats("openai")["requests"] == 2
    workspace.run("batch-create", "--provider", "openai", check=0)
    assert emulator.stats("openai")["requests"] == 5
    workspace.run("batch-watch", check=0)
    assert workspace.wrong_rows() == []


def test_the_log_file_has_a_json_object_a_line_and_neither_prompts_nor_answers(workspace):
    log = ("--log-file", "logs/run.jsonl")
    workspace.run("batch-create", "--provider", "openai", *log, check=0)
    workspace.run("batch-fetch", "--check-all-pending", *log, check=0)
    text = (workspace.folder / "logs" / "run.jsonl").read_text(encoding="utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    events = {entry["event"]: entry for entry in entries if "event" in entry}
    assert {"job.submitted", "job.collected"} <= events.keys()
    assert events["job.submitted"]["job_id"] == workspace.only_job["job_id"]
    assert all({"at", "level", "message"} <= entry.keys() for entry in entries)
    assert "taught it for years" not in text
    assert "SPELLING_ERROR" not in text


def test_other_places_for_every_file(workspace):
    places = ("--tracking-file", "t/jobs.json", "--state-file", "s/state.json", "--documents-dir", "Texts")
    places += ("--from-report", "report.csv")
    (workspace.folder / "Documents").rename(workspace.folder / "Texts")
    (workspace.folder / "Texts" / "language-check-report.csv").rename(workspace.folder / "report.csv")
    workspace.run("batch-create", "--provider", "openai", *places, check=0)
    workspace.run("batch-fetch", "--check-all-pending", "--strict", *places, check=0)
    assert len(list(workspace.folder.glob("Texts/*/document_reports/*.csv"))) == 3
    assert (workspace.folder / "t" / "jobs.json").is_file()
    assert (workspace.folder / "s" / "state.json").is_file()
    assert not (workspace.folder / "data").exists()
    assert not (workspace.folder / "Documents").exists()
