"""Anthropic's error bodies."""

from __future__ import annotations

from batchwright.emulator.http import RefusedError
from batchwright.emulator.identifiers import random_base58


def refused(
    status: int, kind: str, message: str, *, request_id: str | None = None, retry: bool | None = None
) -> RefusedError:
    """An HTTP error to raise; its body and headers carry the same request id."""
    request_id = request_id or new_request_id()
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    headers = {"request-id": request_id}
    if retry is not None:
        headers["x-should-retry"] = str(retry).lower()
    return RefusedError(status, body, headers)


def invalid(message: str) -> RefusedError:
    """The request is wrong."""
    return refused(400, "invalid_request_error", message)


def not_found(message: str) -> RefusedError:
    """There is no such thing."""
    return refused(404, "not_found_error", message, retry=False)


def out_of_credit() -> RefusedError:
    """The account's credit is used up, as a real results file shows it: of the type of wrong requests."""
    return invalid(
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase credits."
    )


def new_request_id() -> str:
    """The id of one HTTP request."""
    return random_base58("req_01")
