"""The tracking file: job records as readable JSON, made to be committed, shared and merged.

Reading takes no lock and needs no permission to write: the file is only ever replaced whole. A change holds the lock
beside it (`<file>.lock`), reads the file, and replaces it. Of the records it touches it decodes only those, the others
pass through as they are, so that one update of ten thousand jobs costs little more than reading and writing the bytes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic_core import from_json

from batchwright.errors import TrackingError
from batchwright.job import JobRecord, JobSummary
from batchwright.tracking.base import Change, JobStore, checked_change, no_such_job
from batchwright.tracking.codec import RECORD_FIELDS, decode_first_generation, decode_record, encode_record
from batchwright.tracking.durable import make_folder, replace_durably
from batchwright.tracking.json_text import tracking_text
from batchwright.tracking.locks import LOCK_TIMEOUT, locked
from batchwright.tracking.names import SCHEMA_VERSION
from batchwright.tracking.record_schema import read_records, read_summaries

_J = TypeVar("_J", bound=JobSummary)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class JsonFileJobStore(JobStore):
    """Job records in the file `path`; any number of processes and threads may use it at once.

    A missing file is an empty store. A file that cannot be read as a tracking file, an empty one too (something else
    must have cut it off, and taking it for a new one could pay for its jobs again), raises `TrackingError` and is
    never overwritten. A first-generation file is read as it is; the first change turns it into ours and keeps the old
    one beside it as `<file>.v1`. `timeout` is how long to wait for other processes, in seconds.
    """

    def __init__(self, path: Path, *, timeout: float = LOCK_TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout

    def load(self) -> tuple[JobRecord, ...]:
        """Return every record, oldest first."""
        return self._load(read_records)

    def summaries(self) -> tuple[JobSummary, ...]:
        """Return what a list shows of every record, oldest first."""
        return self._load(read_summaries)

    def get(self, job_id: str) -> JobRecord:
        """Return the record with our id `job_id`."""
        return self._record(self._read(), job_id)

    def add(self, records: Iterable[JobRecord]) -> None:
        """Keep new records, all or none."""
        with self._changing() as document:
            self._add(document, records)

    def update_many(self, changes: Mapping[str, Change]) -> tuple[JobRecord, ...]:
        """Change several records in one step."""
        with self._changing() as document:
            return tuple(self._change(document, job_id, change) for job_id, change in changes.items())

    @contextmanager
    def _changing(self) -> Iterator["_Document"]:
        """Lock the file, hand out what it holds, and write that back if it was changed."""
        path = Path(os.path.realpath(self.path))  # a link to a shared file stays a link
        with _explained(path):
            make_folder(path.parent)
        with locked(path.with_name(path.name + ".lock"), path, timeout=self._timeout):
            document = self._read()
            yield document
            if document.changed:
                with _explained(path):
                    if document.first_generation is not None:
                        _keep_copy(path, document.first_generation)
                    replace_durably(path, tracking_text(document.top))

    def _load(self, read_at_once: Callable[[bytes], list[_J] | None]) -> tuple[_J | JobRecord, ...]:
        content = self._content()
        read: Sequence[_J | JobRecord] | None = None
        if content is not None:
            read = read_at_once(content.removeprefix(_BYTE_ORDER_MARK))
        if read is None:  # there is none, or it is of the first generation, or damaged: this way finds out, and says so
            read = self._decode(self._parsed(content))
        return tuple(sorted(read, key=lambda job: job.created_at))

    def _read(self) -> "_Document":
        return self._parsed(self._content())

    def _content(self) -> bytes | None:
        """What the file holds; None where there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise TrackingError(f"cannot read the tracking file {self.path}: {exc.strerror or exc}") from exc

    def _parsed(self, content: bytes | None) -> "_Document":
        if content is None:
            return _Document({"schema_version": SCHEMA_VERSION, "jobs": {}})
        return _parse(self.path, content)

    def _decode(self, document: "_Document") -> list[JobRecord]:
        with self._naming_file():
            return [decode_record(job_id, value) for job_id, value in document.jobs.items()]

    def _record(self, document: "_Document", job_id: str) -> JobRecord:
        if job_id not in document.jobs:
            raise no_such_job(job_id)
        with self._naming_file():
            return decode_record(job_id, document.jobs[job_id])

    def _add(self, document: "_Document", records: Iterable[JobRecord]) -> None:
        for record in records:
            if record.job_id in document.jobs:
                raise TrackingError(f"there is a job {record.job_id} already in {self.path}; nothing was added")
            document.put(record)

    def _change(self, document: "_Document", job_id: str, change: Change) -> JobRecord:
        record = self._record(document, job_id)
        changed = checked_change(record, change)
        if changed != record:
            document.put(changed)
        return changed

    @contextmanager
    def _naming_file(self) -> Iterator[None]:
        try:
            yield
        except TrackingError as exc:
            raise _damaged(self.path, exc) from exc


