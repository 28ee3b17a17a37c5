"""Stages against an emulator on a real port: everything between the caller's functions and the vendor's is real."""

import pytest

from batchwright import LLMBatchConfig, LLMBatchProcessor, LLMRequest
from batchwright.config import EMULATOR_VARIABLE, KEY_VARIABLES
from batchwright.emulator import RunningEmulator, Scenario, parse_fault

MODEL = "openai/gpt-5.4-mini"


class Emulated:
    """A running emulator, and what it has seen."""

    def __init__(self, emulator):
        self.url = emulator.url
        self.world = emulator.world

    def asked(self, vendor="openai"):
        """How many live calls the vendor has answered."""
        return self.world.store.counters().get((vendor, "live"), 0)

    def asks(self):
        """(vendor, model, prompt) of the live calls, in order."""
        entries = (entry for entry in self.world.journal.entries() if entry["kind"] == "request")
        return [(entry["provider"], entry["model"], entry["prompt"]) for entry in entries]

    def strike(self, *faults):
        """Set what goes wrong from here on, and nothing else."""
        self.world.set_faults(tuple(fault for form in faults for fault in parse_fault({"on": "live", **form})))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with RunningEmulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def emulated(emulator, tmp_path, monkeypatch):
    emulator.world.reset()
    emulator.world.use_scenario(Scenario.everywhere(responder="echo"))
    for variable in (name for names in KEY_VARIABLES.values() for name in names):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(EMULATOR_VARIABLE, emulator.url)
    monkeypatch.chdir(tmp_path)
    return Emulated(emulator)


@pytest.fixture
def make_processor():
    """A processor that retries nothing unless told to."""

    def make(checkpoint=None, logger=None, log_dir=None, **settings):
        settings = {"model": MODEL, "max_retries": 0, "show_progress": False, **settings}
        return LLMBatchProcessor(checkpoint, logger, log_dir, config=LLMBatchConfig(**settings))

    return make


def build(page_num, model):
    """A request whose answer, at an emulator that echoes, is `page <number>`."""
    messages = [{"role": "user", "content": f"page {page_num}"}]
    return LLMRequest(id=f"page_{page_num:04d}", model=model, messages=messages, metadata={"page_num": page_num})


@pytest.fixture
def builder():
    return build
