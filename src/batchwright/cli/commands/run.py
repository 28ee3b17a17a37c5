"""`run`: documents are answered now."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import click
import pydantic_core

from batchwright.cli.choosing import choice_from, choice_options
from batchwright.cli.creating import NO_KEY, Choice, plan
from batchwright.cli.estimating import budget_options, may_start
from batchwright.cli.exits import ExitCode
from batchwright.cli.live.estimate import allowance_for, estimate_run
from batchwright.cli.live.progress import LiveProgress
from batchwright.cli.live.run import AT_ONCE, LiveRun, LiveWish
from batchwright.cli.live.telling import summarise
from batchwright.cli.options import GuideCommand
from batchwright.cli.output import data, talk, warning
from batchwright.cli.subjects import where
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.errors import InputError, TrackingError
from batchwright.live.documents.agenda import Agenda
from batchwright.live.documents.questions import MAX_RETRIES
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.planning import key_of, pending_items
from batchwright.tasks.remaining import Planned
from batchwright.tasks.saving import record_progress
from batchwright.tracking.state import StateFile


@click.command("run", cls=GuideCommand)
@choice_options
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=AT_ONCE, show_default=True, help="Requests at the same time."
)
@click.option("--rate-limit", type=click.FloatRange(min=0, min_open=True), help="Requests a minute, at most.")
@click.option("--tokens-per-minute", type=click.FloatRange(min=0, min_open=True), help="Tokens a minute, at most.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=0),
    default=MAX_RETRIES,
    show_default=True,
    help="How often issues without a usable answer are asked again, on their own.",
)
@click.option(
    "--fail-on-quota/--no-fail-on-quota",
    default=True,
    help="Stop (exit 7), or finish what can be (exit 3), when no provider has quota left  [default: stop]",
)
@click.option("--csv-safe", is_flag=True, help="Keep spreadsheet formulas in answers from executing.")
@click.option("--dry-run", is_flag=True, help="Show what would be asked; needs no key, writes nothing.")
@budget_options
@with_workbench
def command(
    workbench: Workbench,
    *,
    concurrency: int,
    rate_limit: float | None,
    tokens_per_minute: float | None,
    max_retries: int,
    fail_on_quota: bool,
    csv_safe: bool,
    dry_run: bool,
    estimate: bool,
    yes: bool,
    max_cost: Decimal | None,
    **chosen: Any,
) -> int:
    """Answer documents now, at the live price, and write their reports.

    What is answered already, or waits in a batch job, is not asked again. Each answer is saved as it comes: a run that
    is stopped, however, goes on where it was when it is given again.

    \b
    Examples:
      batchwright run --subjects Geography
      batchwright --subjects Geography "Art and Design"
      batchwright run --provider openai --concurrency 50 --rate-limit 500
      batchwright run --limit 2
      batchwright run --estimate --max-cost 5
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    choice = choice_from(workbench, **chosen)
    if dry_run:
        return _rehearse(workbench, choice)
    wish = LiveWish(
        at_once=concurrency,
        requests_per_minute=rate_limit,
        tokens_per_minute=tokens_per_minute,
        max_retries=max_retries,
        fail_on_quota=fail_on_quota,
        csv_safe=csv_safe,
        force=choice.force,
    )
    if estimate or max_cost is not None:
        expected = estimate_run(workbench, workbench.task(), choice, wish)
        if not may_start([expected], show=estimate, yes=yes, max_cost=max_cost, batch=False):
            return ExitCode.OK
        wish = replace(wish, allowance=allowance_for(expected, max_cost))
    return _run(workbench, choice, wish)


