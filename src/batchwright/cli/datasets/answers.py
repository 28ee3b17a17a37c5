"""Where the answers of a run go while it runs: into a file, or to whoever reads our standard output."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pydantic_core

from batchwright.cli.output import data, raw_data, warning
from batchwright.errors import ConfigurationError
from batchwright.live.rows.run import Origin, RowDone
from batchwright.reports.datasets.base import Format, Layout, Outcome, Shape
from batchwright.reports.datasets.waiting import Waiting
from batchwright.reports.datasets.writing import DatasetWriter
from batchwright.tracking.json_text import to_line


class Answers(Protocol):
    """Takes what became of each row, in any order."""

    def put(self, done: RowDone) -> None:
        """Take one. Raises `InputError` where it cannot be written."""
        ...

    def end(self, *, whole: bool) -> None:
        """End it; `whole` where this is all there will be."""
        ...


class FileAnswers:
    """Answers in a file, in the order of the input."""

    def __init__(self, writer: DatasetWriter) -> None:
        self._writer = writer

    def put(self, done: RowDone) -> None:
        """Write one, or keep it until its turn."""
        self._writer.write(done.position, done.row.cells, done.outcome)

    def end(self, *, whole: bool) -> None:
        """Give the file its name, or leave what there is in its part."""
        if whole:
            self._writer.finish()
        self._writer.close()


class PrintedAnswers:
    """Answers on standard output, each as soon as it and all before it are there.

    What a resumed run had before is not printed again. Without a format, an answer is its text; a row that failed is a
    warning.
    """

    def __init__(self, layout: Layout | None, printing: Callable[[], AbstractContextManager[None]]) -> None:
        self._layout = layout
        self._printing = printing
        self._waiting = Waiting(Path(tempfile.gettempdir()))
        self._next = 0
        self._print(layout.head() if layout is not None else b"")

    def put(self, done: RowDone) -> None:
        """Print one, or keep it until its turn."""
        told = done.origin is not Origin.KEPT
        line = to_line([told, done.row.cells, *done.outcome, done.row.place]) + b"\n"
        if done.position != self._next:
            self._waiting.put(done.position, line)
            return
        found: bytes | None = line
        while found is not None:
            self._tell(found)
            self._next += 1
            found = self._waiting.take(self._next) if self._waiting else None

    def end(self, *, whole: bool) -> None:
        """Print what waits for rows that never came."""
        del whole
        for line in self._waiting.rest():
            self._tell(line)
        self._waiting.close()
        self._print(self._layout.tail() if self._layout is not None else b"")

    def _tell(self, line: bytes) -> None:
        told, cells, text, value, error, place = pydantic_core.from_json(line)
        if told:
            self._tell_one(cells, Outcome(text=text, value=value, error=error), place)

    def _tell_one(self, cells: Mapping[str, Any], outcome: Outcome, place: str) -> None:
        if self._layout is not None:
            self._print(self._layout.encode(cells, outcome))
        elif outcome.error is not None:
            with self._printing():
                warning(f"{place}: {outcome.error}")
        else:
            with self._printing():
                data((outcome.text or "").replace("\r\n", "\n"))

    def _print(self, encoded: bytes) -> None:
        if encoded:
            with self._printing():
                raw_data(encoded)


def printed_layout(kind: Format | None, shape: Shape) -> Layout | None:
    """Return how printed answers are laid out; None for plain text. Parquet cannot be printed: `ConfigurationError`."""
    from batchwright.reports.datasets.delimited import DelimitedLayout  # noqa: PLC0415  (one format is used)
    from batchwright.reports.datasets.json_rows import JsonLayout, JsonlLayout  # noqa: PLC0415  (as above)

    match kind:
        case None:
            return None
        case Format.CSV:
            return DelimitedLayout(shape, wide=True)
        case Format.JSON:
            return JsonLayout(shape)
        case Format.JSONL:
            return JsonlLayout(shape)
        case Format.PARQUET:
            raise ConfigurationError("--format parquet needs a file: give --output as well")
