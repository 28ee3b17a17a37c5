from pathlib import Path

import pytest

from batchwright.config import (
    Environment,
    Settings,
    batch_size_from,
    fallbacks_from,
    limits_from,
    provider_from,
)
from batchwright.errors import ConfigurationError

SECRET = "sk-very-secret"


def env(**variables):
    return Environment(variables)


def test_no_representation_shows_a_key():
    environment = env(OPENAI_API_KEY=SECRET)
    settings = Settings(environment=environment)
    assert SECRET not in f"{environment!r} {settings!r}"


def test_the_process_environment_wins_over_the_dotenv_file(tmp_path, monkeypatch):
    dotenv = tmp_path / "keys"
    dotenv.write_text('OPENAI_API_KEY="from-file"\nexport LLM_PRIMARY=openai # mine\n', encoding="utf-8")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("LLM_PRIMARY", raising=False)
    assert Environment.load(dotenv).get("OPENAI_API_KEY") == "from-file"
    assert Environment.load(dotenv).get("LLM_PRIMARY") == "openai"
    monkeypatch.setenv("OPENAI_API_KEY", "from-process")
    assert Environment.load(dotenv).get("OPENAI_API_KEY") == "from-process"


def test_a_dotenv_file_in_the_working_directory_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    Path(".env").write_text("ANTHROPIC_API_KEY=here\n", encoding="utf-8")
    assert Environment.load().get("ANTHROPIC_API_KEY") == "here"


def test_a_dotenv_file_asked_for_by_name_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match="--dotenv"):
        Environment.load(tmp_path / "nothing")


@pytest.mark.parametrize(("flag", "variable", "expected"), [(None, None, 10), (None, "7", 7), (3, "7", 3)])
def test_the_batch_size_is_flag_then_variable_then_ten(flag, variable, expected):
    environment = env(**({} if variable is None else {"LLM_CATEGORISER_BATCH_SIZE": variable}))
    assert batch_size_from(environment, flag) == expected


@pytest.mark.parametrize(("flag", "variable", "named"), [(0, "7", "--batch-size"), (-3, "7", "--batch-size")])
def test_a_batch_size_below_one_is_refused(flag, variable, named):
    with pytest.raises(ConfigurationError, match=named):
        batch_size_from(env(LLM_CATEGORISER_BATCH_SIZE=variable), flag)


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5"])
def test_a_batch_size_variable_that_is_no_size_is_named(value):
    with pytest.raises(ConfigurationError, match="LLM_CATEGORISER_BATCH_SIZE"):
        batch_size_from(env(LLM_CATEGORISER_BATCH_SIZE=value), None)


@pytest.mark.parametrize(
    ("flag", "variable", "expected"),
    [(None, None, "gemini"), (None, "OpenAI", "openai"), ("Anthropic", "openai", "anthropic")],
)
def test_the_provider_is_flag_then_variable_then_gemini(flag, variable, expected):
    environment = env(**({} if variable is None else {"LLM_PRIMARY": variable}))
    assert provider_from(environment, flag) == expected


@pytest.mark.parametrize(("flag", "variable", "named"), [("mistral", None, "--provider"), (None, "x", "LLM_PRIMARY")])
def test_an_unknown_provider_is_refused_with_the_known_ones(flag, variable, named):
    environment = env(**({} if variable is None else {"LLM_PRIMARY": variable}))
    with pytest.raises(ConfigurationError, match=f"{named}.*gemini, openai, anthropic"):
        provider_from(environment, flag)


def test_the_report_lies_in_the_documents_folder_unless_named():
    assert Settings(documents_dir=Path("D")).issue_report == Path("D/language-check-report.csv")
    assert Settings(report=Path("r.csv")).issue_report == Path("r.csv")


@pytest.mark.parametrize("value", ["²", "+-5", "--5", "9" * 5000])
def test_odd_numbers_are_refused_with_the_variable_and_never_a_traceback(value):
    with pytest.raises(ConfigurationError, match="LLM_CATEGORISER_BATCH_SIZE"):
        batch_size_from(env(LLM_CATEGORISER_BATCH_SIZE=value), None)
    with pytest.raises(ConfigurationError, match="BATCHWRIGHT_OPENAI_MAX_REQUESTS"):
        limits_from(env(BATCHWRIGHT_OPENAI_MAX_REQUESTS=value), "openai")


@pytest.mark.parametrize("value", ["²", "1.²", ".", "nan", "inf", "-1", "1e300", "a minute"])
def test_a_grace_that_is_no_time_is_refused(value):
    with pytest.raises(ConfigurationError, match="BATCHWRIGHT_GRACE"):
        _ = Settings(environment=env(BATCHWRIGHT_GRACE=value)).grace


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("0.02", 0.02), ("60", 60)])
def test_a_grace_is_seconds(value, seconds):
    assert Settings(environment=env(BATCHWRIGHT_GRACE=value)).grace == seconds


def test_the_settings_hold_the_batch_size_of_the_environment():
    assert Settings(environment=env(LLM_CATEGORISER_BATCH_SIZE="7")).batch_size == 7


@pytest.mark.parametrize(
    ("value", "names"),
    [(None, ()), ("", ()), ("openai", ("openai",)), (" OpenAI, anthropic ,openai,", ("openai", "anthropic"))],
)
def test_fallbacks_are_named_separated_by_commas(value, names):
    environment = Environment({} if value is None else {"LLM_FALLBACK": value})
    assert fallbacks_from(environment) == names


def test_a_fallback_that_is_no_provider_is_named():
    with pytest.raises(ConfigurationError, match="LLM_FALLBACK: no provider 'grok'"):
        fallbacks_from(Environment({"LLM_FALLBACK": "openai,grok"}))
