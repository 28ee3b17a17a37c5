"""Gemini's error bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchwright.emulator.http import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_ARGUMENT = 3
"""google.rpc.Code of a wrong request."""
RESOURCE_EXHAUSTED = 8
"""google.rpc.Code of a quota or a credit that is used up."""
INTERNAL = 13
"""google.rpc.Code of a failure on the service's side."""


def refused(
    status: int,
    word: str,
    message: str,
    *,
    details: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> RefusedError:
    """An HTTP error to raise; `word` is the google.rpc.Code by name."""
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if details:
        error["details"] = details
    return RefusedError(status, {"error": error}, headers)


def invalid(message: str) -> RefusedError:
    """The request is wrong."""
    return refused(400, "INVALID_ARGUMENT", message)


def unknown_name(name: str, where: str) -> RefusedError:
    """The JSON has a field that the message type does not have; `where` is its path in snake case, or empty."""
    place = f" at '{where}'" if where else ""
    message = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
    violation = {"field": where, "description": message} if where else {"description": message}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return refused(400, "INVALID_ARGUMENT", message, details=[detail])


def out_of_credit() -> RefusedError:
    """The account's prepaid credit is used up."""
    message = (
        "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your "
        "project and billing."
    )
    return refused(429, "RESOURCE_EXHAUSTED", message)


def not_found() -> RefusedError:
    """There is no such thing."""
    return refused(404, "NOT_FOUND", "Requested entity was not found.")
