"""The vendors' own plugins of the llm tool, through our providers.

`llm-anthropic` wants an SDK that is older than the newest, so both are installed with the oldest SDKs only.
"""

import csv
import json
import os
import subprocess
import sys

import pytest

from batchwright.emulator import RunningEmulator, Scenario
from batchwright.plugins.llm.backend import LlmBackend

pytest.importorskip("llm_anthropic", reason="not beside the newest SDKs")
pytest.importorskip("llm_gemini", reason="not beside the newest SDKs")

MODELS = [
    ("claude-sonnet-4.5", "anthropic", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
    ("anthropic/claude-haiku-4-5-20251001", "anthropic", "claude-haiku-4-5-20251001", None),
    ("gemini-2.5-flash", "gemini", "gemini-2.5-flash", "gemini/gemini-2.5-flash"),
    ("gemini/gemini-3.5-flash", "gemini", "gemini-3.5-flash", None),
    ("4o-mini", "openai", "gpt-4o-mini", "gpt-4o-mini"),
]
"""What a person types, whose it is, what it is called there, and in the tool."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "llm"
    home.mkdir()
    for name in ("ANTHROPIC_API_KEY", "LLM_GEMINI_KEY", "OPENAI_API_KEY", "LLM_MODEL", "BATCHWRIGHT_EMULATOR_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLM_USER_PATH", str(home))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.mark.parametrize(("typed", "provider_name", "model", "name"), MODELS)
def test_a_model_of_a_plugin_is_our_providers_with_the_key_that_the_tool_stores(
    home, typed, provider_name, model, name
):
    (home / "keys.json").write_text(json.dumps({vendor: f"key-of-{vendor}" for _, vendor, _, _ in MODELS}))
    session = LlmBackend().open({})
    found = session.model(typed)
    provider = session.provider(found)
    assert found.name == (name or typed)
    assert (provider.name, provider.model, provider._key) == (provider_name, model, f"key-of-{provider_name}")


@pytest.mark.parametrize(("typed", "provider_name", "model", "name"), [MODELS[0], MODELS[2]])
def test_rows_go_through_the_vendors_batch_api_and_come_back_right(home, typed, provider_name, model, name):
    (home.parent / "data.csv").write_text("id,text\n1,one\n2,two\n")
    at_once = Scenario.everywhere(validating_s=0, in_progress_s=0, finalizing_s=0, cancelling_s=0)
    words = ["batch", "data.csv", "--template", "Say {text}", "--via", "batch", "-m", typed, "--output", "out.csv"]
    with RunningEmulator(home.parent / "emulator", scenario=at_once) as emulator:
        variables = {**os.environ, "BATCHWRIGHT_EMULATOR_URL": emulator.url}
        done = subprocess.run(
            [sys.executable, "-m", "llm", *words],
            env=variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    with (home.parent / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("1", "one", "Say one"),
            ("2", "two", "Say two"),
        ]
    (job,) = json.loads((home / "batch_jobs.json").read_text())["jobs"].values()
    assert (job["provider_name"], job["model"]) == (provider_name, model)
    logged = subprocess.run(
        [sys.executable, "-m", "llm", "logs", "--json"], capture_output=True, text=True, timeout=100, check=True
    )
    assert {(row["model"], row["prompt"]) for row in json.loads(logged.stdout)} == {
        (name, "Say one"),
        (name, "Say two"),
    }
