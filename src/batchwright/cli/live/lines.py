"""Lines about documents that are answered side by side, printed document by document as if one followed another."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from batchwright.tasks.planning import DocumentKey

Show = Callable[[], None]
"""Prints one line, wherever it belongs."""


@dataclass(slots=True)
class _Page:
    lines: list[Show] = field(default_factory=list)
    ended: bool = False


class DocumentLines:
    """Prints the lines of the document that was begun first as they come; those of the others wait for it to end."""

    def __init__(self) -> None:
        self._pages: OrderedDict[DocumentKey, _Page] = OrderedDict()

    def begin(self, key: DocumentKey, heading: Show) -> None:
        """Begin a document."""
        self._pages[key] = _Page()
        self.say(key, heading)

    def say(self, key: DocumentKey, line: Show) -> None:
        """Say something about a document that was begun."""
        if next(iter(self._pages)) == key:
            line()
        else:
            self._pages[key].lines.append(line)

    def end(self, key: DocumentKey) -> None:
        """Nothing more is said about a document."""
        self._pages[key].ended = True
        while self._pages and next(iter(self._pages.values())).ended:
            self._turn()

    def close(self) -> None:
        """Print what still waits; the work ended early."""
        while self._pages:
            self._turn()

    def _turn(self) -> None:
        """Go on to the next document."""
        self._pages.popitem(last=False)
        if self._pages:
            page = next(iter(self._pages.values()))
            for line in page.lines:
                line()
            page.lines.clear()
