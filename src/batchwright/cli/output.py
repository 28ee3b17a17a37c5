"""What the terminal shows: data on stdout, talk on stderr, and nothing that a model or a file can use to control it."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from batchwright.cli.options import ListingCommand

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters (escape sequences begin with one) and marks that reorder text; tab and newline stay."""


def printable(text: object) -> str:
    """Return text from outside made harmless for a terminal."""
    words = str(text)
    # Most of it is plain, and that is cheaper to see than to search: a list may have a hundred thousand cells.
    return words if words.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", words)


class ReaderGoneError(Exception):
    """Whoever read our standard output has left (`| head`); there is nobody to tell the rest."""


def data(line: object = "") -> None:
    """Print a line of what was asked for.

    When the reader has left, a command that does work goes on in silence, for half of it may be paid for. Raises
    `ReaderGoneError` in one that only shows something.
    """
    try:
        click.echo(printable(line))
    except BrokenPipeError as error:
        # click itself would end the program with 1.
        _silence(sys.stdout)
        context = click.get_current_context(silent=True)
        if context is not None and isinstance(context.command, ListingCommand):
            raise ReaderGoneError from error


def raw_data(encoded: bytes) -> None:
    """Write bytes of a format that programs read, as they are; when the reader has left, in silence."""
    try:
        click.echo(encoded, nl=False)
    except BrokenPipeError:
        _silence(sys.stdout)


def talk(line: object = "") -> None:
    """Print a line that is about the work, not its result; nobody may be there to read it."""
    try:
        click.echo(printable(line), err=True)
    except BrokenPipeError:
        _silence(sys.stderr)


def _silence(stream: TextIO) -> None:
    """Send everything further nowhere, so that neither the next line nor the flush at exit fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def warning(message: object) -> None:
    """Print a warning in the guide's form."""
    talk(f"Warning: {message}")


def json_document(kind: str, **content: Any) -> None:
    """Print one versioned JSON document; keys keep their order."""
    import pydantic_core  # noqa: PLC0415

    document = {"version": 1, "kind": kind, **content}
    data(pydantic_core.to_json(document, indent=2).decode())


def table(rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns, two spaces apart, all at once; the last column is as long as it likes."""
    texts = [[str(cell) for cell in row] for row in rows]
    if not texts:
        return
    widths = [max(map(len, column)) for column in list(zip(*texts, strict=True))[:-1]]
    padded = "  ".join([*(f"%-{width}s" for width in widths), "%s"])
    data("\n".join((padded % tuple(row)).rstrip() for row in texts))


def shown_path(path: Path) -> str:
    """Return a path as a person would type it here: relative where it lies below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def report_error(error: BaseException, *, verbose: bool) -> None:
    """Print an error and what caused it, each once; a traceback only where it was asked for."""
    talk(f"Error: {error or type(error).__name__}")
    seen = str(error)
    cause = error.__cause__
    while cause is not None:
        message = f"{type(cause).__name__}: {cause}"
        if str(cause) not in seen:
            talk(f"  caused by {message}")
            seen += message
        cause = cause.__cause__
    if verbose:
        import traceback  # noqa: PLC0415

        talk("".join(traceback.format_exception(error)))


def on_terminal() -> bool:
    """Say whether a person watches what goes to stderr."""
    return sys.stderr.isatty()
