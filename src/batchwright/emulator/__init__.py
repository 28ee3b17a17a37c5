"""A local server that speaks the batch and live protocols of OpenAI, Anthropic and Gemini.

Written from the vendors' formats alone: nothing here is shared with the code that talks to the real services, so that
one misreading of a format cannot pass every test.
"""

from batchwright.emulator.app import create_app
from batchwright.emulator.responders import CATEGORIES, Verdict, verdict
from batchwright.emulator.scenario import Limits, Responder, Scenario, ScenarioError, Settings
from batchwright.emulator.vendor import Vendor
from batchwright.emulator.server import RunningEmulator, serve

__all__ = [
    "CATEGORIES",
    "Limits",
    "Responder",
    "RunningEmulator",
    "Scenario",
    "ScenarioError",
    "Settings",
    "Vendor",
    "Verdict",
    "create_app",
    "serve",
    "verdict",
]
