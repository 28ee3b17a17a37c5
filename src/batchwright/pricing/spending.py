"""What a run spent: requests, tokens and dollars by day, provider and model, added up in flat memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal

from batchwright.pricing.overrides import PriceTable
from batchwright.pricing.prices import sheet_of
from batchwright.pricing.rates import EXACT, PriceSheet
from batchwright.usage import Usage

NO_MONEY = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one model's requests of one day used and cost."""

    day: date
    """In UTC."""
    provider_name: str
    model: str
    """The model that answered, in the vendor's name."""
    batch: bool
    requests: int
    """Requests that used tokens or were answered; what never ran costs nothing and is not among them."""
    usage: Usage
    cost: Decimal
    """Dollars of the requests whose price is known."""
    unpriced: int = 0
    """Requests whose price is unknown; where there are any, `cost` is less than what was spent."""
    saved: Decimal = NO_MONEY
    """Dollars more that the same requests would have cost live, where both prices are known."""
    output_squares: int = 0
    """The squares of each request's output tokens, added up: how much answers differ in length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a job, or one process of a live run, has spent so far; a later one of the same takes its place."""

    run: str
    """Our id of the job or run."""
    part: str = ""
    """Tells apart the processes that worked on one run, which know only of their own spending: each has another."""
    task: str
    """What was asked, so that later estimates can learn from it: a task's name, or a digest of a template."""
    lines: tuple[Line, ...]
    items: int = 0
    """How many items the requests were about; 0 where each was about one."""
    estimated_tokens: int = 0
    """Input tokens of these requests as they were estimated before; 0 where nobody did."""
    seconds: float = 0.0
    """From sending to the last answer; 0 where that is not known."""
    emulated: bool = False
    """An emulator answered: the prices are real, the spending is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Several lines added up."""

    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = NO_MONEY
    unpriced: int = 0
    saved: Decimal = NO_MONEY

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(
            requests=self.requests + other.requests,
            usage=self.usage + other.usage,
            cost=EXACT.add(self.cost, other.cost),
            unpriced=self.unpriced + other.unpriced,
            saved=EXACT.add(self.saved, other.saved),
        )

    @property
    def known_cost(self) -> Decimal | None:
        """Return the dollars of all of it, or None where the price of any request is unknown."""
        return None if self.unpriced else self.cost


def summed(lines: Iterable[Line]) -> Sum:
    """Add lines up, exactly."""
    total = Sum()
    for line in lines:
        total += Sum(requests=line.requests, usage=line.usage, cost=line.cost, unpriced=line.unpriced, saved=line.saved)
    return total


class Bill:
    """Adds requests up one by one, each at its own price; costs a microsecond or two each. Not for several threads.

    `batch` says which price the requests have; `overrides` go before the price lists.
    """

    def __init__(self, *, batch: bool, overrides: PriceTable | None = None) -> None:
        self._batch = batch
        self._overrides = overrides
        self._pages: dict[tuple[str, str, date], Page] = {}

    def add(self, usage: Usage, *, provider_name: str, model: str, day: date, answered: bool = True) -> Decimal | None:
        """Add one request that ran on `day` (UTC), and return its dollars; None where it has no known price.

        An answer without any usage was paid for and cannot be priced; a request without either never ran.
        """
        return self.page(provider_name=provider_name, model=model, day=day).add(usage, answered=answered)

    def page(self, *, provider_name: str, model: str, day: date) -> "Page":
        """Return where the requests of one model and day are added up, for whoever has many of them."""
        key = (provider_name, model, day)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = self._new_page(provider_name, model, day)
        return page

    @property
    def lines(self) -> tuple[Line, ...]:
        """What was added so far."""
        return tuple(
            page.line(day=day, provider_name=provider_name, model=model, batch=self._batch)
            for (provider_name, model, day), page in self._pages.items()
            if page.requests
        )

    def _new_page(self, provider_name: str, model: str, day: date) -> "Page":
        def sheet(*, batch: bool) -> PriceSheet | None:
            return sheet_of(
                provider_name=provider_name,
                model=model,
                batch=batch,
                at=datetime.combine(day, time(), UTC),
                overrides=self._overrides,
            )

        return Page(sheet(batch=self._batch), sheet(batch=False) if self._batch else None)


@dataclass(slots=True)
class Page:
    """One model's requests of one day; in whole numbers until it is read."""

    sheet: PriceSheet | None
    live_sheet: PriceSheet | None
    """What the same would cost live; None where nothing is to be compared."""
    requests: int = 0
    unpriced: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    output_squares: int = 0
    paid: int = 0
    """In the smallest unit of `sheet`."""
    comparable: int = 0
    """Of that, what was paid for requests with a live price."""
    live: int = 0
    """What those would have cost live, in the smallest unit of `live_sheet`."""

    def add(self, usage: Usage, *, answered: bool = True) -> Decimal | None:
        """Add a request and return its dollars, as `Bill.add` does."""
        read, output = usage.input_tokens, usage.output_tokens
        if not (read or output):
            self.requests += answered
            self.unpriced += answered
            return None
        self.requests += 1
        self.input += read
        self.output += output
        self.cached += usage.cached_tokens
        self.cache_write += usage.cache_write_tokens
        self.reasoning += usage.reasoning_tokens
        self.output_squares += output * output
        sheet = self.sheet
        paid = None if sheet is None else sheet.units(usage)
        if sheet is None or paid is None:
            self.unpriced += 1
            return None
        self.paid += paid
        live = None if self.live_sheet is None else self.live_sheet.units(usage)
        if live is not None:
            self.live += live
            self.comparable += paid
        return sheet.dollars(paid)

    def line(self, *, day: date, provider_name: str, model: str, batch: bool) -> Line:
        """Return what was added so far."""
        return Line(
            day=day,
            provider_name=provider_name,
            model=model,
            batch=batch,
            requests=self.requests,
            usage=Usage(
                input_tokens=self.input,
                output_tokens=self.output,
                cached_tokens=self.cached,
                cache_write_tokens=self.cache_write,
                reasoning_tokens=self.reasoning,
            ),
            cost=NO_MONEY if self.sheet is None else self.sheet.dollars(self.paid),
            unpriced=self.unpriced,
            saved=self._saved(),
            output_squares=self.output_squares,
        )

    def _saved(self) -> Decimal:
        if self.sheet is None or self.live_sheet is None:
            return NO_MONEY
        return EXACT.subtract(self.live_sheet.dollars(self.live), self.sheet.dollars(self.comparable))
