"""What can go wrong at the vendors: the faults one can set, and when they strike. Pure."""

from batchwright.emulator.faults.parameters import Parameter
from batchwright.emulator.faults.registry import FAULTS, FaultKind, Scope
from batchwright.emulator.faults.rules import Fault, FaultError, parse_fault, parse_flag, strikes
from batchwright.emulator.vendor import Operation

__all__ = [
    "FAULTS",
    "Fault",
    "FaultError",
    "FaultKind",
    "Operation",
    "Parameter",
    "Scope",
    "parse_fault",
    "parse_flag",
    "strikes",
]
