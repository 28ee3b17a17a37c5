"""`config`, `init` and `doctor`, in the process."""

import json
from importlib import metadata

import pytest

from batchwright.cli import checkup
from batchwright.cli.checkup import State, ping
from batchwright.cli.main import main
from batchwright.config import KEY_VARIABLES, SETTINGS, Environment
from batchwright.emulator import RunningEmulator
from batchwright.errors import LLMConnectionError, LLMProviderConfigurationError
from batchwright.testing import FakeProvider
from batchwright.workspace import contents

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty working directory, with none of the machine's variables."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in [s.variable for s in SETTINGS] + [v for names in KEY_VARIABLES.values() for v in names]:
        monkeypatch.delenv(variable, raising=False)
    return folder


@pytest.fixture
def run(capsys):
    def run(*words, code=0):
        capsys.readouterr()
        assert main([str(word) for word in words]) == code
        return capsys.readouterr()

    return run


def shown(output):
    return {line.split()[0]: line.split()[1:] for line in output.splitlines() if line}


def test_config_shows_each_value_and_where_it_came_from(place, run, monkeypatch):
    (place / "pyproject.toml").write_text("[tool.batchwright]\nbatch_size = 3\ngrace = 5\n")
    (place / "batchwright.toml").write_text("batch_size = 4\n[limits.openai]\nmax_bytes = 1000\n")
    (place / ".env").write_text(f"LLM_FALLBACK=openai\nOPENAI_API_KEY={SECRET}\n")
    monkeypatch.setenv("LLM_PRIMARY", "anthropic")
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    output = run("config", "--documents-dir", "Texts").out
    lines = shown(output)
    assert lines["provider"] == ["anthropic", "(environment)"]
    assert lines["fallback"] == ["openai", "(.env)"]
    assert lines["batch_size"] == ["4", "(batchwright.toml)"]
    assert lines["grace"] == ["5", "(pyproject.toml)"]
    assert lines["documents_dir"] == ["Texts", "(--documents-dir)"]
    assert lines["prompts_dir"] == ["prompts", "(default)"]
    assert lines["limits.openai.max_bytes"] == ["1000", "(batchwright.toml)"]
    assert lines["gemini"] == ["key", "set", "(GEMINI_API_KEY)"]
    assert lines["openai"] == ["key", "set", "(OPENAI_API_KEY,", ".env)"]
    assert lines["anthropic"] == ["key", "not", "set", "(ANTHROPIC_API_KEY)"]
    assert "limits.gemini" not in output
    assert SECRET not in output


def test_config_shows_what_counts_for_runs_over_datasets(place, run):
    assert shown(run("config").out)["batch.defaults.concurrency"] == ["1", "(default)"]
    (place / "batchwright.toml").write_text(
        '[batch.defaults]\nconcurrency = 3\nresume_on_failure = false\nmodel = "gpt-4o"\n'
        '[batch.rate_limits]\n"openai/gpt-4o" = 30.5\n'
    )
    lines = {name: words for name, words in shown(run("config").out).items() if name.startswith("batch.")}
    assert lines == {
        "batch.defaults.concurrency": ["3", "(batchwright.toml)"],
        "batch.defaults.rate_limit": ["not", "set"],
        "batch.defaults.model": ["gpt-4o", "(batchwright.toml)"],
        "batch.defaults.resume_on_failure": ["false", "(batchwright.toml)"],
        "batch.rate_limits.openai/gpt-4o": ["30.5", "(batchwright.toml)"],
        "batch.output.format": ["not", "set"],
        "batch.output.save_to_logs": ["true", "(default)"],
    }
    document = json.loads(run("config", "--json").out)
    found = {item["name"]: (item["value"], item["source"]) for item in document["batch"]}
    assert found["batch.defaults.concurrency"] == ("3", "batchwright.toml")
    assert found["batch.output.format"] == (None, None)


def test_config_names_a_setting_of_runs_that_cannot_be(place, run):
    (place / "batchwright.toml").write_text("[batch.defaults]\nconcurrency = 0\n")
    assert "batchwright.toml: batch: defaults.concurrency is 0" in run("config", code=2).err


