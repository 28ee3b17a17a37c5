"""OpenAI's words for how much may be asked in a minute."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchwright.emulator.openai.errors import refused

if TYPE_CHECKING:
    from batchwright.emulator.http import RefusedError
    from batchwright.emulator.rates import Standing

_UNITS = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}


def rate_headers(standing: Standing) -> dict[str, str]:
    """The `x-ratelimit-*` headers of an answer."""
    levels = {"requests": standing.requests, "tokens": standing.tokens}
    headers = {}
    for name, level in levels.items():
        if level is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(level.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
            headers[f"x-ratelimit-reset-{name}"] = _duration(level.reset_s)
    return headers


def too_many(standing: Standing, model: str) -> RefusedError:
    """The refusal of a call for which too little is left."""
    message = (
        f"Rate limit reached for {model} in organization org-emulated on {_UNITS[standing.short_of]}. Please try again "
        f"in {_duration(standing.wait_s)}. Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    error = refused(message, status=429, kind=standing.short_of, code="rate_limit_exceeded")
    pause = {"retry-after": str(math.ceil(standing.wait_s)), "retry-after-ms": str(math.ceil(standing.wait_s * 1000))}
    error.headers.update(rate_headers(standing) | pause)
    return error


def _duration(seconds: float) -> str:
    """`120ms`, `8.64s` or `1m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
