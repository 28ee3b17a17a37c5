"""Restore the records of a lost or damaged tracking file from the jobs' folders.

Nothing is taken on trust: a restored job is one whose create may have been sent, so it is looked for at the provider
like any other of that kind, before anything else happens to it.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from batchwright.job import Attempt, JobRecord, JobState
from batchwright.tracking.payloads import JobFolders

_FIRST_ID = re.compile(rb'"(job-[0-9a-z]{1,32}-a[0-9]+)-0"')
_ENOUGH = 1 << 20
"""Bytes at the start of a wire file in which its first request's id stands."""


def lost_records(folders: JobFolders, known: Collection[str], account_of: dict[str, str]) -> Iterator[JobRecord]:
    """Yield the records of folders whose job is not among the `known` ids, as unresolved jobs.

    `account_of` maps provider names to the present account's digest: the one to look for them with. Raises
    `TrackingError` when a kept record cannot be read.
    """
    for record in folders.kept():
        if record.job_id in known or record.provider_name not in account_of:
            continue
        tag = _tag_of(folders, record)
        attempt = Attempt(tag=tag, started_at=record.created_at, restored=True)
        yield replace(record, state=JobState.SUBMITTING, attempts=(attempt,), account=account_of[record.provider_name])


def _tag_of(folders: JobFolders, record: JobRecord) -> str:
    """Return the tag that the wire file was last written under: that of the last attempt, if any was made."""
    for path in sorted(folders.folder(record.job_id).glob("requests.*")):
        match = _FIRST_ID.search(_head_of(path))
        if match is not None:
            return match[1].decode("ascii")
    return f"{record.job_id}-a1"


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_ENOUGH)
