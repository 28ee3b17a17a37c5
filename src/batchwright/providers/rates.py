"""Rates as headers tell them. Pure."""

from collections.abc import Mapping

from batchwright.providers.base import Rates

_NOTHING = Rates()


def count_in(headers: Mapping[str, str], name: str) -> int | None:
    """Return the whole number in a header, or None where there is none."""
    text = headers.get(name, "")
    return int(text) if text.isdecimal() else None


def rates_or_none(rates: Rates) -> Rates | None:
    """Return `rates`, or None when they say nothing."""
    return None if rates == _NOTHING else rates
