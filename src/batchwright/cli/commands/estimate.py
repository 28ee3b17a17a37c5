"""`estimate`: what asking will cost. Sends nothing, writes nothing, needs no key."""

import click

from batchwright.cli.creating import Choice
from batchwright.cli.estimating import estimate_as_json, estimate_documents, print_estimate
from batchwright.cli.options import ListingCommand, ManyValued
from batchwright.cli.output import json_document
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.config import batch_size_from, provider_from


@click.command("estimate", cls=ListingCommand)
@click.option("--subjects", cls=ManyValued, help="Only these subjects (case, spaces and hyphens do not matter).")
@click.option("--documents", cls=ManyValued, help="Only these documents.")
@click.option("--batch-size", type=int, help="Issues a request  [default: LLM_CATEGORISER_BATCH_SIZE or 10]")
@click.option("--provider", help="gemini, openai or anthropic  [default: LLM_PRIMARY or gemini]")
@click.option("--model", help="Model to ask  [default: the provider's]")
@click.option("--limit", type=int, help="At most this many batches.")
@click.option("--force", is_flag=True, help="Also what is answered or pending.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@with_workbench
def command(
    workbench: Workbench,
    *,
    subjects: tuple[str, ...],
    documents: tuple[str, ...],
    batch_size: int | None,
    provider: str | None,
    model: str | None,
    limit: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show what documents will cost, in a batch and live: tokens, dollars, time, each as a range.

    Sends nothing and needs no key. The ranges become narrow when a run of the same kind has finished.

    \b
    Examples:
      batchwright estimate
      batchwright estimate --subjects Geography --provider openai --model gpt-5-mini
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    environment = workbench.settings.environment
    choice = Choice(
        provider_name=provider_from(environment, provider),
        model=model,
        subjects=subjects,
        documents=documents,
        batch_size=batch_size_from(environment, batch_size),
        limit=limit,
        force=force,
    )
    estimates = estimate_documents(workbench, choice)
    if as_json:
        json_document("estimate", estimates=[estimate_as_json(estimate) for estimate in estimates])
        return
    for estimate in estimates:
        print_estimate(estimate)
