"""What the exceptions of Google's SDKs mean for the live engine: google-genai's, api_core's and gRPC's."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from batchwright.providers.classifiers import DefaultErrorClassifier

_HTTP_OF_GRPC: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP status by the name of a gRPC code (google.rpc.Code)."""


class GeminiErrorClassifier(DefaultErrorClassifier):
    """For agents and direct calls over Google's SDKs; a quota of the day comes with a 429 and is no rate limit."""

    provider_name: ClassVar[str] = "gemini"

    def status_of(self, exception: BaseException) -> int | None:
        """Return the HTTP status, or the one that a gRPC error's code stands for."""
        status = super().status_of(exception)
        code = getattr(exception, "code", None)
        if status is None and callable(code):
            return _HTTP_OF_GRPC.get(str(getattr(code(), "name", "")))
        return status

    def wait_of(self, exception: BaseException) -> float | None:
        """Return the delay in a RetryInfo message, which api_core's exceptions carry decoded."""
        details = getattr(exception, "details", None)
        for message in details if isinstance(details, list) else ():
            delay = _seconds(getattr(message, "retry_delay", None))
            if delay is not None:
                return delay
        return super().wait_of(exception)


def _seconds(duration: Any) -> float | None:
    """Return the seconds of a protobuf Duration, or of what proto-plus makes of it."""
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    seconds, nanos = getattr(duration, "seconds", None), getattr(duration, "nanos", 0)
    return seconds + nanos / 1e9 if isinstance(seconds, int) and isinstance(nanos, int) else None
