"""`estimate`: what asking will cost. Sends nothing, writes nothing, needs no key."""

from typing import Any

import click

from batchwright.cli.choosing import choice_from, choice_options
from batchwright.cli.estimating import estimate_as_json, estimate_documents, print_estimate
from batchwright.cli.options import ListingCommand
from batchwright.cli.output import json_document
from batchwright.cli.workbench import Workbench, with_workbench


@click.command("estimate", cls=ListingCommand)
@choice_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@with_workbench
def command(
    workbench: Workbench,
    *,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Show what documents will cost, in a batch and live: tokens, dollars, time, each as a range.

    Sends nothing and needs no key. The ranges become narrow when a run of the same kind has finished.

    \b
    Examples:
      batchwright estimate
      batchwright estimate --subjects Geography --provider openai --model gpt-5-mini
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    choice = choice_from(workbench, **chosen)
    estimates = estimate_documents(workbench, choice)
    if as_json:
        json_document("estimate", estimates=[estimate_as_json(estimate) for estimate in estimates])
        return
    for estimate in estimates:
        print_estimate(estimate)
