"""What documents will cost, told before anything is sent, and the budget and the person asked about it."""

import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import click

from batchwright.cli.creating import Choice, left_for, rehearse
from batchwright.cli.money import amount_as_json, dollars
from batchwright.cli.output import data, talk
from batchwright.cli.workbench import Workbench
from batchwright.errors import BudgetError
from batchwright.job import JobRecord
from batchwright.pricing.budget import Budget
from batchwright.pricing.estimate import LONGEST_BATCH, Dollars, Estimate, Workload, estimated
from batchwright.pricing.learned import lessons

Function = TypeVar("Function", bound=Callable[..., Any])

_MINUTE, _HOUR = 60.0, 3600.0
_AT_MOST = f"{LONGEST_BATCH / _HOUR:.0f} h at most"


class Amount(click.ParamType[Decimal]):
    """Dollars: `5`, `0.25`, `$0.25`."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the amount."""
        try:
            amount = Decimal(str(value).strip().removeprefix("$"))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no amount of dollars; write 5 or 0.25", param, ctx)
        return amount


def budget_options(function: Function) -> Function:
    """Add the options that let a person look at the cost first, or bound it."""
    options = (
        click.option("--estimate", is_flag=True, help="Show what it will cost first; ask on a terminal, else stop."),
        click.option("--yes", "-y", is_flag=True, help="With --estimate: do not ask, go on."),
        click.option("--max-cost", type=Amount(), metavar="USD", help="Send nothing that may cost more (exit 6)."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def estimate_documents(workbench: Workbench, choice: Choice) -> list[Estimate]:
    """Return what asking the chosen documents will take, an estimate for each model; nothing is sent or written.

    Jobs that were planned before and would be sent along are in it.
    """
    task = workbench.task()
    _, jobs, sink = rehearse(workbench, task, choice)
    left, _ = left_for(workbench, task, choice)
    of_model: dict[str, list[JobRecord]] = {sink.provider.model: []}
    for record in (*jobs, *left):
        of_model.setdefault(record.model or sink.provider.model, []).append(record)
    return [
        _estimate(workbench, choice.provider_name, model, task.name, records) for model, records in of_model.items()
    ]


def _estimate(
    workbench: Workbench, provider_name: str, model: str, task: str, records: Sequence[JobRecord]
) -> Estimate:
    from batchwright.cli.live.run import AT_ONCE  # noqa: PLC0415  (asyncio and the live engine, for a number)

    runs, _ = workbench.ledger.load()
    workload = Workload(
        provider_name=provider_name,
        model=model,
        task=task,
        requests=sum(record.request_count for record in records),
        estimated_tokens=sum(record.input_tokens for record in records),
        items=sum(len(batch.item_ids) for record in records for batch in record.batches),
        workers=AT_ONCE,
    )
    known = lessons(runs, provider_name=provider_name, model=model, task=task, emulated=workbench.settings.emulated)
    return estimated(workload, known, at=workbench.clock.now(), overrides=workbench.prices)


def may_start(
    estimates: Sequence[Estimate], *, show: bool, yes: bool, max_cost: Decimal | None, batch: bool = True
) -> bool:
    """Show the estimates where they are wanted, hold them to the budget, ask the person; say whether to go on.

    Raises `BudgetError` where the budget forbids it. `batch` says which price counts.
    """
    if show:
        for estimate in estimates:
            print_estimate(estimate)
    if max_cost is not None:
        hold_to_budget(estimates, max_cost, batch=batch)
    if not show or yes or not any(estimate.workload.requests for estimate in estimates):
        return True
    if sys.stdin.isatty() and sys.stderr.isatty():
        return click.confirm("Go on?", err=True)
    talk("Nothing was sent. Give --yes as well to go on.")
    return False


def hold_to_budget(estimates: Iterable[Estimate], max_cost: Decimal, *, batch: bool) -> None:
    """Raise `BudgetError` where all the estimates together do not stay within `max_cost`.

    A live run may start where it could stop in time.
    """
    refusal = Budget(limit=max_cost).refusal(
        _together(estimate.batch if batch else estimate.live for estimate in estimates), can_stop=not batch
    )
    if refusal is None:
        return
    limit = f"--max-cost is {dollars(max_cost)}"
    if refusal.amount is None:
        raise BudgetError(f"nothing was sent: what it costs is unknown, and {limit}; see: batchwright estimate")
    bound = "may cost up to" if batch else "costs at least"
    raise BudgetError(
        f"nothing was sent: it {bound} {dollars(refusal.amount)}, and {limit}; "
        "--estimate shows what that rests on, --limit asks for less"
    )


def _together(costs: Iterable[Dollars | None]) -> Dollars | None:
    low = high = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        low, high = low + cost.low, high + cost.high
    return Dollars(low=low, high=high)


def print_estimate(estimate: Estimate) -> None:
    """Print what a workload will use, cost and take, and what that rests on."""
    workload = estimate.workload
    to = f"{workload.provider_name}, model {workload.model}"
    if not workload.requests:
        data(f"There is nothing to ask {to}.")
        return
    data(f"Estimate for {workload.requests:,} request(s) to {to}:")
    data(f"  Input tokens: {_counts(estimate.input_tokens)}")
    data(f"  Output tokens: {_counts(estimate.output_tokens)}")
    data(f"  In a batch: {_dollars(estimate.batch)}{_before(estimate.batch_seconds)}, in {_AT_MOST}")
    at_a_time = f"{workload.workers} at a time"
    data(f"  Live: {_dollars(estimate.live)}, done in {_duration(estimate.live_seconds)}, {at_a_time}")
    data(f"  This rests on {'; '.join(estimate.rests_on)}.")


def estimate_as_json(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate for a program; every range is [least, most]."""
    return {
        "provider_name": estimate.workload.provider_name,
        "model": estimate.workload.model,
        "task": estimate.workload.task,
        "requests": estimate.workload.requests,
        "input_tokens": estimate.input_tokens,
        "output_tokens": estimate.output_tokens,
        "batch_usd": _dollars_as_json(estimate.batch),
        "live_usd": _dollars_as_json(estimate.live),
        "batch_seconds": estimate.batch_seconds,
        "live_seconds": estimate.live_seconds,
        "rests_on": estimate.rests_on,
    }


def _dollars_as_json(cost: Dollars | None) -> list[str | None] | None:
    return None if cost is None else [amount_as_json(cost.low), amount_as_json(cost.high)]


def _counts(ends: tuple[int, int]) -> str:
    return f"{ends[0]:,} to {ends[1]:,}"


def _dollars(cost: Dollars | None) -> str:
    return dollars(None) if cost is None else f"{dollars(cost.low)} to {dollars(cost.high)}"


def _before(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f", jobs before took {_duration(ends)}"


def _duration(ends: tuple[float, float]) -> str:
    low, high = (_time(seconds) for seconds in ends)
    return high if low == high else f"{low} to {high}"


def _time(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h"