def test_config_as_json_has_every_setting_and_no_key(place, run, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    output = run("config", "--json", "--emulator", "http://127.0.0.1:1").out
    document = json.loads(output)
    assert (document["version"], document["kind"]) == (1, "config")
    by_name = {item["name"]: item for item in document["settings"]}
    assert list(by_name) == [setting.name for setting in SETTINGS]
    assert (by_name["emulator"]["value"], by_name["emulator"]["source"]) == ("http://127.0.0.1:1", "--emulator")
    assert (by_name["grace"]["value"], by_name["grace"]["source"]) == ("0.2", "default")
    assert by_name["fallback"]["value"] is None
    assert [(key["provider"], key["set"]) for key in document["keys"]] == [
        ("gemini", False),
        ("openai", True),
        ("anthropic", False),
    ]
    assert SECRET not in output


@pytest.mark.parametrize(
    ("text", "says"),
    [("batch_size = 0", "batch_size is '0'"), ('provider = "opanai"', "provider: no provider 'opanai'")],
)
def test_config_refuses_a_value_that_cannot_be(place, run, text, says):
    (place / "batchwright.toml").write_text(text)
    assert f"Error: batchwright.toml: {says}" in run("config", code=2).err


def test_the_batch_commands_follow_a_settings_file(place, run):
    run("init", "elsewhere")
    (place / "batchwright.toml").write_text('documents_dir = "elsewhere/Documents"\nbatch_size = 2\n')
    output = run("batch-create", "--dry-run", "--documents", "fieldwork-handbook.md").out
    assert "3 request" in output or "Total batches: 3" in output


def test_init_makes_the_sample_workspace(place, run):
    run("init", "here")
    for name, content in contents():
        assert (place / "here" / name).read_bytes() == content
    assert (place / "here" / "data").is_dir()
    assert "issue" in run("batch-create", "--dry-run", "--documents-dir", "here/Documents").out


def test_init_makes_an_empty_workspace_where_it_stands(place, run):
    run("init", "--empty")
    assert sorted(path.name for path in place.iterdir()) == [
        ".gitignore",
        "Documents",
        "batchwright.toml",
        "data",
        "prompts",
    ]
    assert list((place / "Documents").iterdir()) == []
    assert Environment.load().get("LLM_PRIMARY") is None


def test_init_changes_nothing_where_something_is_in_the_way(place, run):
    mine = place / "prompts" / "categorise"
    mine.mkdir(parents=True)
    (mine / "user.md.j2").write_text("mine")
    before = sorted(place.rglob("*"))
    name = next(str(name) for name, _ in contents() if name.parts[0] == "prompts")
    (place / name).write_text("mine")
    error = run("init", code=2).err
    assert name in error
    assert "nothing was changed" in error
    assert (place / name).read_text() == "mine"
    assert sorted({*place.rglob("*")} - {place / name, *before}) == []


def test_init_leaves_a_gitignore_alone_and_says_what_it_should_have(place, run):
    (place / ".gitignore").write_text("mine\n")
    assert "/data/batch_jobs/" in run("init").err
    assert (place / ".gitignore").read_text() == "mine\n"


def test_init_says_which_file_cannot_be_made(place, run):
    (place / "file").write_text("")
    assert "cannot be made" in run("init", "file", code=2).err


def states(output):
    return {(item["topic"], item["name"]): item for item in json.loads(output)["findings"]}


def test_doctor_finds_what_is_there_and_what_is_not(place, run, monkeypatch):
    run("init")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    output = run("doctor", "--json").out
    found = states(output)
    assert found["key", "openai"]["state"] == "ok"
    assert found["key", "gemini"]["state"] == "absent"
    assert found["file", "issue report"]["state"] == "ok"
    assert "30 issue(s) in 3 document(s)" in found["file", "issue report"]["detail"]
    assert found["file", "tracking file"]["state"] == "absent"
    assert found["extra", "parquet"]["detail"] == f"duckdb {metadata.version('duckdb')}"
    assert "dev" not in {name for _, name in found}
    assert SECRET not in output
    lines = run("doctor").out.splitlines()
    assert len(lines) == len(found)


def test_doctor_says_how_to_install_an_extra(run, monkeypatch):
    monkeypatch.setattr(checkup, "_installed", lambda package: package != "duckdb")
    found = states(run("doctor", "--json").out)
    assert found["extra", "parquet"]["state"] == "absent"
    assert found["extra", "parquet"]["detail"] == "pip install 'batchwright[parquet]'"
    assert found["extra", "excel"]["state"] == "ok"


def test_doctor_in_an_empty_folder_has_no_complaint(run):
    ran = run("doctor")
    assert "PROBLEM" not in ran.out
    assert "batchwright demo" in ran.err


@pytest.mark.parametrize("name", ["Documents/language-check-report.csv", "data/batch_jobs.json"])
def test_doctor_names_what_has_to_be_mended(place, run, name):
    run("init")
    (place / name).write_text("{ no report, no JSON")
    output = run("doctor", code=2).out
    assert "PROBLEM" in output
    assert name in output


def test_doctor_pings_every_provider_at_an_emulator(place, run, monkeypatch, tmp_path):
    with RunningEmulator(tmp_path / "emulator") as emulator:
        found = states(run("doctor", "--json", "--ping", "--emulator", emulator.url).out)
    assert {name: item["state"] for (topic, name), item in found.items() if topic == "ping"} == dict.fromkeys(
        KEY_VARIABLES, "ok"
    )


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (LLMProviderConfigurationError("refused"), State.KEY),
        (LLMConnectionError("no connection"), State.PROBLEM),
        (None, State.OK),
    ],
)
def test_a_ping_tells_a_refused_key_from_other_trouble(error, state):
    class Pinged(FakeProvider):
        def health_check(self):
            if error:
                raise error
            return True

    (finding,) = ping(["fake"], lambda _: Pinged())
    assert finding.state is state
