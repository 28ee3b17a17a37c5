"""`batch-reconcile`: what became of creates whose answer was lost."""

from collections.abc import Collection, Sequence

import click

from batchwright.batch.resolving.rebuilding import lost_records
from batchwright.cli.exits import ExitCode
from batchwright.cli.fetching import print_look
from batchwright.cli.options import GuideCommand, ManyValued
from batchwright.cli.output import data, shown_path, talk
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.job import JobRecord, JobState
from batchwright.tasks.planning import DocumentKey, key_of
from batchwright.tasks.remaining import answered_items


@click.command("batch-reconcile", cls=GuideCommand)
@click.option("--job-names", cls=ManyValued, help="These jobs: our id or any unique part  [default: all unresolved]")
@click.option("--adopt", metavar="JOB_NAME", help="The provider's job is this one: you know, it cannot be proven.")
@click.option("--rebuild", is_flag=True, help="Restore records of a lost tracking file from the payload folders first.")
@click.option("--absent", is_flag=True, help="There is no such job at the provider: plan it again.")
@with_workbench
def command(workbench: Workbench, *, job_names: tuple[str, ...], adopt: str | None, absent: bool, rebuild: bool) -> int:
    """Find out what became of jobs whose create was sent and never answered.

    Each is looked for in the provider's list: found, it is taken over; proven absent, it is planned again; anything
    else is left as it is and never sent on a guess. batch-create, batch-fetch and batch-watch do the same by
    themselves.

    \b
    Examples:
      batchwright batch-reconcile
      batchwright batch-reconcile --job-names job-01kb2c --adopt msgbatch_01Bqf5
      batchwright batch-reconcile --job-names job-01kb2c --absent
      batchwright batch-reconcile --rebuild
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    if rebuild:
        _rebuild(workbench)
    records = [
        record
        for record in (workbench.jobs_named(job_names) if job_names else workbench.store.load())
        if record.state is JobState.SUBMITTING
    ]
    if not records:
        talk("No unresolved jobs.")
        return ExitCode.OK
    if adopt is not None or absent:
        return _by_word(workbench, records, adopt=adopt, absent=absent)
    unresolved = 0
    for look in workbench.engine().resolve_all(records):
        print_look(look)
        unresolved += look.record.state is JobState.SUBMITTING
    data(f"Summary:\n  Resolved: {len(records) - unresolved}\n  Unresolved: {unresolved}")
    return ExitCode.ITEMS_FAILED if unresolved else ExitCode.OK


def _rebuild(workbench: Workbench) -> None:
    """Put jobs that only their folders remember into the tracking file, as unresolved ones.

    Those whose every item has its row are done, whatever became of them; asking for them could only cost.
    """
    with workbench.folders.planning():
        known = {record.job_id for record in workbench.store.load()}
        lost = [record for record in workbench.folders.kept() if record.job_id not in known]
        accounts = {name: workbench.provider(name).account for name in {record.provider_name for record in lost}}
        answered = _answered(workbench, {record.task for record in lost})
        restored = [
            record
            for record in lost_records(workbench.folders, known, accounts)
            if any(
                item not in answered.get((batch.group, batch.document), ())
                for batch in record.batches
                for item in batch.item_ids
            )
        ]
        workbench.store.add(restored)
    data(f"Restored {len(restored)} record(s) from {shown_path(workbench.folders.root)}")


def _answered(workbench: Workbench, tasks: Collection[str]) -> dict[DocumentKey, Collection[int]]:
    """Return the items of all documents of some tasks that have their rows."""
    return {
        key_of(document): answered_items(task, document)
        for task in map(workbench.task, sorted(tasks))
        for document in task.documents()
    }


def _by_word(workbench: Workbench, records: Sequence[JobRecord], *, adopt: str | None, absent: bool) -> int:
    """Do what a person says about one job."""
    if len(records) != 1 or (adopt is not None and absent):
        raise click.UsageError(
            f"--adopt or --absent is about one job, and {len(records)} are unresolved; name it with --job-names"
        )
    (record,) = records
    engine = workbench.engine()
    provider = engine.provider_of(record.provider_name, record.model)
    if adopt is not None:
        taken = engine.reconciler.adopt(record.job_id, adopt, provider)
        data(f"Job {taken.job_id} is {taken.job_name}")
    else:
        engine.reconciler.declare_absent(record.job_id, provider)
        data(f"Job {record.job_id} is planned again; batch-create or batch-fetch sends it")
    return ExitCode.OK
