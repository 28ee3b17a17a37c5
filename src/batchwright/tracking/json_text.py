"""JSON as it stands in our files: written so that a person can read it and version control shows small differences."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import to_json

from batchwright.tracking.codec import RECORD_FIELDS
from batchwright.tracking.names import ATTEMPTS, BATCHES

_BY_LINE = frozenset({ATTEMPTS, BATCHES})
"""Lists of a record that get a line for each of their elements."""

_NAMES = {name: b'      "%b": ' % name.encode() for name in RECORD_FIELDS}
"""Every field's opening, made once: there are hundreds of thousands of them in a large file."""


def to_line(value: object) -> bytes:
    """Return compact JSON on one line; half a surrogate pair, which no UTF-8 file can hold, becomes U+FFFD."""
    try:
        return to_json(value)
    except ValueError:
        return to_json(_without_surrogates(value))


def tracking_text(document: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the text of a tracking file: a line for each field of a job, and for each of its batches."""
    opening = b"{"
    for name, value in document.items():
        if name != "jobs":
            yield b"%b\n  %b: %b" % (opening, to_line(name), to_line(value))
            opening = b","
    yield opening + b'\n  "jobs": {'
    opening = b"\n"
    for job_id, record in document["jobs"].items():
        yield b"%b    %b: %b" % (opening, to_line(job_id), _block(record))
        opening = b",\n"
    yield b"\n  }\n}\n" if document["jobs"] else b"}\n}\n"


def _block(record: Mapping[str, Any]) -> bytes:
    fields = [
        (_NAMES.get(name) or b"      %b: " % to_line(name)) + _field(name, value) for name, value in record.items()
    ]
    return b"{\n" + b",\n".join(fields) + b"\n    }"


def _field(name: str, value: object) -> bytes:
    if name in _BY_LINE and isinstance(value, list) and value:
        return b"[\n        " + b",\n        ".join([to_line(item) for item in value]) + b"\n      ]"
    return to_line(value)


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value
