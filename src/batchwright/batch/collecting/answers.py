"""The downloaded answers of one job on disk, found again by position in flat memory.

Answers arrive in any order, and a report needs them document by document. So they are written down as they come, and
an array of file offsets (8 bytes a request) finds each one; the same array is what reconciliation by id needs.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batchwright.batch.lifecycle import position_of
from batchwright.job import JobRecord, JobState, Tally
from batchwright.result import Failure, FailureKind, Result, ResultStatus
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.result_codec import decode_result, encode_result

_NOWHERE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerIndex:
    """Where each request's answer stands in the results file; `offsets[n]` is -1 where there is none."""

    offsets: "array[int]"
    duplicates: int
    unknown: int

    @property
    def empty(self) -> bool:
        """Whether nothing at all came back, for whichever id."""
        return not self.unknown and all(offset == _NOWHERE for offset in self.offsets)


def download(
    record: JobRecord, results: Iterable[Result], folders: JobFolders, *, on_answer: Callable[[Result], object]
) -> AnswerIndex:
    """Write every result to the job's results file, whole or not at all, and return where each stands.

    The first answer for an id counts, and is handed to `on_answer`; further ones are kept in the file and counted as
    duplicates.
    """
    offsets = array("q", [_NOWHERE]) * record.request_count
    duplicates = unknown = place = 0
    with folders.writer(folders.results_path(record.job_id)) as file:
        for result in results:
            line = encode_result(result)
            position = place_of(record, result)
            if position is None:
                unknown += 1
            elif offsets[position] != _NOWHERE:
                duplicates += 1
            else:
                offsets[position] = place
                on_answer(result)
            file.write(line)
            place += len(line)
    return AnswerIndex(offsets=offsets, duplicates=duplicates, unknown=unknown)


def place_of(record: JobRecord, result: Result) -> int | None:
    """Return the request's position that a result answers, or None if this job never sent it.

    First-generation jobs were sent one request at a time, without ids of ours: there position counts.
    """
    if record.tag is None:
        position = 0 if record.request_count == 1 else result.position
    else:
        position = position_of(record.tag, result.custom_id)
    return position if position is not None and 0 <= position < record.request_count else None


@contextmanager
def reading(path: Path, index: AnswerIndex, state: JobState) -> Iterator["AnswerReader"]:
    """Open a results file to read answers by position."""
    with path.open("rb") as file:
        yield AnswerReader(file, index, state)


class AnswerReader:
    """Answers by position; where there is none, a result that says so. Counts how the requests ended."""

    def __init__(self, file: BinaryIO, index: AnswerIndex, state: JobState) -> None:
        self._file = file
        self._index = index
        self._absent = absent_result(state)
        self._counts = dict.fromkeys(ResultStatus, 0)

    def read(self, position: int) -> Result:
        """Return the answer to the request at `position`. Raises `TrackingError` if its line is damaged."""
        offset = self._index.offsets[position]
        if offset == _NOWHERE:
            result = self._absent
        else:
            self._file.seek(offset)
            result = decode_result(self._file.readline())
        self._counts[result.status] += 1
        return result

    @property
    def tally(self) -> Tally:
        """How the requests read so far ended."""
        return tally_of(self._counts, duplicates=self._index.duplicates, unknown=self._index.unknown)


def tally_of(counts: Mapping[ResultStatus, int], *, duplicates: int, unknown: int) -> Tally:
    """Return how a job's requests ended, from how many ended in which way."""
    return Tally(
        succeeded=counts[ResultStatus.SUCCEEDED],
        errored=counts[ResultStatus.ERRORED],
        expired=counts[ResultStatus.EXPIRED],
        cancelled=counts[ResultStatus.CANCELLED],
        missing=counts[ResultStatus.MISSING],
        duplicates=duplicates,
        unknown=unknown,
    )


def absent_result(state: JobState) -> Result:
    """Return what a request without an answer is in a job that ended so: Gemini lists none of an expired job's."""
    status, kind, message = {
        JobState.EXPIRED: (ResultStatus.EXPIRED, FailureKind.EXPIRED, "the job expired before this request was run"),
        JobState.CANCELLED: (
            ResultStatus.CANCELLED,
            FailureKind.CANCELLED,
            "the job was cancelled before this request was run",
        ),
    }.get(state, (ResultStatus.MISSING, FailureKind.MISSING, "the provider returned nothing for this request"))
    return Result(custom_id=None, status=status, failure=Failure(kind=kind, message=message))
