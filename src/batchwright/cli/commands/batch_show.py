"""`batch-show`: everything about one job."""

from collections.abc import Iterator
from itertools import islice

import click

from batchwright.batch.collecting.answers import place_of
from batchwright.batch.sending.planner import batch_at
from batchwright.cli.money import dollars, tokens
from batchwright.cli.options import ListingCommand
from batchwright.cli.output import data, shown_path, table, talk
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.job import JobRecord, status_of
from batchwright.result import Result, ResultStatus
from batchwright.tasks.base import StreamingTask
from batchwright.tracking.base import find_job


@click.command("batch-show", cls=ListingCommand)
@click.argument("job")
@click.option("--errors", is_flag=True, help="Only requests without an answer.")
@click.option("--full", is_flag=True, help="Also each answer's text.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many requests.")
@with_workbench
def command(workbench: Workbench, *, job: str, errors: bool, full: bool, limit: int | None) -> None:
    """Show one job: what is remembered of it, and what became of each request.

    JOB is our id, the provider's name, or any part that only one job has.

    \b
    Examples:
      batchwright batch-show job-01kb2c
      batchwright batch-show batch_6955b4 --errors
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    record = find_job(workbench.store.load(), job)
    table(_facts(workbench, record))
    task = workbench.task(record.task) if record.collected_at is not None else None
    if not isinstance(task, StreamingTask) and not workbench.folders.results_path(record.job_id).is_file():
        for batch in record.batches[:limit]:
            data(f"  {batch.group}/{batch.document} batch {batch.index}: {len(batch.item_ids)} items")
        talk("Its answers are not here; collect them with: batchwright batch-fetch --job-names " + record.job_id)
        return
    requests = (
        _items(task, record, only_errors=errors)
        if isinstance(task, StreamingTask)
        else _requests(workbench, record, only_errors=errors)
    )
    for line, text in islice(requests, limit):
        data(line)
        if full and text:
            data("    " + text.replace("\n", "\n    "))


def _facts(workbench: Workbench, record: JobRecord) -> Iterator[tuple[str, str]]:
    yield "job", record.job_id
    yield "provider job", record.job_name or "not created"
    yield "provider", f"{record.provider_name}, model {record.model or 'unknown'}"
    yield "status", f"{status_of(record)} ({record.state}; the provider says {record.provider_state or 'nothing yet'})"
    yield "requests", str(record.request_count)
    if record.tally is not None:
        tally = record.tally
        outcomes = ("succeeded", "errored", "expired", "cancelled", "missing", "duplicates", "unknown")
        yield "answers", ", ".join(f"{getattr(tally, outcome)} {outcome}" for outcome in outcomes)
    if record.usage is not None:
        yield "tokens", tokens(record.usage)
        yield "cost", dollars(record.cost)
    for name in ("created_at", "submitted_at", "ended_at", "collected_at"):
        moment = getattr(record, name)
        if moment is not None:
            yield name.removesuffix("_at"), moment.isoformat(timespec="seconds")
    for attempt in record.attempts:
        yield "attempt", f"{attempt.tag}{f', file {attempt.file_id}' if attempt.file_id else ''}"
    yield "files", shown_path(workbench.folders.folder(record.job_id))
    if record.error_message:
        yield "error", record.error_message
    if record.last_error:
        yield "last trouble", record.last_error


def _requests(workbench: Workbench, record: JobRecord, *, only_errors: bool) -> Iterator[tuple[str, str]]:
    """Yield a line and the answer's text for each result in the job's file."""
    for result in workbench.folders.results(record.job_id):
        if only_errors and result.status is ResultStatus.SUCCEEDED:
            continue
        position = place_of(record, result)
        batch = None if position is None else batch_at(record.batches, position)
        about = "not one of ours" if batch is None else f"{batch.group}/{batch.document} batch {batch.index}"
        yield f"  {result.custom_id or position}: {about}: {_outcome(result)}", result.text or ""


def _items(task: StreamingTask, record: JobRecord, *, only_errors: bool) -> Iterator[tuple[str, str]]:
    """Yield the same for each item that something came back for, from the task's own store."""
    for batch in record.batches:
        for item, result, error in task.kept(batch):
            if error is not None or not only_errors:
                outcome = _outcome(result).partition(", finish")[0]  # which is not kept
                if error is not None and result.failure is None:  # it came, and is no answer
                    outcome = f"{error} (may be asked again)"
                yield f"  {batch.document} row {item}: {outcome}", result.text or ""


def _outcome(result: Result) -> str:
    if result.failure is not None:
        code = f" [{result.failure.code}]" if result.failure.code else ""
        again = "may be asked again" if result.failure.retryable else "would fail again unchanged"
        return f"{result.status}: {result.failure.message}{code} ({again})"
    usage = result.usage
    return f"{result.status}, {usage.input_tokens} tokens in, {usage.output_tokens} out, finish {result.finish_reason}"
