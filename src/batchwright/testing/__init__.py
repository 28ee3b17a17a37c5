"""Doubles for tests, yours and ours: time that waits for nobody, a provider in memory, an agent that needs no model."""

from batchwright.testing.agents import MockAgent, MockAnswer
from batchwright.testing.clocks import START, FakeClock
from batchwright.testing.providers import FakeProvider, FakeWire
from batchwright.testing.virtual_time import VirtualTimeLoop, run_virtual

__all__ = [
    "START",
    "FakeClock",
    "FakeProvider",
    "FakeWire",
    "MockAgent",
    "MockAnswer",
    "VirtualTimeLoop",
    "run_virtual",
]
