"""`batch-create`: documents become provider batch jobs."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pydantic_core

from batchwright.batch.sending.planner import JobsPer
from batchwright.cli.choosing import choice_from, choice_options
from batchwright.cli.creating import Choice, left_for, rehearse, write_payloads, write_planned
from batchwright.cli.estimating import budget_options, estimate_documents, may_start
from batchwright.cli.exits import ExitCode
from batchwright.cli.fetching import print_look
from batchwright.cli.options import GuideCommand
from batchwright.cli.output import data, shown_path, talk, warning
from batchwright.cli.sending import documents_in, send, summarise, verdict
from batchwright.cli.subjects import by_document
from batchwright.cli.workbench import Workbench, with_workbench


@click.command("batch-create", cls=GuideCommand)
@choice_options
@click.option(
    "--jobs-per",
    type=click.Choice([choice.value for choice in JobsPer]),
    default=JobsPer.RUN.value,
    show_default=True,
    help="What one job holds; `run` packs everything into as few as the provider allows.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent; needs no key, writes nothing.")
@click.option(
    "--emit-payload",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files that would be uploaded to DIR and send nothing.",
)
@budget_options
@with_workbench
def command(
    workbench: Workbench,
    *,
    jobs_per: str,
    dry_run: bool,
    emit_payload: Path | None,
    estimate: bool,
    yes: bool,
    max_cost: Decimal | None,
    **chosen: Any,
) -> int:
    """Turn documents with issues into provider batch jobs.

    What is answered already, or waits in a job, is not asked again.

    \b
    Examples:
      batchwright batch-create
      batchwright batch-create --subjects Geography "Art and Design"
      batchwright batch-create --documents gcse-geography.md --batch-size 5
      batchwright batch-create --provider openai --limit 2
      batchwright batch-create --dry-run
      batchwright batch-create --estimate --max-cost 5
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    choice = choice_from(workbench, jobs_per=JobsPer(jobs_per), **chosen)
    if dry_run:
        return _rehearse(workbench, choice)
    if emit_payload is not None:
        return _emit(workbench, choice, emit_payload)
    if estimate or max_cost is not None:
        estimates = estimate_documents(workbench, choice)
        if not may_start(estimates, show=estimate, yes=yes, max_cost=max_cost):
            return ExitCode.OK
    return create(workbench, choice)


def create(workbench: Workbench, choice: Choice) -> int:
    """Plan, write, send and say so; return the exit code."""
    engine = workbench.engine()
    task = engine.task_of("categorise")
    # After the input, so that what is wrong with that is said at once: an SDK takes longer to import than a report.
    provider = workbench.provider(choice.provider_name, choice.model)
    # What an unresolved job may have paid for is looked for before anything is sent for the same items.
    for look in engine.resolve_all(workbench.store.load()):
        print_look(look)
    left, others_left = left_for(workbench, task, choice)
    planned, jobs = write_planned(workbench, task, provider, choice)
    sent = send(engine, [*left, *jobs], task)
    for skipped in planned.skipped:
        warning(f"{skipped.document.group}/{skipped.document.name} skipped: {skipped.reason}")
    if not sent and not planned.skipped:
        data(f"Nothing to send: {planned.answered} {task.items_word} answered, {planned.pending} pending.")
    others = {
        "Jobs planned before": len(left),
        "Skipped documents": len(planned.skipped),
        f"Already answered {task.items_word}": planned.answered,
        f"Already pending {task.items_word}": planned.pending,
    }
    summarise([*left, *jobs], sent, others)
    _tell_waiting(others_left)
    return verdict(sent, left_out=bool(planned.skipped))


def _tell_waiting(count: int) -> None:
    if count:
        talk(f"{count} job(s) planned before are waiting; batch-fetch sends them")


def _rehearse(workbench: Workbench, choice: Choice) -> int:
    task = workbench.task()
    planned, jobs, sink = rehearse(workbench, task, choice)
    left, others_left = left_for(workbench, task, choice)
    for record in jobs:
        for name, batches in by_document(record):
            data(f"Would process {name} ({sum(len(batch.item_ids) for batch in batches)} {task.items_word})...")
    for skipped in planned.skipped:
        warning(f"{skipped.document.group}/{skipped.document.name} would be skipped: {skipped.reason}")
    data("Summary (dry run, nothing sent or written):")
    data(f"  Provider: {sink.provider.name}, model {sink.provider.model}")
    data(f"  Total documents: {documents_in(jobs)}")
    data(f"  Total batches: {sum(record.request_count for record in jobs)}")
    data(f"  Jobs: {len(jobs)}, {sink.size_bytes:,} bytes")
    if left:
        data(f"  Jobs planned before: {len(left)}")
    _tell_waiting(others_left)
    if sink.first:
        data("First request:")
        data(pydantic_core.to_json(pydantic_core.from_json(sink.first), indent=2).decode())
    return ExitCode.ITEMS_FAILED if planned.skipped else ExitCode.OK


def _emit(workbench: Workbench, choice: Choice, folder: Path) -> int:
    planned, written = write_payloads(workbench, choice, folder)
    for path in written:
        data(shown_path(path))
    for skipped in planned.skipped:
        warning(f"{skipped.document.group}/{skipped.document.name} skipped: {skipped.reason}")
    talk(f"{len(written)} payload(s) written; nothing was sent.")
    return ExitCode.ITEMS_FAILED if planned.skipped else ExitCode.OK
