"""The record of what was spent: a file that only grows, a line for each time a run said what it has spent so far.

The last line of a run's part counts, and it is the whole of that: saying the same twice, or collecting a job again,
changes nothing, and a run that is killed has said what it had spent shortly before. Several processes may write at
once.
"""

import fcntl
import math
import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, cast

from pydantic_core import from_json, to_json

from batchwright.errors import TrackingError
from batchwright.pricing.spending import NO_MONEY, Line, Spending
from batchwright.usage import Usage

FILE_NAME: Final = "spending.jsonl"
"""Beside the tracking file."""

_DIGITS: Final = 200
"""Before or after the point, as many as our sums have."""

_USAGE: Final = {
    "in": "input_tokens",
    "out": "output_tokens",
    "cached": "cached_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}


class Ledger:
    """The spending of a workspace, in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, tracking_file: Path) -> "Ledger":
        """Return the ledger of the workspace that a tracking file belongs to."""
        return cls(tracking_file.parent / FILE_NAME)

    def record(self, spending: Spending) -> None:
        """Keep what a run has spent so far; durable when this returns. A run that used nothing leaves no trace.

        Raises `TrackingError` when the file cannot be written.
        """
        if not spending.lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("ab") as file:
                # A kernel lock on the file itself, which is never replaced; free when its holder dies.
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(b"" if _ends_whole(self.path) else b"\n")
                file.write(encode(spending))
                file.flush()
                os.fsync(file.fileno())
            if new:
                _sync_folder(self.path.parent)
        except OSError as exc:
            raise TrackingError(f"cannot note what was spent in {self.path}: {exc.strerror or exc}") from exc

    def load(self) -> tuple[tuple[Spending, ...], int]:
        """Return the spending of every part of every run, in the order they began, and how many lines nobody can read.

        Raises `TrackingError` when the file itself cannot be read; one that is not there holds nothing.
        """
        runs: dict[tuple[str, str], Spending] = {}
        damaged = 0
        try:
            with self.path.open("rb") as file:
                for line in file:
                    spending = decode(line)
                    if spending is not None:
                        runs[spending.run, spending.part] = spending
                    elif line.strip():
                        damaged += 1
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise TrackingError(f"cannot read {self.path}: {exc.strerror or exc}") from exc
        return tuple(runs.values()), damaged


def encode(spending: Spending) -> bytes:
    """Return a line of the file, its line end included; what is zero is left out."""
    value = {
        "run": _encodable(spending.run),
        "part": _encodable(spending.part) or None,
        "task": _encodable(spending.task),
        "items": spending.items or None,
        "estimated_tokens": spending.estimated_tokens or None,
        "seconds": round(spending.seconds, 3) or None,
        "emulated": spending.emulated or None,
        "lines": [_encode_line(line) for line in spending.lines],
    }
    return to_json({name: field for name, field in value.items() if field is not None}) + b"\n"


def decode(line: bytes) -> Spending | None:
    """Return what a line says, or None if it is damaged or from a version that writes other lines."""
    try:
        value = cast("Mapping[str, Any]", from_json(line))
        return Spending(
            run=_text(value["run"]),
            part=_text(value.get("part", "")),
            task=_text(value["task"]),
            lines=tuple(_decode_line(entry) for entry in value["lines"]),
            items=_count(value.get("items", 0)),
            estimated_tokens=_count(value.get("estimated_tokens", 0)),
            seconds=_seconds(value.get("seconds", 0)),
            emulated=value.get("emulated", False) is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation, OverflowError):
        return None


def _encode_line(line: Line) -> dict[str, object]:
    value = {
        "day": line.day.isoformat(),
        "provider": _encodable(line.provider_name),
        "model": _encodable(line.model),
        "batch": line.batch,
        "requests": line.requests,
        "usage": {short: tokens for short, name in _USAGE.items() if (tokens := getattr(line.usage, name))},
        "cost": format(line.cost, "f"),
        "unpriced": line.unpriced or None,
        "saved": format(line.saved, "f") if line.saved else None,
        "output_squares": line.output_squares or None,
    }
    return {name: field for name, field in value.items() if field is not None}


def _decode_line(value: Mapping[str, Any]) -> Line:
    usage = cast("Mapping[str, Any]", value["usage"])
    return Line(
        day=date.fromisoformat(value["day"]),
        provider_name=_text(value["provider"]),
        model=_text(value["model"]),
        batch=value["batch"] is True,
        requests=_count(value["requests"]),
        usage=Usage(**{name: _count(usage.get(short, 0)) for short, name in _USAGE.items()}),
        cost=_money(value["cost"]),
        unpriced=_count(value.get("unpriced", 0)),
        saved=_money(value["saved"]) if "saved" in value else NO_MONEY,
        output_squares=_count(value.get("output_squares", 0)),
    )


def _encodable(text: str) -> str:
    """Half a surrogate pair, which no UTF-8 file can hold, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError("not text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value


def _seconds(value: object) -> float:
    if type(value) not in {int, float} or not 0 <= (seconds := float(cast("float", value))) < math.inf:
        raise ValueError("not a time")
    return seconds


def _money(value: object) -> Decimal:
    amount = Decimal(_text(value))
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or not -_DIGITS <= exponent <= _DIGITS:  # not finite, or written out far too long
        raise ValueError("not an amount")
    return amount


def _ends_whole(path: Path) -> bool:
    """Whether the last line is whole; half of one is left by a process that died while it wrote."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # a file system that cannot; it orders the new name itself
    finally:
        os.close(handle)
