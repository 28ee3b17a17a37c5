"""What each answer of a live run cost, without looking its price up anew for every one of them."""

import time
from decimal import Decimal
from typing import TYPE_CHECKING

from batchwright.pricing.overrides import PriceTable
from batchwright.pricing.prices import sheet_of
from batchwright.usage import Usage

if TYPE_CHECKING:
    from batchwright.pricing.rates import PriceSheet

_FRESH_S = 300.0
"""How long a looked-up price is used: prices change from one day to the next, and a run may see midnight."""


class PriceBook:
    """The live prices of the models of a run; `overrides` go before the lists that come with the package."""

    def __init__(self, overrides: PriceTable | None = None) -> None:
        self._overrides = overrides
        self._sheets: dict[tuple[str, str], PriceSheet | None] = {}
        self._until = 0.0

    def cost(self, usage: Usage, provider_name: str, model: str) -> Decimal | None:
        """Return the dollars of one request, or None where its price is unknown."""
        now = time.monotonic()
        if now >= self._until:
            self._sheets.clear()
            self._until = now + _FRESH_S
        who = (provider_name, model)
        if who not in self._sheets:
            self._sheets[who] = sheet_of(provider_name=provider_name, model=model, overrides=self._overrides)
        sheet = self._sheets[who]
        return None if sheet is None else sheet.cost(usage)