def _run(workbench: Workbench, choice: Choice, wish: LiveWish) -> int:
    with LiveProgress() as progress, DocumentClaims(workbench.folders.locks) as claims:
        task = workbench.task(notify=progress.warn)
        providers = open_chain(workbench, choice)
        with workbench.folders.planning():
            planned = plan(workbench, task, choice)
        _tell_pending(workbench, planned, task)
        _note_answered(workbench, planned, task, choice.batch_size)
        agenda = Agenda(
            task=task,
            planned=planned,
            store=workbench.store,
            folders=workbench.folders,
            claims=claims,
            force=choice.force,
        )
        run = LiveRun(
            workbench=workbench,
            task=task,
            providers=providers,
            claims=claims,
            wish=wish,
            batch_size=choice.batch_size,
            progress=progress,
        )
        total = _requests_in(planned)
        found = run.answer(agenda, total=total)
    for skipped in planned.skipped:
        warning(f"{skipped.document.group}/{skipped.document.name} skipped: {skipped.reason}")
    for document in agenda.busy:
        talk(f"{document.group}/{document.name} is being asked about by another run; left to it")
    if not total and not planned.skipped:
        data(f"Nothing to ask: {planned.answered} {task.items_word} answered, {planned.pending} pending.")
    others = {
        "Skipped documents": len(planned.skipped) + len(found.left_out),
        "Documents left to another run": len(agenda.busy),
        f"Already answered {task.items_word}": planned.answered,
        f"Pending in batch jobs, skipped {task.items_word}": planned.pending,
    }
    summarise(found, others)
    return found.verdict(left_out=bool(planned.skipped))


def open_chain(workbench: Workbench, choice: Choice) -> list[Provider]:
    """Return the provider to ask and those to go on with; of the latter, one without a key is told and left out.

    Raises `ConfigurationError` for a name that is no provider's, `LLMProviderConfigurationError` where the first one
    has no key.
    """
    first = workbench.provider(choice.provider_name, choice.model)
    return [first, *workbench.fallbacks(choice.provider_name)]


def _requests_in(planned: Planned) -> int:
    return sum(1 for plan in planned.documents for _ in plan.cells())


def _tell_pending(workbench: Workbench, planned: Planned, task: Task) -> None:
    """Name the jobs that will bring some of what was asked for."""
    waiting = {key_of(plan.document): plan.without for plan in planned.documents if plan.pending}
    for record in workbench.store.load() if waiting else ():
        count = sum(len(items & waiting[key]) for key, items in pending_items([record]).items() if key in waiting)
        if count:
            data(f"Skipped {count} {task.items_word} pending in {record.job_id} ({where(record)})")


def _note_answered(workbench: Workbench, planned: Planned, task: Task, batch_size: int) -> None:
    """Bring the state file up to date: a run that was killed may have left rows behind that it does not know of."""
    keys = {key_of(plan.document) for plan in planned.documents if plan.answered}
    try:
        if keys:
            record_progress(StateFile(workbench.settings.state_file), task, keys, batch_size)
    except (InputError, TrackingError) as error:
        warning(error)


def _rehearse(workbench: Workbench, choice: Choice) -> int:
    task = workbench.task()
    provider = workbench.provider(choice.provider_name, choice.model, api_key=NO_KEY)
    planned = plan(workbench, task, choice)
    _tell_pending(workbench, planned, task)
    left = {document.document: list(document.cells()) for document in planned.documents}
    for document, cells in left.items():
        if cells:
            count = sum(len(cell.item_ids) for cell in cells)
            data(f"Would process {document.group}/{document.name} ({count} {task.items_word})...")
    for skipped in planned.skipped:
        warning(f"{skipped.document.group}/{skipped.document.name} would be skipped: {skipped.reason}")
    data("Summary (dry run, nothing asked or written):")
    data(f"  Provider: {provider.name}, model {provider.model}")
    data(f"  Total documents: {sum(1 for cells in left.values() if cells)}")
    data(f"  Total batches: {_requests_in(planned)}")
    first = next(((document, cells[0]) for document, cells in left.items() if cells), None)
    if first is not None:
        document, cell = first
        request = task.build_request(task.make_batch(document, cell.index, cell.item_ids), "live-0")
        data("First request:")
        data(pydantic_core.to_json(pydantic_core.from_json(provider.wire.encode(request)), indent=2).decode())
    return ExitCode.ITEMS_FAILED if planned.skipped else ExitCode.OK
