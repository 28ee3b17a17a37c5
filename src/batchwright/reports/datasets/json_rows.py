"""JSON: a list with a row on each line, or JSON Lines."""

from collections.abc import Mapping
from typing import Any

from batchwright.reports.datasets.base import ERROR, RESPONSE, Layout, Outcome, Shape
from batchwright.tracking.json_text import to_line


class JsonlLayout(Layout):
    """An object a line: the row's cells as they came, `response`, and `error` where it failed.

    With a schema, `response` is what the answer says, not its text.
    """

    def __init__(self, shape: Shape) -> None:
        self._response = shape.named(RESPONSE)
        self._error = shape.named(ERROR)

    def head(self) -> bytes:
        """Return nothing."""
        return b""

    def encode(self, cells: Mapping[str, Any], outcome: Outcome) -> bytes:
        """Return the row's line."""
        return self._object(cells, outcome) + b"\n"

    def tail(self) -> bytes:
        """Return nothing."""
        return b""

    def _object(self, cells: Mapping[str, Any], outcome: Outcome) -> bytes:
        response = outcome.text if outcome.value is None else outcome.value
        row = {**cells, self._response: response}
        if outcome.error is not None:
            row[self._error] = outcome.error
        return to_line(row)


class JsonLayout(JsonlLayout):
    """A list of such objects."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._opening = b"\n"

    def head(self) -> bytes:
        """Return the opening bracket."""
        return b"["

    def encode(self, cells: Mapping[str, Any], outcome: Outcome) -> bytes:
        """Return the row's line, and what ends the one before it."""
        opening, self._opening = self._opening, b",\n"
        return opening + self._object(cells, outcome)

    def tail(self) -> bytes:
        """Return the closing bracket."""
        return b"\n]\n"
