"""What a model's tokens cost, and the exact arithmetic of one request's price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

from batchwright.usage import Usage

EXACT = Context(prec=200)
"""Our own, so that no program's decimal settings can round money; 200 digits hold any number of tokens."""
_PER_MILLION = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRates:
    """Dollars per million tokens of each kind; None where no price is known."""

    input: Decimal | None = None
    output: Decimal | None = None
    """Reasoning included: no vendor of ours prices it apart."""
    cached: Decimal | None = None
    """Input read from the vendor's prompt cache."""
    cache_write: Decimal | None = None
    """Input written to the vendor's prompt cache."""

    def all_known(self) -> tuple[Decimal, ...]:
        """Return the rates there are."""
        return tuple(rate for rate in (self.input, self.output, self.cached, self.cache_write) if rate is not None)


@dataclass(frozen=True, slots=True)
class _Band:
    """The rates of one band as whole numbers of the sheet's unit."""

    above: int
    input: int | None
    output: int | None
    cached: int | None
    cache_write: int | None


@dataclass(frozen=True, slots=True)
class PriceSheet:
    """One model's prices by prompt length: a request over a threshold pays that band's rates for all its tokens."""

    bands: Sequence[tuple[int, TokenRates]]
    """(more input tokens than this, rates), ascending; the first is for every request and starts at 0."""
    source: str
    """Where the prices come from, for a person."""
    _exponent: int = field(init=False, repr=False)
    _base: _Band = field(init=False, repr=False)
    _longer: tuple[_Band, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Whole numbers are exact and several times faster than Decimal: millions of answers are priced one by one.
        places = max((_places(rate) for _, rates in self.bands for rate in rates.all_known()), default=0)
        base, *longer = (
            _Band(
                above,
                _whole(rates.input, places),
                _whole(rates.output, places),
                _whole(rates.cached, places),
                _whole(rates.cache_write, places),
            )
            for above, rates in self.bands
        )
        object.__setattr__(self, "_exponent", -(places + _PER_MILLION))
        object.__setattr__(self, "_base", base)
        object.__setattr__(self, "_longer", tuple(longer))

    def cost(self, usage: Usage) -> Decimal | None:
        """Return the dollars of one request, exactly; None where it used a kind of token that has no known price.

        Also None for a usage that contradicts itself, with more cached tokens than were read at all.
        """
        units = self.units(usage)
        return None if units is None else self.dollars(units)

    def units(self, usage: Usage) -> int | None:
        """Return the price of one request as a whole number of this sheet's smallest unit: `cost` for adding up."""
        band = self._base
        read, wrote = usage.input_tokens, usage.output_tokens
        for longer in self._longer:
            if read > longer.above:
                band = longer
        cached, cache_write = usage.cached_tokens, usage.cache_write_tokens
        if (cached or cache_write) or band.input is None or band.output is None:
            return _units_of_all((read - cached - cache_write, wrote, cached, cache_write), band)
        return read * band.input + wrote * band.output  # nearly every request

    def dollars(self, units: int) -> Decimal:
        """Return what a number of this sheet's units is worth, exactly."""
        return EXACT.scaleb(Decimal(units), self._exponent)


def _units_of_all(counts: Sequence[int], band: _Band) -> int | None:
    """Price fresh, written, cached and cache-writing tokens; None where the first is no count or a price is missing."""
    if counts[0] < 0:
        return None
    total = 0
    for tokens, rate in zip(counts, (band.input, band.output, band.cached, band.cache_write), strict=True):
        if tokens:
            if rate is None:
                return None
            total += tokens * rate
    return total


def by_length(rates: Mapping[str, Mapping[int, Decimal]]) -> tuple[tuple[int, TokenRates], ...]:
    """Return the bands of a sheet from each kind's own thresholds: kind → (more input tokens than → rate).

    Every kind there is has a rate from 0.
    """
    starts = sorted({start for by_start in rates.values() for start in by_start})
    return tuple(
        (
            start,
            TokenRates(**{kind: by_start[max(s for s in by_start if s <= start)] for kind, by_start in rates.items()}),
        )
        for start in starts
    )


def _places(rate: Decimal) -> int:
    exponent = rate.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _whole(rate: Decimal | None, places: int) -> int | None:
    return None if rate is None else int(EXACT.scaleb(rate, places))
