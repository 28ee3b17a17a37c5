import pytest

from batchwright.errors import ConfigurationError
from batchwright.providers.model_names import Route, route_of


@pytest.mark.parametrize(
    ("name", "provider_name", "model"),
    [
        ("openai/gpt-5.4-mini", "openai", "gpt-5.4-mini"),
        ("anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("google/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("gemini/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("OpenAI/some-new-model", "openai", "some-new-model"),
        ("gpt-5.4-mini", "openai", "gpt-5.4-mini"),
        ("ft:gpt-4.1:mine::1", "openai", "ft:gpt-4.1:mine::1"),
        ("o4-mini", "openai", "o4-mini"),
        ("claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
    ],
)
def test_a_name_tells_its_provider(name, provider_name, model):
    assert route_of(name) == Route(provider_name=provider_name, model=model)


@pytest.mark.parametrize("name", ["x-ai/grok-4-fast", "openai/gpt-5.4-mini", "llama"])
def test_with_an_address_the_whole_name_is_the_model(name):
    assert route_of(name, base_url="https://router.example/v1") == Route(provider_name="openai", model=name)


@pytest.mark.parametrize("name", ["x-ai/grok-4-fast", "openai/", "", "llama", "mistral/o4"])
def test_a_name_that_tells_of_nobody_is_refused_with_the_way_out(name):
    with pytest.raises(ConfigurationError, match="set base_url"):
        route_of(name)
