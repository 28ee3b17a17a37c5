"""Results files: bytes as they arrive, lines as the vendors mean them.

Lines end at the byte 0x0A and nowhere else: JSON may hold U+2028 and its kin unescaped, where `str.splitlines` and the
SDKs' `iter_lines` would cut. Blank lines are skipped and the last line needs no end (Anthropic really sends none).
"""

from collections.abc import Callable, Iterable, Iterator

from batchwright.providers.reading import Json, parse_object
from batchwright.result import Failure, FailureKind, Result, ResultStatus


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a byte stream without their ends, in memory of one chunk and one line."""
    held: list[bytes] = []
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        held.append(first)
        if not rest:
            continue
        *whole, last = [b"".join(held), *rest]
        held = [last]
        yield from filter(bytes.strip, whole)
    line = b"".join(held)
    if line.strip():
        yield line


def read_results(
    chunks: Iterable[bytes], decode: Callable[[Json], Result], *, plain: Callable[[bytes], Result | None]
) -> Iterator[Result]:
    """Yield one `Result` for each line; a line that cannot be read is a malformed result, never an exception.

    `plain` is the quick way to the result of a usual line, and returns None for any other.
    Whether the stream itself was whole is the transport's word: a body cut short raises out of `chunks`.
    """
    for line in split_lines(chunks):
        yield plain(line) or read_line(line, decode)


def read_line(line: bytes, decode: Callable[[Json], Result]) -> Result:
    """Return the result of one line."""
    try:
        document = parse_object(line)
    except ValueError as exc:
        return malformed(None, f"a result line is not JSON ({exc})")
    return decode(document)


def malformed(custom_id: str | None, why: str, *, request_id: str | None = None) -> Result:
    """Return the result of something that came back and cannot be read as an answer."""
    return Result(
        custom_id=custom_id,
        status=ResultStatus.ERRORED,
        failure=Failure(kind=FailureKind.MALFORMED, message=why),
        request_id=request_id,
    )
