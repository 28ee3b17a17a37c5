"""A run over a dataset, and what came back for one of its rows."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from batchwright.usage import Usage


class RunStatus(StrEnum):
    """What a run is doing, in the guide's words and two of ours."""

    RUNNING = "running"
    """A process works on it, or a provider does."""
    COMPLETED = "completed"
    """Every row has been asked about; some may have failed."""
    FAILED = "failed"
    """It stopped at an error: the account, the disk, or `--stop-on-error`."""
    PAUSED = "paused"
    """Ctrl-C or `cancel` stopped it; `--resume` goes on."""
    INTERRUPTED = "interrupted"
    """Its process died; `--resume` goes on. Never stored: a running run whose process is gone reads so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run over a dataset."""

    run_id: str
    created_at: datetime
    input_file: str
    model: str
    output_file: str | None = None
    total: int | None = None
    """Rows to ask about; None until they were counted."""
    completed: int = 0
    """Rows with an answer."""
    failed: int = 0
    """Rows whose last try failed."""
    status: RunStatus = RunStatus.RUNNING
    config: Mapping[str, Any] = field(default_factory=dict)
    """Options of the run, enough to resume it and to see what changed; JSON values."""
    number: int = 0
    """The run's place in this database."""
    ended_at: datetime | None = None
    stop_requested: bool = False
    """Another process asked it to stop."""
    message: str | None = None
    """Why it stopped, for a person."""
    resumed_at: datetime | None = None
    """When the latest process began to work on it; None where only the first did."""
    done_before: int = 0
    """Rows that were done when that process began."""

    @property
    def done(self) -> int:
        """Rows with any outcome."""
        return self.completed + self.failed

    def rate(self, now: datetime) -> float | None:
        """Return the rows a second since work on it began or was taken up again; None while nothing can be said."""
        until = now if self.status is RunStatus.RUNNING else self.ended_at
        if until is None:
            return None
        seconds = (until - (self.resumed_at or self.created_at)).total_seconds()
        done = self.done - self.done_before
        return done / seconds if seconds > 0 and done > 0 else None

    def seconds_left(self, now: datetime) -> float | None:
        """Return how long the rest takes at that rate; None where it is not being worked on, or nothing can be said."""
        rate = self.rate(now)
        if self.status is not RunStatus.RUNNING or rate is None or self.total is None:
            return None
        return max(0, self.total - self.done) / rate


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """What came back for one row: `response`, or `error` and no response."""

    row: int
    """Zero-based place in the input."""
    response: str | None = None
    error: str | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None
    """Dollars; None where the price is unknown."""
    seconds: float | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return self.error is not None


class RowSet(AbstractSet[int]):
    """A set of rows, at a byte for each row up to the last: a million rows take a megabyte, not sixty."""

    __slots__ = ("_count", "_marks")

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self._marks = bytearray()
        self._count = 0
        for row in rows:
            self._add(row)

    def _add(self, row: int) -> None:
        marks = self._marks
        if row >= len(marks):
            marks.extend(bytes(max(row + 1 - len(marks), len(marks))))
        self._count += not marks[row]
        marks[row] = 1

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and 0 <= row < len(self._marks) and self._marks[row] == 1

    def __iter__(self) -> Iterator[int]:
        place = self._marks.find(1)
        while place >= 0:
            yield place
            place = self._marks.find(1, place + 1)

    def __len__(self) -> int:
        return self._count

    @classmethod
    def _from_iterable(cls, rows: Iterable[int]) -> "RowSet":  # type: ignore[override]
        return cls(rows)
