"""The resume state file, in exactly the guide's shape; it is written from the reports and never decides anything."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from batchwright.errors import TrackingError
from batchwright.tracking.durable import make_folder, replace_durably
from batchwright.tracking.json_text import to_line
from batchwright.tracking.locks import LOCK_TIMEOUT, locked
from batchwright.tracking.names import COMPLETED_BATCHES, GROUPS, TOTAL_ITEMS

VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentProgress:
    """How far one document is."""

    group: str
    document: str
    completed_batches: tuple[int, ...]
    total_items: int


def completed_batches(total_items: int, durable_ids: Collection[int], batch_size: int) -> tuple[int, ...]:
    """Return the batches of which every item has a durable row, in order.

    Items are numbered from 0 to `total_items` - 1; batch k holds kB to (k+1)B - 1, the last one what is left. Raises
    `ValueError` for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"a batch size must be at least 1, not {batch_size}")
    done = Counter(item // batch_size for item in set(durable_ids) if 0 <= item < total_items)
    sizes = ((start // batch_size, min(batch_size, total_items - start)) for start in range(0, total_items, batch_size))
    return tuple(index for index, size in sizes if done[index] == size)


class StateFile:
    """The state file `path`, shared by processes; documents that are not handed in stay as they are in it."""

    def __init__(self, path: Path, *, timeout: float = LOCK_TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout

    def record(self, documents: Iterable[DocumentProgress]) -> None:
        """Set the entries of `documents`.

        Raises `TrackingError` if the file is damaged, of an unknown version or cannot be written; it then stays.
        """
        path = Path(os.path.realpath(self.path))
        try:
            make_folder(path.parent)
            with locked(path.with_name(path.name + ".lock"), path, timeout=self._timeout):
                state, before = self._read()
                for progress in documents:
                    _enter(state[GROUPS], progress)
                text = b"".join(_text(state))
                if text != before:
                    replace_durably(path, [text])
        except OSError as exc:
            raise TrackingError(
                f"cannot write the state file {self.path}: {exc.strerror or exc}; it was kept as it was; "
                "make room or its folder writable, or choose another with --state-file"
            ) from exc

    def _read(self) -> tuple[dict[str, Any], bytes]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {"version": VERSION, GROUPS: {}}, b""
        try:
            state = from_json(data)
        except ValueError as exc:
            raise self._refused(f"is damaged: {exc}") from exc
        if not isinstance(state, dict) or not _is_nested(state.get(GROUPS)):
            raise self._refused("has another shape than a state file")
        if state.get("version") != VERSION:
            raise self._refused(f"has version {state.get('version')!r}, this batchwright knows {VERSION!r}")
        return state, data

    def _refused(self, reason: str) -> TrackingError:
        return TrackingError(
            f"the state file {self.path} {reason}; it was kept as it is; "
            "move it away and it will be made again from the reports"
        )


def _is_nested(groups: object) -> bool:
    """Whether this is an object of objects of objects: group, document, entry."""
    return isinstance(groups, dict) and all(
        isinstance(documents, dict) and all(isinstance(entry, dict) for entry in documents.values())
        for documents in groups.values()
    )


def _enter(groups: dict[str, Any], progress: DocumentProgress) -> None:
    entry = groups.setdefault(progress.group, {}).setdefault(progress.document, {})
    entry[COMPLETED_BATCHES] = list(progress.completed_batches)
    entry[TOTAL_ITEMS] = progress.total_items


def _text(state: dict[str, Any]) -> Iterator[bytes]:
    """Yield the file as the guide prints it: a field a line, lists on one."""
    yield from _lines(state, b"")
    yield b"\n"


def _lines(value: dict[str, Any], indent: bytes) -> Iterator[bytes]:
    opening = b"{\n"
    for name, field in value.items():
        yield b"%b%b  %b: " % (opening, indent, to_line(name))
        if isinstance(field, dict):
            yield from _lines(field, indent + b"  ")
        elif isinstance(field, list):
            yield b"[" + b", ".join([to_line(item) for item in field]) + b"]"
        else:
            yield to_line(field)
        opening = b",\n"
    yield b"{}" if not value else b"\n%b}" % indent
