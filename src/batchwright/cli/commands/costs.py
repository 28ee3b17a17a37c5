"""`costs`: what was spent. Reads the ledger and nothing else."""

from datetime import date, datetime
from typing import Any

import click

from batchwright.cli.money import amount_as_json, dollars, known_or_more, usage_as_json
from batchwright.cli.options import ListingCommand
from batchwright.cli.output import json_document, shown_path, table, talk, warning
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.pricing.spending import Sum
from batchwright.pricing.totals import By, grouped

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("costs", cls=ListingCommand)
@click.option(
    "--by", type=click.Choice([by.value for by in By]), default=By.DAY.value, show_default=True, help="A line for each."
)
@click.option("--since", type=_DAY, metavar="DAY", help="From this day on, such as 2026-11-01.")
@click.option("--until", type=_DAY, metavar="DAY", help="Up to this day, itself included.")
@click.option("--emulated", is_flag=True, help="Also what an emulator answered, as if it had been paid for.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@with_workbench
def command(
    workbench: Workbench, *, by: str, since: datetime | None, until: datetime | None, emulated: bool, as_json: bool
) -> None:
    """Show what was spent: requests, tokens in and out, dollars, and what batching saved.

    Days are in UTC. With an emulator in use, what it answered is shown as if it had been paid for.

    \b
    Examples:
      batchwright costs
      batchwright costs --by model --since 2026-11-01
      batchwright costs --by run --json
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    runs, damaged = workbench.ledger.load()
    emulated = emulated or workbench.settings.emulated
    counted = [run for run in runs if emulated or not run.emulated]
    groups = grouped(counted, By(by), since=_day(since), until=_day(until))
    total = sum((spent for _, spent in groups), start=Sum())
    if damaged:
        warning(f"{damaged} line(s) of {shown_path(workbench.ledger.path)} cannot be read and are not counted")
    if as_json:
        parts = [{"name": name, **_as_json(spent)} for name, spent in groups]
        json_document("costs", by=by, groups=parts, total=_as_json(total), damaged_lines=damaged)
        return
    if groups:
        head = (by, "requests", "tokens in", "tokens out", "cost", "saved")
        table([head, *(_line(name, spent) for name, spent in groups), _line("total", total)])
    else:
        talk(f"Nothing spent so far, says {shown_path(workbench.ledger.path)}.")
    left_out = len(runs) - len(counted)
    if left_out:
        talk(f"{left_out} run(s) that an emulator answered are not counted; --emulated shows them")
    if total.unpriced:
        talk(f"{total.unpriced:,} request(s) have no known price; docs: `prices` in batchwright.toml sets one")


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _line(name: str, spent: Sum) -> tuple[str, ...]:
    return (
        name,
        f"{spent.requests:,}",
        f"{spent.usage.input_tokens:,}",
        f"{spent.usage.output_tokens:,}",
        known_or_more(spent),
        dollars(spent.saved),
    )


def _as_json(spent: Sum) -> dict[str, Any]:
    return {
        "requests": spent.requests,
        "usage": usage_as_json(spent.usage),
        "cost_usd": amount_as_json(spent.known_cost),
        "priced_usd": amount_as_json(spent.cost),
        "unpriced_requests": spent.unpriced,
        "saved_usd": amount_as_json(spent.saved),
    }
