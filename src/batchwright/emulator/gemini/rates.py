"""Gemini's words for how much may be asked in a minute; its answers say nothing of it, only its refusals do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from batchwright.emulator.gemini.errors import refused

if TYPE_CHECKING:
    from batchwright.emulator.http import RefusedError
    from batchwright.emulator.rates import Standing

_QUOTAS = {
    "requests": ("generate_content_requests", "GenerateRequestsPerMinutePerProjectPerModel"),
    "tokens": ("generate_content_input_token_count", "GenerateContentInputTokensPerModelPerMinute"),
}


def too_many(standing: Standing) -> RefusedError:
    """The refusal of a call for which too little is left."""
    metric, quota = _QUOTAS[standing.short_of]
    metric = f"generativelanguage.googleapis.com/{metric}"
    level = standing.requests if standing.short_of == "requests" else standing.tokens
    value = 0 if level is None else level.limit
    delay = f"{math.ceil(standing.wait_s)}s"
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {metric}, limit: {value}\nPlease retry in {delay}."
    )
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaMetric": metric, "quotaId": quota, "quotaValue": str(value)}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    return refused(429, "RESOURCE_EXHAUSTED", message, details=details)
