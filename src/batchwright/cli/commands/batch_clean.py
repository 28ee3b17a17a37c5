"""`batch-clean`: delete what is no longer needed, at the providers and here."""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import click

from batchwright.batch import lifecycle
from batchwright.batch.orchestrator import Engine
from batchwright.cli.exits import ExitCode
from batchwright.cli.options import Duration, GuideCommand
from batchwright.cli.output import data, shown_path, talk
from batchwright.cli.workbench import Workbench, with_workbench
from batchwright.errors import BatchwrightError, LLMNotFoundError, TrackingError
from batchwright.job import BatchJob, JobRecord, JobStatus, status_of
from batchwright.providers.base import Cleaner

DEFAULT_AGE = 30 * 86400.0
"""Seconds a finished job's payload folder is kept."""


@click.command("batch-clean", cls=GuideCommand)
@click.option(
    "--older-than", type=Duration(), default=DEFAULT_AGE, help="Age of payload folders to delete  [default: 30d]"
)
@click.option("--keep-remote", is_flag=True, help="Delete nothing at the providers.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask first.")
@with_workbench
def command(workbench: Workbench, *, older_than: float, keep_remote: bool, yes: bool) -> int:
    """Delete what is no longer needed of jobs whose every answer is in the reports.

    At the provider: the files we uploaded and the results we collected, and nothing that batchwright did not make.
    Here: payload folders of such jobs that were collected some time ago. Records and reports always stay.

    \b
    Examples:
      batchwright batch-clean
      batchwright batch-clean --older-than 7d --yes
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    done = [record for record in workbench.store.load() if _is_done(record)]
    remote = [] if keep_remote else [record for record in done if record.job_name and record.cleaned_at is None]
    edge = workbench.clock.now() - timedelta(seconds=older_than)
    local = [
        record
        for record in done
        if record.collected_at is not None
        and record.collected_at < edge
        and workbench.folders.folder(record.job_id).is_dir()
    ]
    if not remote and not local:
        talk("Nothing to clean.")
        return ExitCode.OK
    data(f"At the providers: uploads and results of {len(remote)} job(s)")
    data(f"Here: {len(local)} payload folder(s) in {shown_path(workbench.folders.root)}")
    if not yes and not click.confirm("Delete them?", err=True):
        return ExitCode.OK
    failed = _clean_remote(workbench.engine(), remote)
    for record in local:
        _remove_folder(workbench, record)
    return ExitCode.ITEMS_FAILED if failed else ExitCode.OK


def _is_done(record: JobRecord) -> bool:
    return status_of(record) is JobStatus.COMPLETED and record.request_count > 0


def _clean_remote(engine: Engine, records: Sequence[JobRecord]) -> int:
    failed = 0
    for record in records:
        try:
            gone = _clean_one(engine, record)
        except BatchwrightError as error:
            failed += 1
            data(f"Job {record.job_id}: {error}")
        else:
            data(f"Job {record.job_id}: deleted {', '.join(gone) or 'nothing; it was gone'}")
    return failed


def _clean_one(engine: Engine, record: JobRecord) -> tuple[str, ...]:
    provider = engine.provider_of(record.provider_name, record.model)
    if record.account not in {None, provider.account}:
        raise TrackingError(
            f"it was sent with another account's key at {record.provider_name}; use that one to clean up"
        )
    if not isinstance(provider, Cleaner):
        return ()
    file_ids = [attempt.file_id for attempt in record.attempts if attempt.file_id is not None]
    try:
        job = provider.get_batch_job(record.job_name or "")
    except LLMNotFoundError:
        job = BatchJob(
            provider_name=record.provider_name,
            job_name=record.job_name or "",
            state=record.state,
            provider_state=record.provider_state or "",
        )
    gone = provider.clean_up(job, input_file_ids=file_ids)
    engine.store.update(record.job_id, partial(lifecycle.cleaned, now=engine.clock.now()))
    return gone


def _remove_folder(workbench: Workbench, record: JobRecord) -> None:
    folder = workbench.folders.folder(record.job_id)
    with workbench.folders.claim(record.job_id):
        shutil.rmtree(folder)
    data(f"Job {record.job_id}: removed {shown_path(folder)}")
