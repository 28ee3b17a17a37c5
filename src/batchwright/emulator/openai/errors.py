"""OpenAI's error bodies."""

from __future__ import annotations

from typing import Any

from batchwright.emulator.http import RefusedError


def error_body(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """The body of an HTTP error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refused(
    message: str,
    *,
    status: int = 400,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> RefusedError:
    """An HTTP error to raise."""
    return RefusedError(status, error_body(message, kind=kind, param=param, code=code))


def out_of_credit() -> RefusedError:
    """The account's credit is used up, as a real error file shows it."""
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
    )
    return refused(message, status=429, kind="insufficient_quota", code="insufficient_quota")


def missing_parameter(name: str) -> RefusedError:
    """A required parameter was left out."""
    return refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def unknown_parameter(name: str) -> RefusedError:
    """A parameter that the endpoint does not have."""
    return refused(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
