"""A local server that speaks the batch and live protocols of OpenAI, Anthropic and Gemini.

Written from the vendors' formats alone: nothing here is shared with the code that talks to the real services, so that
one misreading of a format cannot pass every test.
"""

from batchwright.emulator.app import create_app
from batchwright.emulator.faults import FAULTS, Fault, FaultError, FaultKind, Operation, Scope, parse_fault, parse_flag
from batchwright.emulator.responders import CATEGORIES, Verdict, verdict
from batchwright.emulator.scenario import Limits, Responder, Scenario, ScenarioError, Settings
from batchwright.emulator.server import RunningEmulator, serve
from batchwright.emulator.vendor import Vendor

__all__ = [
    "CATEGORIES",
    "FAULTS",
    "Fault",
    "FaultError",
    "FaultKind",
    "Limits",
    "Operation",
    "Responder",
    "RunningEmulator",
    "Scenario",
    "ScenarioError",
    "Scope",
    "Settings",
    "Vendor",
    "Verdict",
    "create_app",
    "parse_fault",
    "parse_flag",
    "serve",
    "verdict",
]
