"""Tolerant readers for foreign JSON: vendors leave fields out, send null or "", numbers as text, dates in three forms.

Each takes whatever stands in the document and returns a value of the wanted type, or the empty one; none raises.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

Json = Mapping[str, Any]
"""A JSON object as it came."""

_NOTHING: Json = {}
MOST = 2**53
"""The largest whole number that every reader of JSON agrees on."""
_YEARS = range(1970, 3000)


def as_object(value: object) -> Json:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else _NOTHING


def as_list(value: object) -> Sequence[Any]:
    """Return `value` if it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else ()


def as_text(value: object) -> str | None:
    """Return `value` if it is a text that is not empty, else None (vendors write both null and "" for nothing)."""
    return value if isinstance(value, str) and value else None


def as_word(value: object) -> str | None:
    """Return a code as text: vendors write the same field now as a text, now as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return as_text(value)


def as_count(value: object) -> int:
    """Return a number of things: Gemini's are texts, and zero is often left out. What cannot be a count is 0."""
    if type(value) is int:  # nearly always
        return value if 0 <= value <= MOST else 0
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return 0
    try:
        count = int(value)
    except (ValueError, OverflowError):
        return 0
    return count if 0 <= count <= MOST else 0


def as_time(value: object) -> datetime | None:
    """Return a time in UTC from seconds since 1970 or ISO 8601 (nanoseconds are cut to microseconds).

    A time outside `_YEARS` is none: one could not even add a day to the last of them.
    """
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year in _YEARS else None


def parse_object(body: bytes | str) -> Json:
    """Parse a JSON object. Raises `ValueError` when it is not JSON or not an object."""
    value = from_json(body)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not {type(value).__name__}")  # noqa: TRY004  (callers catch one)
    return value


def document_of(body: bytes) -> object:
    """Return what a body says: parsed where it is JSON, else its text."""
    try:
        return from_json(body)
    except ValueError:
        return body.decode("utf-8", "replace")