class _Document:
    """What a tracking file holds, mostly as it came from the parser."""

    def __init__(self, top: dict[str, Any], first_generation: bytes | None = None) -> None:
        self.top = top
        self.jobs: dict[str, Any] = top["jobs"]
        self.first_generation = first_generation
        self.changed = False

    def put(self, record: JobRecord) -> None:
        """Set a record; fields of a later version stay. One that could not be read again is refused here."""
        value = encode_record(record)
        decode_record(record.job_id, value)
        old = self.jobs.get(record.job_id, {})
        self.jobs[record.job_id] = value | {name: old[name] for name in old.keys() - RECORD_FIELDS}
        self.changed = True


def _parse(path: Path, data: bytes) -> _Document:
    try:
        top = from_json(data.removeprefix(_BYTE_ORDER_MARK))
    except ValueError as exc:
        raise _damaged(path, "it is empty" if not data.strip() else exc) from exc
    if not isinstance(top, dict):
        raise _damaged(path, "line 1: there is something other than an object")
    if "schema_version" not in top:
        return _upgrade(path, top, data)
    version = top["schema_version"]
    if type(version) is int and version > SCHEMA_VERSION:
        raise TrackingError(
            f"the tracking file {path} is of schema version {version}, this batchwright knows {SCHEMA_VERSION}; "
            "it was kept as it is; update batchwright"
        )
    if type(version) is not int or version != SCHEMA_VERSION:
        raise _damaged(path, f"schema_version is {version!r}")
    jobs = top.get("jobs")
    if not isinstance(jobs, dict) or not all(isinstance(job, dict) for job in jobs.values()):
        raise _damaged(path, "jobs is not an object of objects")
    return _Document(top)


def _upgrade(path: Path, top: Mapping[str, Any], data: bytes) -> _Document:
    try:
        records = [decode_first_generation(job_name, value) for job_name, value in top.items()]
    except TrackingError as exc:
        raise _damaged(path, exc) from exc
    jobs = {record.job_id: encode_record(record) for record in records}
    return _Document({"schema_version": SCHEMA_VERSION, "jobs": jobs}, first_generation=data)


def _keep_copy(path: Path, data: bytes) -> None:
    """Write the old file's bytes beside it, under a name nothing else has."""
    number, copy = 1, path.with_name(path.name + ".v1")
    while copy.exists() and copy.read_bytes() != data:
        number += 1
        copy = path.with_name(f"{path.name}.v1-{number}")
    if not copy.exists():
        replace_durably(copy, [data])


def _damaged(path: Path, reason: object) -> TrackingError:
    return TrackingError(
        f"the tracking file {path} is damaged: {reason}; it was kept as it is; mend it, or put back an earlier version"
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says while writing into an error that names the file."""
    try:
        yield
    except OSError as exc:
        raise TrackingError(
            f"cannot write the tracking file {path}: {exc.strerror or exc}; it was kept as it was; "
            "make room or its folder writable, or choose another with --tracking-file"
        ) from exc
