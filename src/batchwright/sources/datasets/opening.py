"""From what a person typed to rows: paths, patterns, standard input; which format each is in."""

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

from batchwright.closing import Closing
from batchwright.errors import InputError
from batchwright.sources.datasets.base import BadRows, Kind, Reader, ReadOptions, Row, Source
from batchwright.sources.datasets.encodings import opened_bytes
from batchwright.sources.datasets.selection import Selection

STANDARD_INPUT: Final = "-"

KINDS: Final = {
    ".txt": Kind.TEXT,
    ".md": Kind.TEXT,
    ".csv": Kind.CSV,
    ".tsv": Kind.CSV,
    ".tab": Kind.CSV,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".xlsx": Kind.EXCEL,
    ".xlsm": Kind.EXCEL,
    ".xlsb": Kind.EXCEL,
    ".xls": Kind.EXCEL,
    ".ods": Kind.EXCEL,
    ".parquet": Kind.PARQUET,
    ".pq": Kind.PARQUET,
}
"""The format by the end of a name; of any other name by what the file begins with."""

_READERS: Final = {
    Kind.TEXT: ("text", "read_text"),
    Kind.CSV: ("delimited", "read_delimited"),
    Kind.JSON: ("json_rows", "read_json"),
    Kind.JSONL: ("json_rows", "read_jsonl"),
    Kind.EXCEL: ("excel", "read_excel"),
    Kind.PARQUET: ("parquet", "read_parquet"),
}
_LOOKED_AT: Final = 1 << 16
_PARQUET_MARK: Final = b"PAR1"
_ZIP_MARK: Final = b"PK\x03\x04"


class Dataset(Closing):
    """Rows of one or several files, which can be read as often as needed: once to check them, once to ask.

    A context manager: standard input is copied to a temporary file, which is deleted at the end.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        options: ReadOptions | None = None,
        selection: Selection | None = None,
        closing: ExitStack | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.bad = BadRows(skip=False)
        """The rows that the latest reading left out."""
        self._options = options or ReadOptions()
        self._selection = selection or Selection()
        self._closing = closing or ExitStack()

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are meant, in order; every call reads from the beginning.

        Raises `InputError` naming file and line for whatever is wrong with them, `ConfigurationError` for an extra.
        """
        return self._selection.over(self._read)

    def close(self) -> None:
        """Delete what was copied from standard input."""
        self._closing.close()

    def _read(self) -> Iterator[Row]:
        self.bad = BadRows(skip=self._options.skip_bad_rows)
        for source in self.sources:
            row = None
            bad_before = self.bad.count
            for row in _reader(source.kind)(source, self._options, self.bad):
                yield row
            if row is None:
                raise _without_rows(source, self.bad.count - bad_before)


def open_dataset(
    inputs: Sequence[str | Path],
    *,
    options: ReadOptions | None = None,
    selection: Selection | None = None,
    kind: Kind | None = None,
    stdin: BinaryIO | None = None,
) -> Dataset:
    """Return the dataset that paths, patterns and `-` (read from `stdin`) name, in their order.

    `kind` is the format of all of them; None means: each by its name, or else by how it begins. Raises `InputError`
    for a file that is missing or empty.
    """
    sources: list[Source] = []
    with ExitStack() as closing:
        for given in inputs:
            if str(given) == STANDARD_INPUT:
                copy = closing.enter_context(_copied(stdin))
                stdin = None  # it can be read once
                sources.append(_source(copy, "standard input", kind))
            else:
                sources.extend(_source(path, str(path), kind) for path in _paths(given))
        if not sources:
            raise InputError("no input file is given")
        return Dataset(sources, options=options, selection=selection, closing=closing.pop_all())


def kind_of(name: str, beginning: bytes) -> Kind:
    """Return a file's format from its name, or else from its first bytes. Pure.

    Several objects, one a line, are JSON Lines also under the name .json.
    """
    kind = KINDS.get(Path(name).suffix.lower())
    if kind not in {None, Kind.JSON}:
        return kind or Kind.TEXT
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        lines = text.split(b"\n", 2)
        whole = lines[0].rstrip().endswith(b"}") and len(lines) > 1 and lines[1].lstrip().startswith(b"{")
        return Kind.JSONL if whole else Kind.JSON
    if kind is Kind.JSON or text.startswith(b"["):
        return Kind.JSON
    if beginning.startswith(_PARQUET_MARK):
        return Kind.PARQUET
    return Kind.EXCEL if beginning.startswith(_ZIP_MARK) else Kind.TEXT


def _paths(given: str | Path) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        raise InputError(f"the input is a folder: {given}; name its files, e.g. '{given}/*.csv'")
    if path.exists():
        return [path]
    found = sorted(glob.glob(str(given), recursive=True)) if glob.has_magic(str(given)) else []  # noqa: PTH207
    files = [Path(name) for name in found if not Path(name).is_dir()]
    if not files:
        raise InputError(f"Input file not found: {given}")
    return files


def _source(path: Path, name: str, kind: Kind | None) -> Source:
    source = Source(path=path, name=name, kind=kind or Kind.TEXT)
    with opened_bytes(source) as file:
        beginning = file.read(_LOOKED_AT)
    if not beginning:
        raise _without_rows(source, 0)
    return source if kind else Source(path=path, name=name, kind=kind_of(name, beginning))


@contextmanager
def _copied(stdin: BinaryIO | None) -> Iterator[Path]:
    """Copy standard input to a file that is there until the end."""
    if stdin is None:
        raise InputError("standard input (-) can be read once, and only by a command")
    handle, name = tempfile.mkstemp(prefix="batchwright-input-")
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(stdin, file)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _reader(kind: Kind) -> Reader:
    module, function = _READERS[kind]
    read: Reader = getattr(import_module(f"batchwright.sources.datasets.{module}"), function)
    return read


def _without_rows(source: Source, bad: int) -> InputError:
    if bad:
        return InputError(f"the input file has no row that can be used: {source.name} ({bad} bad row(s) left out)")
    empty = not source.path.stat().st_size
    return InputError(f"the input file {'is empty' if empty else 'has no rows'}: {source.name}")
