"""What a job's answers cost: added up while they are downloaded, noted in the ledger before the record says so."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from batchwright.job import JobRecord
from batchwright.pricing.ledger import Ledger
from batchwright.pricing.overrides import PriceTable
from batchwright.pricing.prices import billed_as
from batchwright.pricing.spending import Bill, Page, Spending, Sum, summed
from batchwright.result import Result, ResultStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """How the answers of jobs are priced, and where that is noted."""

    ledger: Ledger | None = None
    prices: PriceTable | None = None
    emulated: bool = False

    def open(self, record: JobRecord, *, ended_at: datetime) -> "JobBill":
        """Return an empty bill for what a job answered; it ran at the prices of the day it ended."""
        return JobBill(self, record, ended_at)


@dataclass(slots=True)
class JobBill:
    """What one job's answers used and cost so far."""

    billing: Billing
    record: JobRecord
    ended_at: datetime
    _bill: Bill = field(init=False)
    _pages: dict[str | None, Page] = field(init=False, default_factory=dict)
    """By the model that answered."""
    _day: date = field(init=False)

    def __post_init__(self) -> None:
        self._day = self.ended_at.astimezone(UTC).date()
        self._bill = Bill(batch=True, overrides=self.billing.prices)

    def add(self, result: Result) -> Decimal | None:
        """Add one answer and return its dollars. One that failed may have used tokens too; one that never ran has not.

        None where the price is unknown, or there is none.
        """
        page = self._pages.get(result.model) or self._page(result.model)
        return page.add(result.usage, answered=result.status is ResultStatus.SUCCEEDED)

    def _page(self, answered: str | None) -> Page:
        name = billed_as(
            answered,
            asked=self.record.model,
            provider_name=self.record.provider_name,
            overrides=self.billing.prices,
        )
        page = self._bill.page(provider_name=self.record.provider_name, model=name, day=self._day)
        self._pages[answered] = page
        return page

    @property
    def total(self) -> Sum:
        """What all answers added so far used and cost together."""
        return summed(self._bill.lines)

    def note(self) -> None:
        """Write it into the ledger, in the place of what was noted of this job before. Raises `TrackingError`."""
        if self.billing.ledger is None:
            return
        submitted_at = self.record.submitted_at
        seconds = 0.0 if submitted_at is None else (self.ended_at - submitted_at).total_seconds()
        ran, planned = self.total.requests, max(1, self.record.request_count)
        items = sum(len(batch.item_ids) for batch in self.record.batches)
        self.billing.ledger.record(
            Spending(
                run=self.record.job_id,
                task=self.record.task,
                lines=self._bill.lines,
                # What later estimates learn from is about the requests that ran.
                items=items * ran // planned,
                estimated_tokens=self.record.input_tokens * ran // planned,
                seconds=max(0.0, seconds),
                emulated=self.billing.emulated,
            )
        )
