"""What can go wrong at the vendors: the faults one can set, and when they strike. Pure."""

from batchwright.emulator.faults.registry import FAULTS, FaultKind, Parameter, Scope
from batchwright.emulator.faults.rules import Fault, FaultError, parse_fault, parse_flag, strikes

__all__ = ["FAULTS", "Fault", "FaultError", "FaultKind", "Parameter", "Scope", "parse_fault", "parse_flag", "strikes"]
