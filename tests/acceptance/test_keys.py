"""A key goes to its vendor and nowhere else: no file, no log, no screen."""

import subprocess

import pytest

KEY = "sentinel4f1c9d7a"
VARIABLES = {"gemini": "GEMINI_API_KEY", "openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
LOGGING = ("-v", "--log-file", "run.log")
PREFIXES = {"gemini": "/gemini", "openai": "/openai/v1", "anthropic": "/anthropic"}
ELSEWHERE = """
import sys
from batchwright.providers.registry import provider_class
provider_class(sys.argv[1]).BASE_URL = sys.argv[2]
del sys.argv[1:3]
from batchwright.cli.main import entry
entry()
"""
"""The command line with a vendor's own address moved to this machine, so that a real key is really used."""


@pytest.fixture(params=sorted(VARIABLES))
def provider(request):
    return request.param


def run_with_key(workspace, provider, url, *words):
    return subprocess.run(
        [workspace.quick / "python", "-c", ELSEWHERE, provider, url + PREFIXES[provider], *words, *LOGGING],
        cwd=workspace.folder,
        env=workspace.environment({VARIABLES[provider]: KEY}),
        capture_output=True,
        text=True,
        check=False,
    )


def leaks(workspace, *runs):
    shown = [text for run in runs for text in (run.stdout, run.stderr) if KEY in text]
    return shown + [path for path, data in workspace.tree(workspace.folder.parent).items() if KEY.encode() in data]


def test_a_key_that_works_is_written_nowhere(no_emulator, emulator, provider):
    create = ("batch-create", "--provider", provider, "--limit", "1")
    created = run_with_key(no_emulator, provider, emulator.url, *create)
    assert created.returncode == 0, created.stderr
    assert emulator.stats(provider)["creates"] == 1
    fetched = run_with_key(no_emulator, provider, emulator.url, "batch-fetch", "--check-all-pending")
    assert "Completed: 1" in fetched.stdout
    assert leaks(no_emulator, created, fetched) == []


def test_a_key_that_is_refused_ends_in_4_and_is_written_nowhere_though_the_vendor_quotes_it(
    no_emulator, vendor, provider
):
    vendor.quotes_key = True
    refused = run_with_key(no_emulator, provider, vendor.url, "batch-create", "--provider", provider)
    assert any(KEY in value for value in vendor.seen)
    assert refused.returncode == 4, (refused.stdout, refused.stderr)
    assert leaks(no_emulator, refused) == []


def test_the_emulator_never_gets_a_real_key(workspace, vendor):
    workspace.url = vendor.url
    vendor.quotes_key = True
    workspace.run("batch-create", "--provider", "openai", env={"OPENAI_API_KEY": KEY}, check=4)
    assert vendor.seen
    assert not any(KEY in value for value in vendor.seen)


def test_a_key_is_found_in_a_dotenv_file(no_emulator):
    (no_emulator.folder / "keys.env").write_text("OPENAI_API_KEY=two words\n")
    done = no_emulator.run("batch-create", "--provider", "openai", "--dotenv", "keys.env", check=4)
    assert "the key for openai" in done.stderr
    assert "two words" not in done.stdout + done.stderr
