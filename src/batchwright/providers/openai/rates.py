"""What OpenAI's answers say in their headers of the account's rates. Pure."""

import re
from collections.abc import Mapping

from batchwright.providers.base import Rates
from batchwright.providers.rates import count_in, rates_or_none

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_SECONDS_OF_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_MINUTE = 600.0
"""Seconds: what comes back within this counts as a minute's limit, for the vendor rounds what it says."""


def decode_rates(headers: Mapping[str, str]) -> Rates | None:
    """Return what `x-ratelimit-*` say of rates, or None where there are none.

    The vendor does not say whether its limit of requests is of a minute or, on small accounts, of a day. What is used
    comes back evenly, so the time until all is back tells how long the whole takes; a day's limit is none of a minute.
    """
    found = [
        (
            count_in(headers, f"x-ratelimit-limit-{what}"),
            count_in(headers, f"x-ratelimit-remaining-{what}"),
            _duration(headers.get(f"x-ratelimit-reset-{what}", "")),
        )
        for what in ("requests", "tokens")
    ]
    (requests, requests_left, requests_reset), (tokens, tokens_left, tokens_reset) = found
    return rates_or_none(
        Rates(
            requests_per_minute=None if _is_of_a_day(*found[0]) else requests,
            tokens_per_minute=None if _is_of_a_day(*found[1]) else tokens,
            remaining_requests=requests_left,
            remaining_tokens=tokens_left,
            requests_reset=requests_reset,
            tokens_reset=tokens_reset,
        )
    )


def _is_of_a_day(limit: int | None, remaining: int | None, reset: float | None) -> bool:
    if limit is None or remaining is None or reset is None or remaining >= limit:
        return False
    return reset * limit / (limit - remaining) > _LONGEST_MINUTE


def _duration(text: str) -> float | None:
    """Seconds of a duration such as `120ms`, `6m0s` or `1h2m3.5s`; None for anything else."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS_OF_UNIT[unit] for number, unit in parts)
