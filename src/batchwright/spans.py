"""Numbers in order with gaps between them, in little memory."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload


class Spans(Sequence[int]):
    """Ascending item ids with gaps between them, remembered as runs without any: a table that is asked about in part.

    Two numbers a run, where a tuple takes forty bytes an id. Raises `ValueError` for ids that do not ascend.
    """

    __slots__ = ("_before", "_count", "_firsts")

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._firsts = array("q")
        self._before = array("q")
        """How many ids come before each run."""
        self._count = 0
        following = 0
        for item in ids:
            if item != following or not self._count:
                self._begin(item, following)
            self._count += 1
            following = item + 1

    @classmethod
    def between(cls, runs: Iterable[tuple[int, int]]) -> "Spans":
        """Return the ids from the first to the last, both included, of each run."""
        made = cls()
        following = 0
        for first, last in runs:
            if last < first:
                raise ValueError("a run ends before it begins")
            if first != following or not made._count:
                made._begin(first, following)
            made._count += last + 1 - first
            following = last + 1
        return made

    def _begin(self, first: int, lowest: int) -> None:
        if first < lowest:
            raise ValueError("ids do not ascend")
        self._firsts.append(first)
        self._before.append(self._count)

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the first and the last id of each run."""
        for number, first in enumerate(self._firsts):
            after = self._before[number + 1] if number + 1 < len(self._before) else self._count
            yield first, first + after - self._before[number] - 1

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._count)
            return Spans(islice(self, start, max(start, stop), step)) if step > 0 else tuple(self)[place]
        position = range(self._count)[place]
        run = bisect_right(self._before, position) - 1
        return self._firsts[run] + position - self._before[run]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.runs():
            yield from range(first, last + 1)

    def _place(self, item: object) -> int | None:
        if not isinstance(item, int):
            return None
        run = bisect_right(self._firsts, item) - 1
        if run < 0:
            return None
        place = self._before[run] + item - self._firsts[run]
        return place if place < (self._before[run + 1] if run + 1 < len(self._before) else self._count) else None

    def __contains__(self, item: object) -> bool:
        return self._place(item) is not None

    def index(self, item: int, start: int = 0, stop: int | None = None) -> int:
        """Return where an id stands. Raises `ValueError` where it does not."""
        place = self._place(item)
        if place is None or place not in range(self._count)[start:stop]:
            raise ValueError(f"{item} is not among the ids")
        return place

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spans):
            return NotImplemented
        return (self._count, self._firsts, self._before) == (other._count, other._firsts, other._before)

    def __hash__(self) -> int:
        return hash((self._count, tuple(self._firsts[:2]), tuple(self._firsts[-2:])))

    def __repr__(self) -> str:
        return f"Spans.between({list(self.runs())})"
