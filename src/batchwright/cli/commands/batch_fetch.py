"""`batch-fetch`: collect the answers of finished jobs."""

import click

from batchwright.cli.exits import ExitCode
from batchwright.cli.fetching import (
    ended_with_gaps,
    hours_ago,
    look_once,
    summarise,
    to_collect,
    wait_for,
)
from batchwright.cli.options import Duration, GuideCommand, ManyValued
from batchwright.cli.output import talk
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.job import JobRecord


@click.command("batch-fetch", cls=GuideCommand)
@click.option("--check-all-pending", is_flag=True, help="Every job that is not finished.")
@click.option("--job-names", cls=ManyValued, help="These jobs: our id, the provider's name, or any unique part.")
@click.option(
    "--refetch-hours", type=click.FloatRange(min=0), help="Also jobs that ended this recently with answers missing."
)
@click.option("--wait", is_flag=True, help="Wait until nothing is pending; exit 3 or 5 where something failed.")
@click.option("--strict", is_flag=True, help="Exit 3 where items failed, 5 where a job failed at the provider.")
@click.option("--timeout", type=Duration(), help="Stop waiting after this long (90, 10m, 2h); exit 124.")
@click.option("--interval", type=Duration(), help="Between looks, 1 s or more  [default: 30 s growing to 10 min]")
@click.option("--accept-changed", is_flag=True, help="Merge answers although the report has changed since.")
@click.option("--csv-safe", is_flag=True, help="Keep spreadsheet formulas in answers from executing.")
@with_workbench
def command(
    workbench: Workbench,
    *,
    check_all_pending: bool,
    job_names: tuple[str, ...],
    refetch_hours: float | None,
    wait: bool,
    strict: bool,
    timeout: float | None,
    interval: float | None,
    accept_changed: bool,
    csv_safe: bool,
) -> int:
    """Collect the answers of finished jobs into reports.

    \b
    Examples:
      batchwright batch-fetch --check-all-pending
      batchwright batch-fetch --job-names job-01kb2c batch_6955b4
      batchwright batch-fetch --wait --timeout 2h
      batchwright batch-fetch --refetch-hours 24
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    if not (check_all_pending or job_names or wait or refetch_hours is not None):
        raise click.UsageError(
            "No jobs specified. Use --check-all-pending, or --job-names with names from: batchwright batch-list"
        )
    records = {record.job_id: record for record in workbench.jobs_named(job_names)}
    everything = check_all_pending or (wait and not job_names)
    records |= {record.job_id: record for record in _chosen(workbench, everything=everything, hours=refetch_hours)}
    if not records:
        talk("No pending jobs.")
    engine = workbench.engine(accept_changed=accept_changed, csv_safe=csv_safe)
    chosen = list(records.values())
    if wait:
        return wait_for(engine, chosen, pace=workbench.pace(interval), timeout=timeout)
    findings = look_once(engine, chosen)
    summarise(findings)
    return findings.dead_end() or (findings.strict_verdict() if strict else ExitCode.OK)


def _chosen(workbench: Workbench, *, everything: bool, hours: float | None) -> list[JobRecord]:
    tracked = workbench.store.load()
    chosen = to_collect(tracked) if everything else []
    if hours is not None:
        chosen += ended_with_gaps(tracked, since=hours_ago(workbench.clock.now(), hours))
    return chosen
