import pytest

from batchwright.config import Environment
from batchwright.credentials import EMULATOR_KEY, find_credentials
from batchwright.errors import LLMProviderConfigurationError

SECRET = "sk-very-secret"


def env(**variables):
    return Environment(variables)


def test_the_first_variable_that_is_set_wins():
    both = env(GOOGLE_API_KEY="a", GEMINI_API_KEY="b")
    assert find_credentials("gemini", environment=both).api_key == "a"
    assert find_credentials("gemini", environment=env(GOOGLE_API_KEY=" ", GEMINI_API_KEY="b")).api_key == "b"


def test_an_argument_wins_over_the_environment():
    found = find_credentials("openai", api_key="mine", environment=env(OPENAI_API_KEY="theirs"))
    assert (found.api_key, found.source) == ("mine", "argument")


@pytest.mark.parametrize(
    ("provider", "path"),
    [("openai", "/openai/v1"), ("anthropic", "/anthropic"), ("gemini", "/gemini")],
)
def test_with_an_emulator_no_real_key_is_sent(provider, path):
    environment = env(
        BATCHWRIGHT_EMULATOR_URL="http://127.0.0.1:8765/",
        OPENAI_API_KEY=SECRET,
        ANTHROPIC_API_KEY=SECRET,
        GOOGLE_API_KEY=SECRET,
    )
    found = find_credentials(provider, environment=environment)
    assert found.api_key == EMULATOR_KEY
    assert found.base_url == f"http://127.0.0.1:8765{path}"


@pytest.mark.parametrize(
    ("provider", "variable"),
    [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY"), ("gemini", "GOOGLE_API_KEY or GEMINI_API_KEY")],
)
def test_a_missing_key_names_what_to_set(provider, variable):
    with pytest.raises(LLMProviderConfigurationError, match=variable):
        find_credentials(provider, environment=env())


def test_no_representation_shows_a_key():
    found = find_credentials("openai", environment=env(OPENAI_API_KEY=SECRET))
    assert SECRET not in repr(found)
