"""The folder of each job: the wire file as it was uploaded, the results as they were read, and the claim.

They lie in `batch_jobs/<job id>/` beside the tracking file and can be large; a record alone suffices to fetch a job.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from pydantic_core import from_json

from batchwright.errors import ClaimedJobError, TrackingError
from batchwright.job import JobRecord
from batchwright.result import Result
from batchwright.tracking.claims import claimed, is_claimed
from batchwright.tracking.codec import decode_record, encode_record
from batchwright.tracking.durable import make_folder, replacing
from batchwright.tracking.ids import JOB_ID
from batchwright.tracking.json_text import to_line
from batchwright.tracking.locks import locked
from batchwright.tracking.result_codec import decode_result

REQUESTS: Final = "requests"
RESULTS: Final = "results.jsonl"
_RECORD: Final = "record.json"
_CLAIM: Final = "claim"
_PLANNING: Final = "planning.lock"

PLANNING_TIMEOUT: Final = 600.0
"""Seconds to wait while another process plans; the largest jobs take it minutes."""


class PayloadWriter:
    """Takes the bytes of one payload file."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def write(self, data: bytes) -> None:
        """Append `data`. Raises `TrackingError` naming the file, e.g. when the disk is full."""
        try:  # not `_explained`: this runs twice a request, and a context manager would cost more than the write
            self._file.write(data)
        except OSError as exc:
            raise _trouble("write", self._path, exc) from exc


class JobFolders:
    """The folders of the jobs of one tracking file.

    Methods that touch the disk raise `TrackingError` naming the file or folder.
    """

    def __init__(self, tracking_file: Path) -> None:
        self.root = tracking_file.parent / "batch_jobs"
        self._tracking_file = tracking_file.name

    @property
    def locks(self) -> Path:
        """Where lock files of other things (reports) may lie without getting in anyone's way."""
        return self.root / "locks"

    def folder(self, job_id: str) -> Path:
        """Return where the job's files lie, whether or not there are any."""
        if not JOB_ID.fullmatch(job_id):
            raise TrackingError(f"{job_id!r} is not a job id, so it cannot name a folder")
        return self.root / job_id

    def requests_path(self, job_id: str, suffix: str = ".jsonl") -> Path:
        """Return where the wire file lies, exactly as it is uploaded; `suffix` says which form the provider wants."""
        return self.folder(job_id) / f"{REQUESTS}{suffix}"

    def results_path(self, job_id: str) -> Path:
        """Return where the job's results lie: a line for each, in our own form."""
        return self.folder(job_id) / RESULTS

    def keep(self, record: JobRecord) -> None:
        """Keep a copy of a planned job's record beside its wire file; a lost tracking file can be rebuilt from it."""
        with self.writer(self.folder(record.job_id) / _RECORD) as file:
            file.write(to_line({"tracking_file": self._tracking_file, "job": encode_record(record)}) + b"\n")

    def forget(self, job_id: str) -> None:
        """Remove the copy of a record whose job is given up, so that it is not brought back to life."""
        path = self.folder(job_id) / _RECORD
        with _explained("remove", path):
            path.unlink(missing_ok=True)

    def kept(self) -> Iterator[JobRecord]:
        """Yield the records kept for this tracking file, oldest first, as they were when planned.

        Folders of other tracking files that lie beside it are passed over.
        """
        for path in sorted(self.root.glob(f"job-*/{_RECORD}")):
            with _explained("read", path):
                content = path.read_bytes()
            try:
                value = from_json(content)
                mine = value["tracking_file"] == self._tracking_file
                if mine:
                    yield decode_record(path.parent.name, value["job"])
            except (ValueError, KeyError, TypeError) as exc:
                raise TrackingError(f"{path} is damaged: {exc}; move its folder away to go on without it") from exc

    @contextmanager
    def writer(self, path: Path) -> Iterator[PayloadWriter]:
        """Write one of the paths above as a stream: to `<path>.part`, on disk and renamed when the block ends well.

        When the block raises, nothing is left of it and an earlier file stays. Only one process may write a path at a
        time: hold the claim where two could.
        """
        self._make(path.parent)
        entered = False
        try:
            with replacing(path, path.with_name(path.name + ".part")) as file:
                entered = True
                yield PayloadWriter(file, path)
                entered = False
        except OSError as exc:
            if entered:  # it is the caller's own
                raise
            raise _trouble("write", path, exc) from exc

    def results(self, job_id: str) -> Iterator[Result]:
        """Yield the stored results one by one. Raises `TrackingError` naming file and line if one cannot be read."""
        path = self.results_path(job_id)
        if not path.exists():
            raise TrackingError(f"there are no stored results at {path}; fetch the job again to have them")
        with _explained("read", path), path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    result = decode_result(line)
                except TrackingError as exc:
                    raise TrackingError(f"{path} line {number}: {exc}; fetch the job again to replace it") from exc
                yield result

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Wait for our turn among processes to find out what is left to do and to plan it, and hold it.

        So two of them cannot both find the same work undone. Planning only reads and writes files; nothing is sent.
        """
        self._make(self.locks)
        with locked(self.locks / _PLANNING, self.root, timeout=PLANNING_TIMEOUT):
            yield

    @contextmanager
    def claim(self, job_id: str) -> Iterator[None]:
        """Hold the job's claim: as long as this process lives, nobody else sends the job.

        It is a kernel lock on a file in the folder, free the moment its holder dies. Raises `ClaimedJobError` at once
        when another process, or another thread of this one, holds it.
        """
        path = self.folder(job_id) / _CLAIM
        self._make(path.parent)
        with ExitStack() as held:
            with _explained("claim", path):
                is_ours = held.enter_context(claimed(path))
            if not is_ours:
                raise ClaimedJobError(
                    f"{job_id} is in the hands of another process that is still alive; wait until it is done"
                )
            yield

    def is_claimed(self, job_id: str) -> bool:
        """Return whether a live process holds the claim now; whoever acts upon it must take the claim itself."""
        path = self.folder(job_id) / _CLAIM
        with _explained("look at the claim", path):
            return is_claimed(path)

    def _make(self, folder: Path) -> None:
        """Make a folder within the root, which gets a `.gitignore`, so that payloads are not committed by accident."""
        with _explained("make", folder):
            make_folder(self.root)
            ignore = self.root / ".gitignore"
            if not ignore.exists() or not ignore.stat().st_size:  # an empty one is left by a process killed here
                ignore.write_text("*\n", encoding="ascii")
            make_folder(folder)
        if folder.is_symlink():
            raise TrackingError(f"{folder} is a symbolic link; a job's folder has to be a real one: move the link away")


def _trouble(action: str, path: Path, exc: OSError) -> TrackingError:
    return TrackingError(
        f"cannot {action} {path}: {exc.strerror or exc}; what was there before is kept; "
        "make room or the folder writable, then run the same command again"
    )


@contextmanager
def _explained(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise _trouble(action, path, exc) from exc
