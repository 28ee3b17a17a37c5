"""`batch-retry`: ask again what collected jobs left open."""

from collections.abc import Callable, Collection, Mapping, Sequence

import click

from batchwright.batch.collecting import row_runs
from batchwright.batch.retries import MAX_RETRIES, Left
from batchwright.batch.retrying import Retrying, RetryWish
from batchwright.cli.creating import assembly_for, left_behind, settled_items
from batchwright.cli.exits import ExitCode
from batchwright.cli.options import GuideCommand, ManyValued
from batchwright.cli.output import data, talk
from batchwright.cli.sending import send, summarise, verdict
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.errors import ConfigurationError
from batchwright.job import JobRecord, JobStatus, status_of
from batchwright.tasks.base import Document, StreamingTask, Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.planning import DocumentKey, key_of


@click.command("batch-retry", cls=GuideCommand)
@click.option("--job-names", cls=ManyValued, help="These jobs: our id, the provider's name, or any unique part.")
@click.option("--all", "everything", is_flag=True, help="Every job that left something unanswered.")
@click.option(
    "--max-retries",
    type=click.IntRange(min=1),
    default=MAX_RETRIES,
    show_default=True,
    help="An expired job is no try.",
)
@click.option("--include-invalid", is_flag=True, help="Also requests that the provider called invalid or blocked.")
@click.option("--repair", is_flag=True, help="Tell the model what was wrong with an answer that could not be used.")
@click.option("--live", is_flag=True, help="Ask now, at the live price, which is told first.")
@click.option("-y", "--yes", is_flag=True, help="With --live: do not ask first.")
@with_workbench
def command(
    workbench: Workbench,
    *,
    job_names: tuple[str, ...],
    everything: bool,
    max_retries: int,
    include_invalid: bool,
    repair: bool,
    live: bool,
    yes: bool,
) -> int:
    """Ask again what collected jobs left unanswered, in new jobs with only those requests, or now.

    Requests that would fail again unchanged are left out and named; exit 3 says that there were some.

    \b
    Examples:
      batchwright batch-retry --all
      batchwright batch-retry --job-names job-01kb2c --repair
      batchwright batch-retry --all --live
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    if not (job_names or everything):
        raise click.UsageError("No jobs specified. Use --all, or --job-names with names from: batchwright batch-list")
    chosen = workbench.store.load() if everything else workbench.jobs_named(job_names)
    parents = [record for record in chosen if status_of(record) is JobStatus.FAILED and record.collected_at is not None]
    if not parents:
        talk("No jobs with unanswered items; what is still pending is collected with: batchwright batch-fetch")
        return ExitCode.OK
    wish = RetryWish(max_retries=max_retries, include_invalid=include_invalid, repair=repair)
    engine = workbench.engine()
    task = engine.task_of(parents[0].task)
    if live:
        if any(isinstance(engine.task_of(parent.task), StreamingTask) for parent in parents):
            raise ConfigurationError("--live asks again about documents; name only their jobs, with --job-names")
        from batchwright.cli.live.retry import retry_live  # noqa: PLC0415  (the live engine is slow to import)

        return retry_live(workbench, parents, task, wish, yes=yes)
    waiting = left_behind(workbench)
    jobs, left = _plan(workbench, parents, engine.task_of, wish)
    sent = send(engine, [*waiting, *jobs], task)
    for request in left:
        batch = request.batch
        data(f"Left {batch.group}/{batch.document} batch {batch.index}: {request.reason}")
    summarise([*waiting, *jobs], sent, {"Requests left": len(left)})
    return verdict(sent, left_out=bool(left))


def _plan(
    workbench: Workbench, parents: Sequence[JobRecord], task_of: Callable[[str], Task], wish: RetryWish
) -> tuple[list[JobRecord], list[Left]]:
    """Plan a retry of each parent, in one turn among processes; items of one are not asked again for the next."""
    jobs: list[JobRecord] = []
    left: list[Left] = []
    with workbench.folders.planning():
        for parent in parents:
            task = task_of(parent.task)
            provider = workbench.provider(parent.provider_name, parent.model or None)
            about = {(batch.group, batch.document) for batch in parent.batches}
            retrying = Retrying(
                parent=parent,
                assembly=assembly_for(workbench, task, provider, batch_size=parent.batch_size, parent=parent),
                folders=workbench.folders,
                wish=wish,
                settled=_settled(workbench, parent, task),
                busy=DocumentClaims(workbench.folders.locks).busy(about),
            )
            written = list(retrying.write_jobs())
            workbench.remember(written)
            jobs.extend(written)
            left.extend(retrying.left)
    return jobs, left


def _settled(workbench: Workbench, parent: JobRecord, task: Task) -> Mapping[DocumentKey, Collection[int]]:
    """Return the items of a job's documents that are answered or in a live job. Raises `InputError`."""
    if not isinstance(task, StreamingTask):
        return settled_items(workbench, {(batch.group, batch.document) for batch in parent.batches}, task)
    first = parent.batches[0]
    document = Document(group=first.group, name=first.document, item_ids=first.item_ids)
    return {key_of(document): row_runs.settled_items(task, document, workbench.store.load())}
