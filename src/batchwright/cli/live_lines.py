"""Lines about documents that are answered side by side, printed document by document as if one followed another."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from batchwright.tasks.planning import DocumentKey


@dataclass(slots=True)
class _Page:
    lines: list[str] = field(default_factory=list)
    ended: bool = False


class DocumentLines:
    """Prints the lines of the document that was begun first as they come; those of the others wait for it to end."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._pages: OrderedDict[DocumentKey, _Page] = OrderedDict()

    def begin(self, key: DocumentKey, heading: str) -> None:
        """Begin a document."""
        self._pages[key] = _Page()
        self.say(key, heading)

    def say(self, key: DocumentKey, line: str) -> None:
        """Say something about a document that was begun."""
        if next(iter(self._pages)) == key:
            self._show(line)
        else:
            self._pages[key].lines.append(line)

    def end(self, key: DocumentKey) -> None:
        """Nothing more is said about a document."""
        self._pages[key].ended = True
        while self._pages and next(iter(self._pages.values())).ended:
            self._pages.popitem(last=False)
            self._show_first()

    def close(self) -> None:
        """Print what still waits; the work ended early."""
        while self._pages:
            self._pages.popitem(last=False)
            self._show_first()

    def _show_first(self) -> None:
        if self._pages:
            page = next(iter(self._pages.values()))
            for line in page.lines:
                self._show(line)
            page.lines.clear()
