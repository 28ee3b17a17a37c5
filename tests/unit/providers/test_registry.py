import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import batchwright
from batchwright.config import PROVIDER_NAMES, Environment
from batchwright.errors import ConfigurationError, LLMProviderConfigurationError
from batchwright.providers.registry import open_provider, provider_class
from batchwright.providers.vendor import read_system_prompt, sdk

EMULATED = Environment({"BATCHWRIGHT_EMULATOR_URL": "http://127.0.0.1:9"})


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LOADED = "import sys; print(*[m for m in ('openai', 'anthropic', 'google.genai', 'httpx2') if m in sys.modules])"


def test_importing_the_package_and_its_nouns_imports_no_sdk():
    names = "LLMService, LLMProviderError, Request, Result, Provider, open_provider, parse_answer"
    assert run(f"import batchwright; from batchwright import {names}; {LOADED}") == []


def test_naming_a_provider_imports_the_http_client_and_no_sdk():
    assert run(f"from batchwright import GeminiLLM, OpenAILLM, AnthropicLLM; {LOADED}") == ["httpx2"]
    assert run(f"from batchwright.providers import gemini; {LOADED}") == []


OPEN = """
import asyncio
from batchwright import Message, Request, open_provider
from batchwright.config import Environment
provider = open_provider({name!r}, environment=Environment({{"BATCHWRIGHT_EMULATOR_URL": "http://127.0.0.1:{port}"}}))
"""
ASK = """
async def serve(reader, writer):
    await reader.readuntil(b"}]")
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\nconnection: close\\r\\n\\r\\n{}")
    writer.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        provider._base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        result = await provider.complete(Request(custom_id="a", messages=(Message.text("b"),)))
        assert "no text" in result.failure.message, result

asyncio.run(main())
"""


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_opening_a_provider_and_asking_it_live_imports_no_sdk(name):
    assert run(OPEN.format(name=name, port=9) + LOADED) == ["httpx2"]
    assert run(OPEN.format(name=name, port=9) + ASK + LOADED) == ["httpx2"]


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_the_first_batch_call_imports_the_providers_own_sdk(name):
    module = {"gemini": "google.genai"}.get(name, name)
    assert set(run(OPEN.format(name=name, port=9) + "provider._client\n" + LOADED)) == {module, "httpx2"}


def test_every_public_name_exists_and_an_unknown_one_does_not():
    for name in batchwright.__all__:
        assert getattr(batchwright, name) is not None
    assert set(batchwright.__all__) <= set(dir(batchwright))
    with pytest.raises(AttributeError, match="nothing_here"):
        batchwright.nothing_here  # noqa: B018


def test_the_version_is_the_distributions():
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == batchwright.__version__


def test_an_unknown_provider_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match="gemini, openai, anthropic"):
        open_provider("mistral", environment=EMULATED)


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_without_a_key_the_variables_are_named(name):
    with pytest.raises(LLMProviderConfigurationError, match="_API_KEY"):
        open_provider(name, environment=Environment({}))


def test_a_missing_sdk_gives_the_line_that_installs_it():
    with pytest.raises(ConfigurationError, match="pip install no-such-sdk"):
        sdk("no.such.sdk")


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_a_provider_says_who_it_is(name):
    provider = open_provider(name, environment=EMULATED, model="some-model")
    assert provider.name == name
    assert provider.model == "some-model"
    assert provider.limits.max_requests > 0
    assert provider_class(name).MODEL
    assert provider_class(name).TEMPERATURE == 0.2
    assert open_provider(name, environment=EMULATED).model == provider_class(name).MODEL


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_two_keys_are_two_accounts_and_one_key_is_one(name):
    one, two, again = (
        open_provider(name, api_key=key, environment=Environment({})).account for key in ("a", "b", "a ")
    )
    assert one != two
    assert one == again


def test_an_unknown_endpoint_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"chat\.completions, responses"):
        open_provider("openai", environment=EMULATED, endpoint="embeddings")


def test_a_system_prompt_is_text_or_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompt.md").write_text("\ufeffBe brief.\n", encoding="utf-8")
    assert read_system_prompt("prompt.md") == "Be brief."
    assert read_system_prompt(tmp_path / "prompt.md") == "Be brief."
    assert read_system_prompt("Read prompt.md\nand obey.txt") == "Read prompt.md\nand obey.txt"
    assert read_system_prompt("Be brief.") == "Be brief."
    assert read_system_prompt("") == ""


@pytest.mark.parametrize("missing", ["missing.md", "prompts/missing.J2", "missing.txt "])
def test_a_prompt_file_that_is_not_there_is_named(missing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="missing"):
        open_provider("gemini", environment=EMULATED, system_prompt=missing)
