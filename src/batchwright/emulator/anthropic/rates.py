"""Anthropic's words for how much may be asked in a minute."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batchwright.emulator.anthropic.errors import refused

if TYPE_CHECKING:
    from batchwright.emulator.http import RefusedError
    from batchwright.emulator.rates import Standing


def rate_headers(standing: Standing, now: float) -> dict[str, str]:
    """The `anthropic-ratelimit-*` headers of an answer; what is back when, is a time of day."""
    levels = {"requests": standing.requests, "tokens": standing.tokens}
    headers = {}
    for name, level in levels.items():
        if level is not None:
            back = datetime.fromtimestamp(math.ceil(now + level.reset_s), UTC)
            headers[f"anthropic-ratelimit-{name}-limit"] = str(level.limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(level.remaining)
            headers[f"anthropic-ratelimit-{name}-reset"] = back.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers


def too_many(standing: Standing, now: float) -> RefusedError:
    """The refusal of a call for which too little is left."""
    message = (
        f"This request would exceed your organization's rate limit of {standing.short_of} per minute. For details, "
        "refer to: https://docs.claude.com/en/api/rate-limits."
    )
    error = refused(429, "rate_limit_error", message)
    error.headers.update(rate_headers(standing, now) | {"retry-after": str(math.ceil(standing.wait_s))})
    return error
