"""The file of answers: written in the input's order while they come in any, safe to be killed at any moment.

Until its end a run writes `<output>.part`, in the format of the output; then the file takes its name in one step. So
whoever finds the output finds a whole one, and whoever killed a run finds in the part what it had.
"""

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

import pydantic_core

from batchwright.closing import Closing
from batchwright.errors import ConfigurationError, InputError
from batchwright.reports.datasets.base import Format, Layout, Outcome, Shape
from batchwright.reports.datasets.waiting import Waiting
from batchwright.tracking.durable import make_folder, sync_folder
from batchwright.tracking.json_text import to_line

PART: Final = ".part"
"""Behind the output's name while it is being written."""

FORMATS: Final = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}
"""The format by the end of the output's name."""

_TABBED: Final = frozenset({".tsv", ".tab"})
_BUFFER: Final = 1 << 17
_PIECE_ROWS: Final = 256
_FLUSH_SECONDS: Final = 0.5
"""A process that is killed loses what it wrote since then; the machine keeps the rest."""


class Existing(StrEnum):
    """What to do where the output, or what a killed run left of it, is there already."""

    REFUSE = "refuse"
    """It belongs to somebody else."""
    REPLACE = "replace"
    """It is ours, because we go on with its run and write it anew, or a person said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a file of answers holds."""

    path: Path
    rows: int
    failed: int
    """Those among them that are marked with an error."""


class DatasetWriter(Closing):
    """Takes each row's outcome once, in any order. A context manager: without `finish` the part stays, for a person.

    Memory stays flat: what comes before its turn waits in a few megabytes, then in a file.
    """

    def __init__(self, path: Path, layout: Layout, *, existing: Existing = Existing.REFUSE) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)
        self._layout = layout
        self._next = 0
        self._rows = 0
        self._failed = 0
        self._flushed_at = time.monotonic()
        with _explained(path):
            make_folder(path.parent)
            self._file = _claimed(self._part, path, existing)
            self._waiting = Waiting(path.parent)
            self._file.write(layout.head())

    def write(self, position: int, cells: Mapping[str, Any], outcome: Outcome) -> None:
        """Write what became of the row at `position` (from 0), or keep it until its turn.

        Raises `ValueError` for a row that was written before, `InputError` where the file cannot be written.
        """
        try:
            if position == self._next:
                self._append(cells, outcome)
                self._next += 1
                while self._waiting and (line := self._waiting.take(self._next)) is not None:
                    self._append(*_unpacked(line))
                    self._next += 1
            elif position < self._next or self._waiting.holds(position):
                raise ValueError(f"row {position} was written before")
            else:
                self._waiting.put(position, _packed(cells, outcome))
        except OSError as exc:
            raise _unwritable(self._path, exc) from exc

    def write_all(self, rows: Iterable[tuple[Mapping[str, Any], Outcome]]) -> None:
        """Write the outcomes of all rows from the next on, in their order; cheaper than `write` for each.

        Raises what `rows` raises, `InputError` where the file cannot be written.
        """
        waiting = iter(rows)
        while piece := list(itertools.islice(waiting, _PIECE_ROWS)):
            with _explained(self._path):
                self._append_all(piece)
            self._next += len(piece)

    def _append_all(self, piece: Sequence[tuple[Mapping[str, Any], Outcome]]) -> None:
        if [outcome for _, outcome in piece if outcome.error is not None]:
            for cells, outcome in piece:
                self._append(cells, outcome)
            return
        self._file.write(b"".join(itertools.starmap(self._layout.encode, piece)))
        self._rows += len(piece)

    def finish(self) -> Written:
        """End the file and give it its name; rows that never came are not in it. Raises `InputError`."""
        with _explained(self._path):
            self._drain()
            self._file.write(self._layout.tail())
            self._file.flush()
            whole = self._layout.finish(self._part)
            with whole.open("rb+") as file:
                os.fsync(file.fileno())
            whole.replace(self._path)
            self._part.unlink(missing_ok=True)  # where it was not the whole itself
            self._file.close()
            sync_folder(self._path.parent)
        return Written(path=self._path, rows=self._rows, failed=self._failed)

    def close(self) -> None:
        """Leave what there is in the part, if `finish` was not called; nothing, if no row was written."""
        if self._file.closed:
            return
        try:
            with _explained(self._path):
                self._drain()
                self._file.write(self._layout.tail())
                if not self._rows:
                    self._part.unlink()
        finally:
            with contextlib.suppress(OSError):  # it flushes, which fails once more where a full disk was the trouble
                self._file.close()
            self._waiting.close()

    def _append(self, cells: Mapping[str, Any], outcome: Outcome) -> None:
        if outcome.error is not None:
            self._failed += 1
            if not self._layout.fits_failures():
                self._widen()
        self._file.write(self._layout.encode(cells, outcome))
        self._rows += 1
        now = time.monotonic()
        if now - self._flushed_at > _FLUSH_SECONDS:
            self._file.flush()
            self._flushed_at = now

    def _drain(self) -> None:
        for line in self._waiting.rest():
            self._append(*_unpacked(line))
        self._waiting.close()

    def _widen(self) -> None:
        """Write the part anew, once in a run, in the form in which failed rows fit."""
        self._file.flush()
        wide = self._part.with_name(self._part.name + ".wide")
        file = wide.open("wb", buffering=_BUFFER)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # the part is locked at every moment
            with self._part.open("rb") as present:
                file.writelines(self._layout.widened(present))
            file.flush()
            wide.replace(self._part)
        except BaseException:
            file.close()
            wide.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = file


