"""Rewrite a wire file under other custom ids: for another attempt, or for half of a job."""

import re
from collections.abc import Iterable
from pathlib import Path

from batchwright.batch.lifecycle import custom_id
from batchwright.providers.base import WireFormat
from batchwright.tracking.payloads import JobFolders

_CUSTOM_ID = re.compile(rb'"job-[0-9a-z]{1,32}-a[0-9]+-[0-9]+"')


def write_under(tag: str, requests: Iterable[bytes], wire: WireFormat, *, folders: JobFolders, path: Path) -> int:
    """Write encoded requests to `path` under the custom ids of `tag`; return the file's size in bytes.

    The file appears whole or not at all, so `requests` may be read from the very same path.
    """
    size = len(wire.tail)
    with folders.writer(path) as file:
        lead = wire.head
        for position, request in enumerate(requests):
            piece = lead + _renamed(request, custom_id(tag, position))
            file.write(piece)
            size += len(piece)
            lead = wire.separator
        file.write(wire.tail)
    return size


def _renamed(request: bytes, name: str) -> bytes:
    """Put `name` for the request's own id, which comes first: no prompt can hold the id of a job not yet planned."""
    return _CUSTOM_ID.sub(b'"' + name.encode("ascii") + b'"', request, count=1)
