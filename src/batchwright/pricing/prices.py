"""What one request cost. Unknown is None and never nothing: a sum with a hole in it must not look like a small one."""

from datetime import UTC, datetime
from decimal import Decimal

from batchwright.pricing.editions import is_edition
from batchwright.pricing.overrides import PriceTable
from batchwright.pricing.rates import PriceSheet
from batchwright.usage import Usage


def price_of(
    usage: Usage,
    *,
    provider_name: str,
    model: str,
    batch: bool = False,
    at: datetime | None = None,
    overrides: PriceTable | None = None,
) -> Decimal | None:
    """Return the dollars of one request, exactly, or None where its price is unknown.

    Price request by request, then add up: several models charge a long prompt at other rates, so that a sum of usages
    has no price. `batch` is the price in the provider's Batch API; `at` is when it ran (default: now), for prices
    change; `overrides` go before the lists that come with the package. The vendor's standard service is assumed.
    """
    sheet = sheet_of(provider_name=provider_name, model=model, batch=batch, at=at, overrides=overrides)
    return None if sheet is None else sheet.cost(usage)


def billed_as(answered: str | None, *, asked: str, provider_name: str, overrides: PriceTable | None = None) -> str:
    """Return the model's name whose price an answer has: the one that answered, where its price is known.

    A name the lists do not have yet is priced as the one that was asked for, if it is a dated edition of that, or if a
    person set that one's price.
    """
    name = (answered or asked).removeprefix("models/")
    if name == asked or (overrides is not None and overrides.find(provider_name, name) is not None):
        return name
    if overrides is not None and overrides.find(provider_name, asked) is not None:
        return asked
    known = sheet_of(provider_name=provider_name, model=name) is not None
    return asked if not known and is_edition(name, of=asked) else name


def sheet_of(
    *,
    provider_name: str,
    model: str,
    batch: bool = False,
    at: datetime | None = None,
    overrides: PriceTable | None = None,
) -> PriceSheet | None:
    """Return the prices of a model and where they come from; as `price_of`."""
    own = None if overrides is None else overrides.find(provider_name, model)
    if own is not None:
        return own.batch if batch else own.live
    from batchwright.pricing.price_list import listed  # noqa: PLC0415  (the lists take a third of a second to import)

    moment = datetime.now(UTC) if at is None else at
    # A time without a zone is UTC, as in all our files.
    day = moment.date() if moment.tzinfo is None else moment.astimezone(UTC).date()
    return listed(provider_name, model, batch=batch, day=day)
