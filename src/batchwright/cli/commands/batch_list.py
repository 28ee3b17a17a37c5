"""`batch-list`: what is tracked. Reads the tracking file and nothing else."""

from collections.abc import Sequence
from typing import Any

import click

from batchwright.batch.retention import retention_remark, until
from batchwright.cli.money import amount_as_json, usage_as_json
from batchwright.cli.options import ListingCommand
from batchwright.cli.output import data, json_document, table, talk, warning
from batchwright.cli.subjects import where
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.job import JobRecord, JobState, JobStatus, JobSummary, RequestCounts, status_of


@click.command("batch-list", cls=ListingCommand)
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Only jobs of this status.")
@click.option("--show-errors", is_flag=True, help="End each line with what went wrong.")
@click.option("--batches", is_flag=True, help="Also a line for each document batch.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@with_workbench
def command(workbench: Workbench, *, status: str | None, show_errors: bool, batches: bool, as_json: bool) -> None:
    """List tracked jobs, one line a job: id, status, state, provider, documents, progress, created.

    \b
    Examples:
      batchwright batch-list
      batchwright batch-list --status pending
      batchwright batch-list --status failed --show-errors
      batchwright batch-list --json
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    if as_json:
        records = [record for record in workbench.store.load() if status in (None, status_of(record))]
        json_document("jobs", jobs=[_as_json(record) for record in records])
        return
    jobs = [job for job in workbench.store.summaries() if status in (None, status_of(job))]
    if batches:
        for job in jobs:
            table([_line(job, show_errors=show_errors)])
            for line in _batch_lines(job):
                data(f"    {line}")
    else:
        table(_line(job, show_errors=show_errors) for job in jobs)
    now = workbench.clock.now()
    for job in jobs:
        remark = retention_remark(job, now)
        if remark is not None:
            warning(remark)
    if not jobs:
        talk(f"No jobs{f' with status {status}' if status else ''} in {workbench.settings.tracking_file}.")


def _line(job: JobSummary, *, show_errors: bool) -> Sequence[str]:
    trouble = job.error_message or job.last_error
    error = f"  error: {' '.join(trouble.split())}" if show_errors and trouble else ""
    return (
        job.job_id,
        status_of(job),
        job.provider_state if job.state is JobState.IN_PROGRESS and job.provider_state else job.state,
        job.provider_name,
        _progress(job),
        job.created_at.isoformat(" ", "minutes").replace("+00:00", "Z"),
        until(job),
        where(job) + error,
    )


def _progress(job: JobSummary) -> str:
    if job.tally is not None:
        return f"{job.tally.succeeded}/{job.request_count}"
    return f"{job.counts.succeeded}/{job.request_count}"


def _batch_lines(job: JobSummary) -> list[str]:
    lines = []
    for batch in job.batches:
        state = ""
        if batch.unanswered is not None:
            state = f", {len(batch.unanswered)} unanswered" if batch.unanswered else ", all answered"
        lines.append(f"{batch.group}/{batch.document} batch {batch.index}: {len(batch.item_ids)} items{state}")
    return lines


def _as_json(record: JobRecord) -> dict[str, Any]:
    def moment(value: Any) -> str | None:
        return value.isoformat() if value is not None else None

    return {
        "job_id": record.job_id,
        "job_name": record.job_name,
        "provider_name": record.provider_name,
        "model": record.model,
        "task": record.task,
        "status": status_of(record).value,
        "state": record.state.value,
        "provider_state": record.provider_state,
        "requests": record.request_count,
        "counts": _counts_as_json(record.counts),
        "usage": usage_as_json(record.usage),
        "cost_usd": amount_as_json(record.cost),
        "created_at": moment(record.created_at),
        "submitted_at": moment(record.submitted_at),
        "ended_at": moment(record.ended_at),
        "expires_at": moment(record.expires_at),
        "results_until": moment(record.results_until),
        "collected_at": moment(record.collected_at),
        "batches": [
            {
                "subject": batch.group,
                "filename": batch.document,
                "batch_index": batch.index,
                "issue_ids": list(batch.item_ids),
                "unanswered": None if batch.unanswered is None else list(batch.unanswered),
            }
            for batch in record.batches
        ],
        "error_message": record.error_message,
        "last_error": record.last_error,
    }


def _counts_as_json(counts: RequestCounts) -> dict[str, int]:
    return {
        "total": counts.total,
        "succeeded": counts.succeeded,
        "errored": counts.errored,
        "expired": counts.expired,
        "cancelled": counts.cancelled,
    }
