"""What a task's report files look like; the writer in `document_csv` knows nothing else about a task."""

from collections.abc import Mapping
from dataclasses import dataclass

Row = Mapping[str, str]
"""A line of a report: column name to cell text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpec:
    """What the task's report files look like."""

    columns: tuple[str, ...]
    key: str
    """The column that holds the item id; a row replaces the one with the same key."""
    identity: tuple[str, ...]
    """Columns that say which item it is; a row whose identity differs from the item's belongs to another item."""
    answer: str
    """The column that is filled exactly when the item has been answered."""
    byte_order_mark: bool = False
    """Whether files begin with a UTF-8 byte-order mark, as the input did."""
