"""Which rows of a dataset are meant: those with a value, a sample, the first few. In this order."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import Row, cell_text

Rows = Callable[[], Iterator[Row]]
"""Begins to read the rows; may be called again and again, and yields the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Only rows whose `column` holds `value`, as text."""

    column: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Where":
        """Read `column=value`. Raises `ConfigurationError`."""
        column, equals, value = text.partition("=")
        if not equals or not column.strip():
            raise ConfigurationError(f"--where: {text!r} is not of the form column=value")
        return cls(column=column.strip(), value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a person asked for; all of it must hold."""

    where: Sequence[Where] = ()
    sample: int | None = None
    """So many rows at random, in their order; the same ones for the same rows, number and `seed`."""
    seed: int = 0
    limit: int | None = None
    """The first so many."""

    def __post_init__(self) -> None:
        for option, number in (("--sample", self.sample), ("--limit", self.limit)):
            if number is not None and number < 1:
                raise ConfigurationError(f"{option} is {number}; it is 1 or more")

    def over(self, rows: Rows) -> Iterator[Row]:
        """Yield the rows that are meant. Raises `InputError` for a column that no row has.

        A sample reads the rows twice: once to count them, so that only numbers are kept.
        """

        def matching() -> Iterator[Row]:
            return _matching(rows(), self.where) if self.where else rows()

        chosen = matching() if self.sample is None else _sampled(matching, self.sample, self.seed)
        return chosen if self.limit is None else itertools.islice(chosen, self.limit)


def _matching(rows: Iterator[Row], wheres: Sequence[Where]) -> Iterator[Row]:
    unseen = {where.column for where in wheres}
    known: dict[str, None] = {}
    for row in rows:
        if unseen:
            unseen -= row.cells.keys()
            known.update(dict.fromkeys(row.cells))
        if all(where.column in row.cells and cell_text(row.cells[where.column]) == where.value for where in wheres):
            yield row
    if unseen:
        raise InputError(f"--where: no row has a column {', '.join(sorted(unseen))}; there are: {', '.join(known)}")


def _sampled(rows: Rows, size: int, seed: int) -> Iterator[Row]:
    total = sum(1 for _ in rows())
    chosen = sorted(random.Random(seed).sample(range(total), min(size, total)), reverse=True)  # noqa: S311
    for number, row in enumerate(rows()):
        if not chosen:
            return
        if number == chosen[-1]:
            chosen.pop()
            yield row
