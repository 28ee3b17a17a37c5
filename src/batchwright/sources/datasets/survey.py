"""One reading of a dataset before anything is sent: whatever is wrong with a row is found while it costs nothing."""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from batchwright.errors import InputError
from batchwright.sources.datasets.base import Row, cell_text
from batchwright.sources.datasets.opening import Dataset

Check = Callable[[Row], object]
"""Looks at a row. Raises `InputError` naming its line."""

_BUCKETS = 1 << 10
"""Digests are compared in so many parts, so that one part of a million is small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a dataset holds."""

    rows: int
    columns: tuple[str, ...]
    """Of all rows together, in the order in which they first appear."""
    characters: int
    """Of all prompts together, where they were made; else 0."""
    longest: int
    """Characters of the longest prompt."""
    bad_rows: int
    """Rows that were left out."""


def survey(
    dataset: Dataset,
    *,
    prompt: Callable[[Row], str] | None = None,
    checks: Iterable[Check] = (),
    ids: str | None = None,
) -> Survey:
    """Read every row once, make its prompt, and look whether the column `ids` tells all rows apart.

    Raises the first `InputError` that any of it meets; a prompt that is blank is one. Keeps eight bytes a row, and
    those only for `ids`.
    """
    rows = characters = longest = 0
    columns: dict[str, None] = {}
    digests = array("q")
    checks = tuple(checks)
    for rows, row in enumerate(dataset.rows(), start=1):  # noqa: B007  (the last number is how many there were)
        if not row.cells.keys() <= columns.keys():
            columns.update(dict.fromkeys(row.cells))
        if prompt is not None:
            text = prompt(row)
            if not text or text.isspace():
                raise InputError(f"{row.place}: the prompt is empty")
            characters += len(text)
            longest = max(longest, len(text))
        for check in checks:
            check(row)
        if ids is not None:
            digests.append(hash(id_of(row, ids)))
    left_out = dataset.bad.count
    if ids is not None:
        _require_unique(dataset, ids, digests)
    return Survey(rows=rows, columns=tuple(columns), characters=characters, longest=longest, bad_rows=left_out)


def id_of(row: Row, column: str) -> str:
    """Return what a row is called. Raises `InputError` where it has no such column, or nothing in it."""
    if column not in row.cells:
        raise InputError(f"{row.place}: no column {column!r} for --id-column; there are: {', '.join(row.cells)}")
    found = cell_text(row.cells[column]).strip()
    if not found:
        raise InputError(f"{row.place}: the id in column {column!r} is empty")
    return found


def _require_unique(dataset: Dataset, column: str, digests: "array[int]") -> None:
    """Raise `InputError` where two rows have the same id; read the rows again only if two digests are equal."""
    suspects = _repeated(digests)
    if not suspects:
        return
    seen: dict[str, Row] = {}
    for row in dataset.rows():
        name = id_of(row, column)
        if hash(name) not in suspects:
            continue
        if name in seen:
            raise InputError(f"{row.place}: the id {name!r} in column {column!r} is also in {seen[name].place}")
        seen[name] = row


def _repeated(digests: "array[int]") -> set[int]:
    buckets = [array("q") for _ in range(_BUCKETS)]
    for digest in digests:
        buckets[digest % _BUCKETS].append(digest)
    repeated: set[int] = set()
    for bucket in buckets:
        seen: set[int] = set()
        for digest in bucket:
            if digest in seen:
                repeated.add(digest)
            seen.add(digest)
    return repeated
