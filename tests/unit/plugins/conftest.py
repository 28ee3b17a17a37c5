"""The llm tool in a folder of its own, with models and tools that a plugin of these tests brings."""

import shutil
import time

import llm
import pytest
import sqlite_utils
from llm.migrations import migrate
from llm.plugins import pm

from batchwright.plugins.llm.backend import LlmBackend


class Spoken(llm.Model):
    """Answers in the thread that asks it; what a prompt may say is the name of an exception, or a number to wait."""

    model_id = "spoken"
    raises = None
    used = (7, 3)

    class Options(llm.Options):
        tone: str | None = None

    def execute(self, prompt, stream, response, conversation):
        if self.raises is not None:
            raise self.raises
        if prompt.prompt.startswith("wait "):
            time.sleep(float(prompt.prompt.removeprefix("wait ")))
        if self.used is not None:
            response.set_usage(input=self.used[0], output=self.used[1])
        yield f"{prompt.options.tone or 'plain'}: {prompt.prompt}"


class StructuredHere(llm.Model):
    """The tool wants every model to have a form without `async`."""

    model_id = "structured"

    def execute(self, prompt, stream, response, conversation):
        raise NotImplementedError


class Structured(llm.AsyncModel):
    """Says what it was asked for."""

    model_id = "structured"
    supports_schema = True
    attachment_types = frozenset({"image/png"})

    async def execute(self, prompt, stream, response, conversation):
        seen = [(attachment.type, len(attachment.content)) for attachment in prompt.attachments]
        yield f"{sorted(prompt.schema['properties'])} {seen}"


class Counter(llm.Toolbox):
    """A toolbox with a state."""

    def __init__(self, start: int = 0):
        self.value = start

    def increase(self, by: int) -> int:
        """Add to the number."""
        self.value += by
        return self.value


def python(code: str) -> str:
    """Run Python, or say so."""
    return f"ran {code}"


class Plugin:
    """What a plugin of the tool is."""

    def __init__(self):
        self.spoken = Spoken()

    @llm.hookimpl
    def register_models(self, register):
        register(self.spoken, aliases=("talk",))
        register(StructuredHere(), Structured())

    @llm.hookimpl
    def register_tools(self, register):
        register(python)
        register(Counter)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The tool's folder, with nobody's keys."""
    home = tmp_path / "llm"
    home.mkdir()
    monkeypatch.setenv("LLM_USER_PATH", str(home))
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "LLM_MODEL", "BATCHWRIGHT_EMULATOR_URL"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The tool's database with its tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("tool") / "logs.db"
    database = sqlite_utils.Database(path)
    migrate(database)
    database.close()
    return path


@pytest.fixture
def database(folder, empty_database):
    """The tool's database, with nothing in it."""
    return shutil.copy(empty_database, folder / "logs.db")


@pytest.fixture
def plugin(folder):
    """A plugin with two models and two tools."""
    llm.get_models_with_aliases()  # loads the installed ones
    plugin = Plugin()
    pm.register(plugin, name="batchwright-tests")
    yield plugin
    pm.unregister(plugin)


@pytest.fixture
def open_session(folder):
    """What makes the session of a command from its options."""
    return lambda **options: LlmBackend().open(options)
