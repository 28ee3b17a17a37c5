"""How jobs and batches are named to a person."""

from collections.abc import Iterator
from itertools import groupby

from batchwright.job import BatchRef, JobRecord, JobSummary


def where(record: JobSummary) -> str:
    """Say in a few words what a job is about: its one batch, its one document, or how many of both."""
    if len(record.batches) == 1:
        batch = record.batches[0]
        return f"{batch.group}/{batch.document} batch {batch.index}"
    documents = {(batch.group, batch.document) for batch in record.batches}
    if len(documents) == 1:
        ((group, document),) = documents
        return f"{group}/{document} {len(record.batches)} batches"
    return f"{len(documents)} documents, {len(record.batches)} batches"


def by_document(record: JobRecord) -> Iterator[tuple[str, list[BatchRef]]]:
    """Yield (document's name with its group, its batches in this job)."""
    for (group, document), batches in groupby(record.batches, key=lambda batch: (batch.group, batch.document)):
        yield f"{group}/{document}", list(batches)
