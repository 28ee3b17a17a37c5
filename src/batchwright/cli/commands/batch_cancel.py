"""`batch-cancel`: ask the providers to stop."""

import click

from batchwright.cli.exits import ExitCode
from batchwright.cli.options import GuideCommand, ManyValued
from batchwright.cli.output import data, talk
from batchwright.cli.subjects import where
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.job import JobRecord


@click.command("batch-cancel", cls=GuideCommand)
@click.option("--job-names", cls=ManyValued, help="These jobs: our id, the provider's name, or any unique part.")
@click.option("--cancel-all-pending", is_flag=True, help="Every job that has not ended.")
@with_workbench
def command(workbench: Workbench, *, job_names: tuple[str, ...], cancel_all_pending: bool) -> int:
    """Cancel jobs at the provider. What they answered until then can still be fetched.

    \b
    Examples:
      batchwright batch-cancel --job-names job-01kb2c
      batchwright batch-cancel --cancel-all-pending
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    if not (job_names or cancel_all_pending):
        raise click.UsageError(
            "No jobs specified. Use --cancel-all-pending, or --job-names with names from: batchwright batch-list"
        )
    records = {record.job_id: record for record in workbench.jobs_named(job_names)}
    if cancel_all_pending:
        records |= {record.job_id: record for record in workbench.store.load() if not record.state.ended}
    failed = 0
    for look in workbench.engine().cancel_all(_endable(list(records.values()))):
        data(f"Job {look.record.job_id} ({where(look.record)})")
        if look.error is not None:
            failed += 1
            data(f"  Error cancelling job: {look.error}")
        else:
            data(f"  Status: {(look.record.provider_state or look.record.state).upper()}")
    if records:
        talk("Answers given until now can be collected with: batchwright batch-fetch --check-all-pending")
    else:
        talk("No pending jobs.")
    return ExitCode.ITEMS_FAILED if failed else ExitCode.OK


def _endable(records: list[JobRecord]) -> list[JobRecord]:
    """Leave out jobs that have ended; cancelling them is what providers refuse."""
    for record in records:
        if record.state.ended:
            talk(f"{record.job_id} has ended already ({record.state}).")
    return [record for record in records if not record.state.ended]
