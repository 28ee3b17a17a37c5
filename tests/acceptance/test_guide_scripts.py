"""The guide's polling script and CI steps, word for word but for the command's name, under `bash -e`."""

import re
import sys

import pytest

GUIDES_COMMAND = "python -m src.llm_review.llm_categoriser"
POLLING = """\
#!/bin/bash
# Simple polling script
while true; do
    echo "Checking batch jobs..."
    batchwright batch-fetch --check-all-pending
    
    # Check if any pending jobs remain
    pending=$(batchwright batch-list --status pending | grep -c "job-")
    
    if [ "$pending" -eq 0 ]; then
        echo "All jobs completed!"
        break
    fi
    
    echo "Waiting 60 seconds..."
    sleep 60
done
"""  # noqa: W293  (the guide's own blanks)
CREATE_STEP = "batchwright batch-create"
WAIT_STEP = """\
while [ "$(batchwright batch-list --status pending | grep -c 'job-')" -gt 0 ]; do
  sleep 60
  batchwright batch-fetch --check-all-pending
done
"""
COMMIT_STEP = """\
git add Documents/*/document_reports/*.csv
git commit -m "Update categorisation results"
"""
SLEEP = """\
#!{python}
import json, os, sys, urllib.request
with open("sleeps", "a") as file:
    file.write(sys.argv[1] + "\\n")
body = json.dumps({{"advance": float(sys.argv[1])}}).encode()
urllib.request.urlopen(urllib.request.Request("{url}/_emulator/clock", data=body, method="POST")).read()
"""
LOOKS = 4
"""The first look at a job that sees it ended: the third has passed."""


@pytest.fixture
def programs(workspace, tmp_path):
    """A folder with a `sleep` that moves the emulator's clock and takes no time."""
    folder = tmp_path / "programs"
    folder.mkdir()
    sleep = folder / "sleep"
    sleep.write_text(SLEEP.format(python=sys.executable, url=workspace.url))
    sleep.chmod(0o755)
    return folder


def all_but_the_failed_batch_is_there(workspace):
    """The second request failed: the second batch of Art and Design, one issue."""
    rows = {path.name: len(workspace.rows(path)) for path in workspace.reports}
    return rows == {"guidance-for-teaching.csv": 10, "fieldwork-handbook.csv": 5, "gcse-geography.csv": 14}


def slept(workspace):
    return (workspace.folder / "sleeps").read_text().split()


def test_the_polling_script_ends_though_a_request_failed(workspace, emulator, programs):
    emulator.behave(polls_until_done=LOOKS, fail_positions=[1])
    workspace.run("batch-create", check=0)
    done = workspace.shell(POLLING, programs=programs)
    # `grep -c` says 0 with exit code 1, which ends a script under -e at the very point where it would say so itself.
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("Checking batch jobs...") == LOOKS
    assert slept(workspace) == ["60"] * (LOOKS - 1)
    assert all_but_the_failed_batch_is_there(workspace)
    assert "Traceback" not in done.stderr


def test_the_polling_script_says_so_where_bash_goes_on_after_errors(workspace, programs):
    workspace.run("batch-create", "--provider", "openai", check=0)
    done = workspace.shell("set +e\n" + POLLING, programs=programs)
    assert done.returncode == 0
    assert done.stdout.endswith("All jobs completed!\n")
    assert workspace.wrong_rows() == []


def test_the_ci_steps_end_in_a_commit_of_the_reports(workspace, emulator, programs):
    emulator.behave(polls_until_done=LOOKS, fail_positions=[1])
    identity = {f"GIT_{who}_{what}": "ci@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    git = identity | {"GIT_CONFIG_NOSYSTEM": "1", "LLM_PRIMARY": "openai"}
    assert workspace.shell("git init -q && git add -A && git commit -qm start", env=git).returncode == 0
    for step in (CREATE_STEP, WAIT_STEP, COMMIT_STEP):
        done = workspace.shell(step, programs=programs, env=git, installed=True)
        assert done.returncode == 0, (step, done.stdout, done.stderr)
    assert slept(workspace) == ["60"] * LOOKS
    assert all_but_the_failed_batch_is_there(workspace)
    committed = workspace.shell("git show --name-only --format=%s HEAD", env=git).stdout.split("\n\n")
    assert committed[0] == "Update categorisation results"
    assert committed[1].split() == sorted(str(path.relative_to(workspace.folder)) for path in workspace.reports)


def test_what_git_sees_of_a_workspace_is_what_should_be_shared(workspace):
    workspace.run("batch-create", "--provider", "openai", check=0)
    workspace.run("batch-watch", check=0)
    workspace.shell("git init -q")
    seen = workspace.shell("git status --porcelain --untracked-files=all").stdout
    assert "data/batch_jobs.json\n" in seen
    assert "data/llm_categoriser_state.json\n" in seen
    assert "data/batch_jobs/" not in seen
    assert ".lock" not in seen


def test_these_are_the_guides_own_words(shared_folder):
    guides = [path.read_text(encoding="utf-8") for path in sorted((shared_folder / "seeds").glob("*.txt"))]
    (guide,) = [text.replace(GUIDES_COMMAND, "batchwright") for text in guides if "# Simple polling script" in text]
    assert POLLING in guide
    workflow = re.search(r"```yaml\n(.*?)```", guide, re.DOTALL)[1]
    for step in (CREATE_STEP, WAIT_STEP, COMMIT_STEP):
        assert all(line.strip() in workflow for line in step.splitlines())
