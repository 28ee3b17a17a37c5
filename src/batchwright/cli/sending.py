"""Send planned jobs and say so: what `batch-create` and `batch-retry` share."""

from collections.abc import Mapping, Sequence

from batchwright.batch.lifecycle import is_account_trouble
from batchwright.batch.orchestrator import Engine
from batchwright.batch.sending.submitter import Submission
from batchwright.cli.exits import ExitCode, exit_code_of
from batchwright.cli.output import data, talk
from batchwright.cli.subjects import by_document
from batchwright.errors import LLMConnectionError, LLMServerError
from batchwright.job import JobRecord
from batchwright.tasks.base import Task


def send(engine: Engine, records: Sequence[JobRecord], task: Task) -> list[Submission]:
    """Send jobs and print each one's documents and batches when it is done."""
    sent = []
    for submission in engine.submit_all(records):
        sent.append(submission)
        if submission.held:
            continue
        outcome = _outcome(submission)
        for name, batches in by_document(submission.record):
            count = sum(len(batch.item_ids) for batch in batches)
            data(f"Processing {name} ({count} {task.items_word})...")
            for batch in batches:
                data(f"  Batch {batch.index}: {outcome}")
    return sent


def summarise(jobs: Sequence[JobRecord], sent: Sequence[Submission], others: Mapping[str, int]) -> None:
    """Print the guide's summary, and below it each further count that is not zero."""
    created = [submission.record for submission in sent if submission.error is None]
    waiting = sum(submission.waiting for submission in sent)
    held = sum(submission.held for submission in sent)
    unresolved = sum(submission.unresolved for submission in sent)
    data("Summary:")
    data(f"  Total documents: {documents_in(jobs)}")
    data(f"  Total batches: {sum(record.request_count for record in jobs)}")
    data(f"  Created jobs: {len(created)}")
    counts = {
        "Failed jobs": len(sent) - len(created) - waiting - held - unresolved,
        "Unresolved jobs": unresolved,
        "Not sent because of the account": held,
        "Waiting to be sent by batch-fetch or batch-watch": waiting,
        **others,
    }
    for label, number in counts.items():
        if number:
            data(f"  {label}: {number}")
    for record in created:
        talk(f"{record.job_id} is {record.job_name} at {record.provider_name}, {record.request_count} request(s)")
    if created or waiting or unresolved:
        talk("Collect the answers with `batchwright batch-fetch --check-all-pending`, or wait with `batch-watch`.")


def documents_in(jobs: Sequence[JobRecord]) -> int:
    """Count the documents that jobs are about."""
    return len({(batch.group, batch.document) for record in jobs for batch in record.batches})


def verdict(sent: Sequence[Submission], *, left_out: bool) -> ExitCode:
    """Return the exit code: trouble with the account has its own, for a person must mend it before anything helps."""
    errors = [submission.error for submission in sent if submission.error and not _asked_to_wait(submission)]
    for error in errors:
        if is_account_trouble(error):
            return exit_code_of(error)
    return ExitCode.ITEMS_FAILED if errors or left_out else ExitCode.OK


def _asked_to_wait(submission: Submission) -> bool:
    """Whether the provider said when it takes the job; one that could not be reached did not."""
    return submission.waiting and not isinstance(submission.error, (LLMConnectionError, LLMServerError))


def _outcome(submission: Submission) -> str:
    if submission.error is None:
        return f"Created job {submission.record.job_id}"
    if submission.unresolved:
        return f"Unresolved - {submission.error}"
    if submission.waiting:
        return f"Waiting to be sent - {submission.error}"
    return f"Failed to create job - {submission.error}"
