"""Faults that are errors of the vendor: each in the form that the vendor gives it. Pure."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import TYPE_CHECKING

from batchwright.emulator.anthropic import errors as anthropic
from batchwright.emulator.gemini import errors as gemini
from batchwright.emulator.openai import errors as openai
from batchwright.emulator.vendor import Operation, Vendor

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchwright.emulator.faults.rules import Fault
    from batchwright.emulator.http import RefusedError

_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def refusal(fault: Fault, operation: Operation, *, now: float) -> RefusedError:
    """The error with which `fault` answers; `now` is the time by the clock of whoever reads a date in it."""
    if fault.name.startswith("rate_limit"):
        return _rate_limited(fault, now)
    if fault.name == "too_large":
        return _too_large(fault.vendor, operation)
    if fault.name == "not_found":
        return _not_found(fault.vendor, operation)
    return _PLAIN[fault.name, fault.vendor]()


def broken(vendor: Vendor) -> RefusedError:
    """500 in the vendor's words."""
    return _PLAIN["server_error", vendor]()


def _rate_limited(fault: Fault, now: float) -> RefusedError:
    headers, details = {}, None
    if "seconds" in fault.parameters:
        seconds = fault.number("seconds")
        match fault.name:
            case "rate_limit_ms":
                headers = {"retry-after-ms": _plain(seconds * 1000)}
            case "rate_limit_date":
                headers = {"retry-after": formatdate(math.ceil(now + seconds), usegmt=True)}
            case "rate_limit_info":
                details = [{"@type": _RETRY_INFO, "retryDelay": f"{_plain(seconds)}s"}]
            case _:
                headers = {"retry-after": _plain(seconds)}
    match fault.vendor:
        case Vendor.OPENAI:
            message = "Rate limit reached for requests. Please try again later."
            error = openai.refused(message, status=429, kind="requests", code="rate_limit_exceeded")
        case Vendor.ANTHROPIC:
            message = "This request would exceed your organization's rate limit. Please try again later."
            error = anthropic.refused(429, "rate_limit_error", message)
        case Vendor.GEMINI:
            message = "Resource has been exhausted (e.g. check quota)."
            error = gemini.refused(429, "RESOURCE_EXHAUSTED", message, details=details)
    error.headers.update(headers)
    return error


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _too_large(vendor: Vendor, operation: Operation) -> RefusedError:
    if vendor is Vendor.ANTHROPIC:
        return anthropic.refused(413, "request_too_large", "Request exceeds the maximum size")
    if vendor is Vendor.OPENAI:
        param = "file" if operation is Operation.UPLOAD else None
        return openai.refused("Maximum content size limit exceeded.", status=413, param=param, code="file_too_large")
    return gemini.invalid("Request payload size exceeds the limit: 20971520 bytes.")


def _not_found(vendor: Vendor, operation: Operation) -> RefusedError:
    if vendor is Vendor.ANTHROPIC:
        what = "has no available results." if operation is Operation.DOWNLOAD else "not found."
        return anthropic.not_found(f"Message Batch {what}")
    if vendor is Vendor.OPENAI:
        what = "No such File object." if operation is Operation.DOWNLOAD else "No batch found with this id."
        return openai.refused(what, status=404, param="id")
    return gemini.not_found()


_PLAIN: dict[tuple[str, Vendor], Callable[[], RefusedError]] = {
    ("server_error", Vendor.OPENAI): lambda: openai.refused(
        "The server had an error while processing your request. Sorry about that!", status=500, kind="server_error"
    ),
    ("server_error", Vendor.ANTHROPIC): lambda: anthropic.refused(500, "api_error", "Internal server error"),
    ("server_error", Vendor.GEMINI): lambda: gemini.refused(500, "INTERNAL", "An internal error has occurred."),
    ("unavailable", Vendor.OPENAI): lambda: openai.refused(
        "The engine is currently overloaded, please try again later", status=503, kind="server_error"
    ),
    ("unavailable", Vendor.ANTHROPIC): lambda: anthropic.refused(503, "api_error", "Service unavailable"),
    ("unavailable", Vendor.GEMINI): lambda: gemini.refused(
        503, "UNAVAILABLE", "The model is overloaded. Please try again later."
    ),
    ("overloaded", Vendor.ANTHROPIC): lambda: anthropic.refused(529, "overloaded_error", "Overloaded"),
    ("credit_exhausted", Vendor.OPENAI): openai.out_of_credit,
    ("credit_exhausted", Vendor.ANTHROPIC): anthropic.out_of_credit,
    ("credit_exhausted", Vendor.GEMINI): gemini.out_of_credit,
}
