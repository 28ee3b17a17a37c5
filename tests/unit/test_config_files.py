"""Settings files: what they may hold, and where they stand in the order."""

import subprocess
import sys
from pathlib import Path

import pytest

from batchwright import config
from batchwright.config import SETTINGS, Environment, Settings, batch_size_from, fallbacks_from, limits_from
from batchwright.errors import ConfigurationError
from batchwright.pricing.overrides import workspace_prices


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory, with none of the machine's variables."""
    monkeypatch.chdir(tmp_path)
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    return tmp_path


def write(place, text, name="batchwright.toml"):
    (place / name).write_text(text, encoding="utf-8")


def test_flag_environment_dotenv_file_default_in_this_order(place, monkeypatch):
    sizes = []

    def look(flag=None):
        sizes.append(batch_size_from(Environment.load(), flag))

    look()
    write(place, "[tool.batchwright]\nbatch_size = 2\n", "pyproject.toml")
    look()
    write(place, "batch_size = 3\n")
    look()
    write(place, "LLM_CATEGORISER_BATCH_SIZE=4\n", ".env")
    look()
    monkeypatch.setenv("LLM_CATEGORISER_BATCH_SIZE", "5")
    look()
    look(flag=6)
    assert sizes == [10, 2, 3, 4, 5, 6]


def test_every_setting_can_stand_in_a_file_and_knows_where_it_came_from(place):
    values = {
        setting.name: {int: "7", list: '["openai", "anthropic"]'}.get(setting.kinds[-1], '"x"')
        if setting.name != "grace"
        else "1.5"
        for setting in SETTINGS
    }
    write(place, "".join(f"{name} = {value}\n" for name, value in values.items()))
    environment = Environment.load()
    for setting in SETTINGS:
        assert environment.get(setting.variable) == {"grace": "1.5", "fallback": "openai,anthropic"}.get(
            setting.name, values[setting.name].strip('"')
        )
        assert environment.origin(setting.variable) == "batchwright.toml"
        assert environment.called(setting.variable) == f"batchwright.toml: {setting.name}"


def test_paths_limits_and_fallbacks_of_a_file_are_used(place):
    write(
        place,
        'documents_dir = "Texts"\nfallback = ["openai", "anthropic"]\n[limits.gemini]\nmax_concurrent_jobs = 50\n',
    )
    environment = Environment.load()
    settings = Settings.over(environment, {"prompts_dir": Path("mine")})
    assert (settings.documents_dir, settings.prompts_dir) == (Path("Texts"), Path("mine"))
    assert settings.issue_report == Path("Texts/language-check-report.csv")
    assert settings.tracking_file == Settings().tracking_file
    assert limits_from(environment, "gemini") == {"max_concurrent_jobs": 50}
    assert fallbacks_from(environment) == ("openai", "anthropic")


def test_a_flag_goes_before_a_file(place):
    write(place, 'documents_dir = "Texts"\n')
    assert Settings.over(Environment.load(), {"documents_dir": Path("Mine")}).documents_dir == Path("Mine")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("batch_sise = 3", r"batchwright.toml: no setting 'batch_sise'; is it batch_size"),
        ("[limits.gemini]\nmax_job = 3", r"no setting 'limits.gemini.max_job'; is it limits.gemini.max_"),
        ("zzz = 3", r"no setting 'zzz'; see: batchwright config"),
        ('batch_size = "3"', r"batchwright.toml: batch_size is '3'; it is a whole number"),
        ("batch_size = true", r"batch_size is True; it is a whole number"),
        ("fallback = [1]", r"fallback is \[1\]; it is a text or a list of texts"),
        ("documents_dir = 3", r"documents_dir is 3; it is a text"),
        ("a = 1\nbatch_size = \n", r"batchwright.toml is no TOML: .*line 2"),
        ("openai_api_key = 'sk-secret'", r"openai_api_key does not belong .*OPENAI_API_KEY"),
    ],
)
def test_a_mistake_in_a_file_is_named(place, text, says):
    write(place, text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        Environment.load()
    assert "sk-secret" not in str(caught.value)


def test_a_value_that_cannot_be_is_named_by_its_setting(place):
    write(place, "batch_size = 0\ngrace = -1\n[limits.openai]\nmax_bytes = 0\n")
    environment = Environment.load()
    with pytest.raises(ConfigurationError, match=r"^batchwright.toml: batch_size is '0'"):
        batch_size_from(environment, None)
    with pytest.raises(ConfigurationError, match=r"^batchwright.toml: grace is '-1'"):
        _ = Settings.over(environment, {}).grace
    with pytest.raises(ConfigurationError, match=r"^batchwright.toml: limits.openai.max_bytes is '0'"):
        limits_from(environment, "openai")


def test_prices_are_left_to_whoever_prices(place):
    write(place, '[prices.openai."my-model"]\ninput = 1\noutput = 2\n')
    assert Environment.load().get("LLM_PRIMARY") is None
    assert workspace_prices(place)


@pytest.mark.parametrize("text", ["[tool.other]\nx = 1\n", "this is no TOML = \n", "[tool]\n"])
def test_a_project_file_about_other_things_is_let_be(place, text):
    write(place, text, "pyproject.toml")
    assert all(Environment.load().get(setting.variable) is None for setting in SETTINGS)


def test_names_and_variables_are_each_used_once():
    for names in ([s.name for s in SETTINGS], [s.variable for s in SETTINGS]):
        assert len(set(names)) == len(names)
    assert {s.variable for s in SETTINGS} & {v for names in config.KEY_VARIABLES.values() for v in names} == set()


def test_no_library_is_needed_to_read_a_settings_file(place):
    write(place, "batch_size = 3\n")
    code = (
        "import sys; from batchwright.config import Environment; Environment.load();"
        "print(sorted({'pydantic', 'pydantic_settings', 'pydantic_core', 'dotenv'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
