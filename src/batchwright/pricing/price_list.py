"""The vendors' price lists as genai-prices brings them, offline, with what it answers too readily put right.

Asked for a batch price it does not have, it silently gives the standard one: twice what is paid. Here that is a price
by a rule the vendor documents, or unknown. A kind of token we cannot tell apart (images in an answer), or a kind of
price that we do not know, makes the model's price unknown as well.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

from genai_prices import __version__
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from batchwright.pricing.editions import plain_name
from batchwright.pricing.names import closeness
from batchwright.pricing.rates import EXACT, PriceSheet, by_length

_Prices = Mapping[str, Decimal | TieredPrices]

LISTED_AS: Mapping[str, str] = {"gemini": "google"}
"""Our providers whose name in the list is another; all others go by their own."""

_KINDS: Mapping[str, str] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
}
"""The list's word for each kind of token that a `Usage` tells apart."""

_NOT_ASKED_FOR = frozenset(
    {
        "cache_write_1h_mtok",
        "cache_audio_read_mtok",
        "input_audio_mtok",
        "input_video_mtok",
        "storage_searches_kcount",
        "web_searches_kcount",
    }
)
"""Prices of what our requests cannot ask for. Any other that we do not know makes the model's price unknown."""

_BATCH = {"processing": "batch"}
_HALF = Decimal("0.5")

_HALVES_ALL: Mapping[str, frozenset[str]] = {"anthropic": frozenset({"claude-2", "claude-v1"})}
"""Vendors whose batch price is half of every kind on every model, and the models from before they had batches.

So the list's own comment, which names https://platform.claude.com/docs/en/build-with-claude/batch-processing#pricing:
"charged at 50% of the standard rates", cache reads and writes and the long-prompt band included. The list itself has
batch prices of current models only.
"""
_HALVES_FRESH = frozenset({("google", "gemini-3.5-flash"), ("google", "gemini-3.7-flash")})
"""Models without a batch price in the list, of which its comments, naming https://ai.google.dev/gemini-api/docs/pricing,
say that Batch halves input and output. What cached input costs in a batch differs from model to model and is not known
of these."""


@lru_cache(maxsize=4096)
def listed(provider_name: str, model: str, *, batch: bool, day: date) -> PriceSheet | None:
    """Return the prices of a model on a day (UTC), or None where no list we have says them."""
    provider = _provider(LISTED_AS.get(provider_name, provider_name))
    found = None if provider is None else _find(provider, plain_name(model))
    if provider is None or found is None or _changes_by_the_hour(found):
        return None
    moment = datetime.combine(day, time(), UTC)
    prices = _batch_prices(provider.id, found, moment) if batch else _known(found.get_prices(moment))
    if prices is None or "input_mtok" not in prices or not prices.keys() <= _KINDS.keys() | _NOT_ASKED_FOR:
        return None
    kinds = {kind: _by_start(prices[word]) for word, kind in _KINDS.items() if word in prices}
    return PriceSheet(bands=by_length(kinds), source=f"genai-prices {__version__}")


def context_window(provider_name: str, model: str) -> int | None:
    """Return how many tokens a model reads and writes at most, or None where no list we have says it."""
    provider = _provider(LISTED_AS.get(provider_name, provider_name))
    found = None if provider is None else _find(provider, plain_name(model))
    return None if found is None else found.context_window


def is_listed(provider_name: str, model: str) -> bool:
    """Whether the lists have a model, priced or not."""
    provider = _provider(LISTED_AS.get(provider_name, provider_name))
    return provider is not None and _find(provider, plain_name(model)) is not None


def models_of(provider_name: str) -> tuple[str, ...]:
    """Return the models of a provider that the lists name, in no order."""
    provider = _provider(LISTED_AS.get(provider_name, provider_name))
    return () if provider is None else tuple(entry.id for entry in provider.models)


@lru_cache
def _provider(identifier: str) -> Provider | None:
    """Only by its exact identifier: the list would also take `my-openai-router` for OpenAI."""
    return next((provider for provider in get_snapshot().providers if provider.id == identifier), None)


def _find(provider: Provider, name: str) -> ModelInfo | None:
    """Return the entry that names the model most exactly."""
    best, most = None, -1
    for entry in provider.models:
        length = closeness(entry.match, name, entry=entry.id)
        if length is not None and length > most:
            best, most = entry, length
    return best


def _changes_by_the_hour(entry: ModelInfo) -> bool:
    """No vendor of ours has such prices; those that have cannot be priced by the day."""
    conditions = [price.constraint for price in entry.prices] if isinstance(entry.prices, list) else []
    return any(isinstance(condition, TimeOfDateConstraint) for condition in conditions)


def _batch_prices(provider: str, entry: ModelInfo, moment: datetime) -> _Prices | None:
    standard = _known(entry.get_prices(moment))
    variants = [variant for variant in entry.price_variants or () if variant.when == _BATCH]
    if any(_holds(variant, moment) for variant in variants):
        return _known(entry.get_prices(moment, _BATCH))
    if provider in _HALVES_ALL and entry.id not in _HALVES_ALL[provider]:
        return {word: _halved(price) for word, price in standard.items()}
    if (provider, entry.id) in _HALVES_FRESH:
        fresh = ("input_mtok", "output_mtok")
        return {word: _halved(standard[word]) for word in fresh if word in standard}
    first = _first_day(variants)
    if first is not None and _known(entry.get_prices(first)) == standard:
        # The list's batch prices begin on the day that somebody looked them up, not on the day they began to hold.
        # While the standard price is the same, so is the batch price that is derived from it.
        return _known(entry.get_prices(first, _BATCH))
    return None


def _holds(variant: PriceVariant, moment: datetime) -> bool:
    return variant.constraint is None or variant.constraint.active(moment)


def _first_day(variants: Iterable[PriceVariant]) -> datetime | None:
    days = [
        variant.constraint.start_date for variant in variants if isinstance(variant.constraint, StartDateConstraint)
    ]
    return datetime.combine(min(days), time(), UTC) if days else None


def _known(prices: ModelPrice) -> _Prices:
    return {word: price for word, price in vars(prices).items() if price is not None and not word.startswith("_")}


def _halved(price: Decimal | TieredPrices) -> Decimal | TieredPrices:
    if isinstance(price, Decimal):
        return EXACT.multiply(price, _HALF)
    return TieredPrices(
        base=EXACT.multiply(price.base, _HALF),
        tiers=[type(tier)(start=tier.start, price=EXACT.multiply(tier.price, _HALF)) for tier in price.tiers],
    )


def _by_start(price: Decimal | TieredPrices) -> dict[int, Decimal]:
    if isinstance(price, Decimal):
        return {0: price}
    return {0: price.base, **{tier.start: tier.price for tier in price.tiers}}
