"""What faults make of a job's result lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchwright.emulator.faults.rules import Fault

UNKNOWN_KEY = "never-sent"
"""How the ids begin that `unknown_line` invents."""


def lines_under(faults: Iterable[Fault], position: int, document: dict[str, Any]) -> list[bytes]:
    """What stands in the results file for the request at `position`, whose result is `document`: any number of lines.

    `faults` are those of the job.
    """
    struck = [f for f in faults if "positions" in f.kind.parameters and f.chooses(position)]
    lines = [document]
    for fault in struck:
        lines = _lines_under(fault.name, lines, f"{UNKNOWN_KEY}-{position}")
    names = {fault.name for fault in struck}
    written = [to_json(line) for line in lines]
    if "invalid_json_line" in names:
        written = [line[: len(line) // 2] for line in written]
    return [b"", *written] if "blank_line" in names else written


def _lines_under(fault: str, lines: list[dict[str, Any]], unknown_key: str) -> list[dict[str, Any]]:
    match fault:
        case "missing_line":
            return []
        case "duplicate_line":
            return lines + lines
        case "unknown_line":
            return lines + [_renamed(line, unknown_key) for line in lines[:1]]
        case "unknown_result_type":
            return [line | {"result": line["result"] | {"type": "brandnew"}} for line in lines]
        case "zero_status_line":
            return [_without_status(line) for line in lines]
        case _:
            return lines


def ends_without_newline(faults: Iterable[Fault]) -> bool:
    """Whether the last line has no end."""
    return any(fault.name == "no_final_newline" for fault in faults)


def is_without_credit(faults: Iterable[Fault], position: int) -> bool:
    """Whether the request at `position` fails for want of credit."""
    return any(fault.name == "credit_lines" and fault.chooses(position) for fault in faults)


def _renamed(document: dict[str, Any], key: str) -> dict[str, Any]:
    """The result under another id, whichever of the vendors' places holds it."""
    for name in ("custom_id", "key"):
        if name in document:
            return document | {name: key}
    metadata = document.get("metadata")
    return document | {"metadata": (metadata if isinstance(metadata, dict) else {}) | {"key": key}}


def _without_status(line: dict[str, Any]) -> dict[str, Any]:
    response = line["response"]
    return line | {"response": response | {"status_code": 0}} if response else line
