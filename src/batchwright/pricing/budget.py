"""Whether a run may start, and whether its next request may be sent, when a person has said what it may cost. Pure."""

from dataclasses import dataclass, field
from decimal import Decimal

from batchwright.pricing.estimate import Dollars
from batchwright.pricing.rates import EXACT
from batchwright.pricing.spending import NO_MONEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a run must not start: it may cost `amount` (a batch), or costs at least that (live); None is unknown."""

    amount: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most dollars a run may cost."""

    limit: Decimal

    def refusal(self, expected: Dollars | None, *, can_stop: bool) -> Refusal | None:
        """Say why a run of the expected cost must not start; None if it may.

        A batch job is paid once it is sent, so the most that it may cost counts. A live run can stop in the middle
        (`can_stop`), so only one that is bound to exceed the budget is refused. What has no price has no bound.
        """
        if expected is None:
            return Refusal(amount=None)
        counts = expected.low if can_stop else expected.high
        return None if counts <= self.limit else Refusal(amount=counts)


@dataclass(slots=True)
class Allowance:
    """What a live run may still send: each request is set aside before it is sent and settled when it is answered.

    `request` is the most dollars that a request is expected to cost; the dearest one so far is, if it was more.
    """

    budget: Budget
    request: Decimal
    spent: Decimal = NO_MONEY
    """What answered requests cost; one whose cost is unknown counts as the dearest."""
    in_flight: int = field(default=0, init=False)

    def take(self) -> bool:
        """Set the next request aside, if everything that was sent and this one stay within the budget."""
        if EXACT.fma(self.request, Decimal(self.in_flight + 1), self.spent) > self.budget.limit:
            return False
        self.in_flight += 1
        return True

    def settle(self, cost: Decimal | None) -> None:
        """Say what a request that was taken has cost; 0 if it never ran, None if nobody knows."""
        self.in_flight -= 1
        self.request = max(self.request, cost or NO_MONEY)
        self.spent = EXACT.add(self.spent, self.request if cost is None else cost)
