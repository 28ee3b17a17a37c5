"""The work on a job: from its stored input to its result lines. Every batch answer of every vendor passes through here.

The input is read line by line and the results are written line by line, so memory does not grow with the job.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from batchwright.emulator.asks import Ask, tokens
from batchwright.emulator.engine import Phase, View
from batchwright.emulator.faults.answers import answer_under
from batchwright.emulator.faults.lines import is_without_credit
from batchwright.emulator.faults.registry import Scope
from batchwright.emulator.responders import respond

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from batchwright.emulator.faults.rules import Fault
    from batchwright.emulator.store import Job, StoredFile
    from batchwright.emulator.vendor import Vendor


class Fate(StrEnum):
    """What became of one request of a job."""

    ANSWERED = "answered"
    """The model answered."""
    REFUSED = "refused"
    """The request itself is wrong; sending it again changes nothing."""
    FAILED = "failed"
    """The vendor's side failed, as the scenario wants."""
    CANCELLED = "cancelled"
    """The job was cancelled before this request ran."""
    EXPIRED = "expired"
    """The window closed before this request ran."""


class Part(StrEnum):
    """The result files of a job."""

    OUTPUT = "output"
    """The answers; for vendors with one results file, everything."""
    ERROR = "error"
    """OpenAI's error file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A line of the input as its vendor understands it: a request to the model, or the reason why it is refused."""

    key: str | None
    ask: Ask | None = None
    refusal: Any = None
    """The error document in the vendor's form; set exactly when `ask` is None."""
    echo: Any = None
    """What the vendor repeats in the result line besides the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One request of a job and what became of it."""

    position: int
    reading: Reading
    fate: Fate
    text: str | None = None
    """The answer, where there is one."""
    cut: bool = False
    """Whether the answer ran into its token limit."""

    @property
    def input_tokens(self) -> int:
        """Tokens read, as the vendor would bill them."""
        return tokens(self.reading.ask.prompt) if self.reading.ask and self.text is not None else 0

    @property
    def output_tokens(self) -> int:
        """Tokens written."""
        return tokens(self.text) if self.text is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a vendor finds when it looks at a job's input as a whole; with `errors` the job fails."""

    total: int
    errors: list[dict[str, Any]]
    model: str | None = None
    """The model all requests name, where the vendor tells."""


class Dialect(Protocol):
    """How a vendor reads the lines of a batch and writes its results."""

    vendor: Vendor
    ends_with_newline: bool
    """Whether a results file ends with a line end."""
    keeps_partial_results: bool
    """Whether cancelled and expired jobs have results."""

    out_of_credit: Any
    """How a request is refused (`Reading.refusal`) for want of credit."""

    def examine(self, job: Job, lines: Iterable[bytes]) -> Examination:
        """Look at the input as a whole, when the vendor does."""

    def read(self, job: Job, line: bytes) -> Reading:
        """Understand one line of an input that `examine` accepted."""

    def write(self, job: Job, outcome: Outcome, at: float) -> tuple[Part, Any]:
        """The result line (a JSON document) and where it belongs; `at` is when the job ended."""

    def result_files(self, job: Job, sizes: Mapping[str, int], at: float) -> list[StoredFile]:
        """The results, of `sizes` bytes by part, that the vendor's own file API shows."""


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of an input file that are not blank."""
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield line


def outcomes(job: Job, dialect: Dialect, path: Path, view: View) -> Iterator[Outcome]:
    """What became of each request of an ended job, in the order of the results."""
    total = job.examined["total"] if job.examined else 0
    reached = total if view.phase is Phase.SUCCEEDED else int(total * view.progress)
    unreached = Fate.CANCELLED if view.phase is Phase.CANCELLED else Fate.EXPIRED
    for position, line in _in_order(path, job.settings.order(total)):
        reading = dialect.read(job, line)
        if is_without_credit(job.faults, position) and position < reached:
            reading = Reading(key=reading.key, refusal=dialect.out_of_credit, echo=reading.echo)
        if position >= reached:
            yield Outcome(position=position, reading=reading, fate=unreached)
        elif reading.ask is None:
            yield Outcome(position=position, reading=reading, fate=Fate.REFUSED)
        elif job.settings.fails(position):
            yield Outcome(position=position, reading=reading, fate=Fate.FAILED)
        else:
            answer = answer_under(_on_answer(job, position), respond(reading.ask, job.settings.responder))
            yield Outcome(position=position, reading=reading, fate=Fate.ANSWERED, text=answer.text, cut=answer.cut)


def _on_answer(job: Job, position: int) -> list[Fault]:
    """The faults of the job that strike the answer to its request at `position`."""
    return [fault for fault in job.faults if fault.kind.scope is Scope.ANSWER and fault.chooses(position)]


def _in_order(path: Path, order: range | list[int]) -> Iterator[tuple[int, bytes]]:
    if isinstance(order, range):
        yield from enumerate(lines_of(path))
        return
    offsets, offset = [], 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                offsets.append(offset)
            offset += len(line)
        for position in order:
            file.seek(offsets[position])
            yield position, file.readline()


@dataclass(slots=True)
class Tally:
    """Sums over a job's results."""

    answered: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, outcome: Outcome) -> None:
        """Take one more result into account."""
        setattr(self, outcome.fate, getattr(self, outcome.fate) + 1)
        self.input_tokens += outcome.input_tokens
        self.output_tokens += outcome.output_tokens


class ResultFiles:
    """The result files of a job, made when the first result for them comes and complete when closed."""

    def __init__(self, folder: Path, *, ends_with_newline: bool) -> None:
        self._folder = folder
        self._ends_with_newline = ends_with_newline
        self._open: dict[Part, BinaryIO] = {}
        self._begun: set[Part] = set()

    def write(self, part: Part, lines: Iterable[bytes]) -> None:
        """Add lines (without their ends); where there are none, the file is there all the same."""
        file = self._open.get(part)
        if file is None:
            file = self._open[part] = (self._folder / f"{part}.partial").open("wb", buffering=1 << 20)
        for line in lines:
            if part in self._begun:
                file.write(b"\n")
            self._begun.add(part)
            file.write(line)

    def finish(self) -> dict[str, int]:
        """Close the files, give them their names `<part>.jsonl`, and return their sizes in bytes by part."""
        sizes = {}
        for part, file in self._open.items():
            if self._ends_with_newline and part in self._begun:
                file.write(b"\n")
            sizes[str(part)] = file.tell()
            file.close()
            (self._folder / f"{part}.partial").replace(self._folder / f"{part}.jsonl")
        return sizes

    def abandon(self) -> None:
        """Close the files after a failure; what was written is overwritten by the next attempt."""
        for file in self._open.values():
            file.close()