def open_report(
    path: Path,
    shape: Shape,
    *,
    format: Format | None = None,  # noqa: A002  (the option's name)
    existing: Existing = Existing.REFUSE,
) -> DatasetWriter:
    """Return the writer of a file of answers; its format is the one that is given, or that of the name.

    Raises `ConfigurationError` where neither says the format, or for an extra that is missing; `InputError` where the
    file is there already and may not be replaced, another run is writing it, or it cannot be written.
    """
    suffix = path.suffix.lower()
    chosen = format or FORMATS.get(suffix)
    if chosen is None:
        known = ", ".join(FORMATS)
        raise ConfigurationError(f"--output {path}: no format ends in {suffix!r}; known: {known}; or say --format")
    return DatasetWriter(path, _layout(chosen, shape, tabbed=suffix in _TABBED), existing=existing)


def _layout(chosen: Format, shape: Shape, *, tabbed: bool) -> Layout:
    if chosen is Format.CSV:
        from batchwright.reports.datasets.delimited import DelimitedLayout  # noqa: PLC0415  (one format is used)

        return DelimitedLayout(shape, delimiter="\t" if tabbed else ",")
    if chosen is Format.PARQUET:
        from batchwright.reports.datasets.parquet import ParquetLayout  # noqa: PLC0415  (as above)

        return ParquetLayout(shape)
    from batchwright.reports.datasets import json_rows  # noqa: PLC0415  (as above)

    make: Callable[[Shape], Layout] = json_rows.JsonLayout if chosen is Format.JSON else json_rows.JsonlLayout
    return make(shape)


def _claimed(part: Path, path: Path, existing: Existing) -> BinaryIO:
    """Open the part, empty and locked until it is closed. Raises `InputError` where it is not ours."""
    _refuse_existing(path, existing)
    while True:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        file = os.fdopen(handle, "wb", buffering=_BUFFER)
        try:
            if _is_ours(file, part, path, existing):
                file.truncate()
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _is_ours(file: BinaryIO, part: Path, path: Path, existing: Existing) -> bool:
    """Lock the part, and say whether it is still the file of that name. Raises `InputError` where it is somebody's."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise InputError(f"another run is writing {path} at this moment") from exc
    if not _is_at(file, part):  # its owner has just given it its name, or taken it away
        return False
    _refuse_existing(path, existing)
    if os.fstat(file.fileno()).st_size and existing is Existing.REFUSE:
        raise _refused(part, "holds what a run that was killed had")
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _refuse_existing(path: Path, existing: Existing) -> None:
    if path.is_dir():
        raise InputError(f"--output {path} is a folder; name a file")
    if existing is Existing.REFUSE and path.exists():
        raise _refused(path, "is there already and belongs to another run")


def _refused(path: Path, reason: str) -> InputError:
    return InputError(f"{path} {reason}; --resume goes on with its run, --overwrite replaces it")


def _packed(cells: Mapping[str, Any], outcome: Outcome) -> bytes:
    return to_line([cells, outcome.text, outcome.value, outcome.error]) + b"\n"


def _unpacked(line: bytes) -> tuple[dict[str, Any], Outcome]:
    cells, text, value, error = pydantic_core.from_json(line)
    return cells, Outcome(text=text, value=value, error=error)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says while the output is written into an error that names it."""
    try:
        yield
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error.strerror or error}; what it has so far is in {path}{PART}")
