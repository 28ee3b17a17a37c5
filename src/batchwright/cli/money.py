"""Tokens and dollars as a person, or a program that reads our JSON, gets them."""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING

from batchwright.usage import Usage

if TYPE_CHECKING:
    from batchwright.pricing.spending import Sum  # a list of jobs shows amounts and sums nothing

UNKNOWN = "price unknown"

_CENT = Decimal("0.01")
_ROUND = Context(prec=60, rounding=ROUND_HALF_UP)
_TWO_DIGITS = Context(prec=2, rounding=ROUND_HALF_UP)


def dollars(amount: Decimal | None) -> str:
    """Return an amount to the cent, or to two digits where it is less than ten cents: `$1,234.56`, `$0.0031`."""
    if amount is None:
        return UNKNOWN
    rounded = _TWO_DIGITS.plus(amount)
    if not amount or rounded.adjusted() > _CENT.adjusted():
        rounded = amount.quantize(_CENT, context=_ROUND)
    return f"-${-rounded:,f}" if rounded < 0 else f"${rounded:,f}"


def cost(spent: "Sum") -> str:
    """Return what was spent, how many requests have no known price, and what batching saved."""
    if spent.unpriced == spent.requests:
        return UNKNOWN
    known = dollars(spent.cost)
    if spent.unpriced:
        known = f"{known} and {spent.unpriced:,} request(s) with an unknown price"
    return f"{known} (live it would have been {dollars(spent.saved)} more)" if spent.saved > 0 else known


def known_or_more(spent: "Sum") -> str:
    """Return what was spent in a table's cell: `at least` where some of it has no known price."""
    if spent.requests and spent.unpriced == spent.requests:
        return UNKNOWN
    return f"at least {dollars(spent.cost)}" if spent.unpriced else dollars(spent.cost)


def tokens(usage: Usage) -> str:
    """Return the tokens in and out, and what of them vendors count apart."""
    apart = {"cached": usage.cached_tokens, "written to the cache": usage.cache_write_tokens}
    read = ", ".join(f"{count:,} {what}" for what, count in apart.items() if count)
    thought = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,} in{f' ({read})' if read else ''}, {usage.output_tokens:,} out{thought}"


def amount_as_json(amount: Decimal | None) -> str | None:
    """Return an amount as text, exactly: many a program would read a number as the nearest binary fraction."""
    if amount is None:
        return None
    whole, point, part = format(amount, "f").partition(".")
    return f"{whole}{point}{part}".rstrip("0").rstrip(".") if point else whole


def usage_as_json(usage: Usage | None) -> dict[str, int] | None:
    """Return every count of a usage by its name."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
