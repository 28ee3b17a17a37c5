"""Settings files: `batchwright.toml` and the table `tool.batchwright` of `pyproject.toml`, in the working directory.

Which settings there are is not known here; `batchwright.config` says it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchwright.errors import ConfigurationError

FILE = "batchwright.toml"
PYPROJECT = "pyproject.toml"
FILES = (FILE, PYPROJECT)
"""Where settings are looked for; one in an earlier file counts, whatever a later one says."""

_TABLE = ("tool", "batchwright")
OTHERS = frozenset({"batch", "prices"})
"""Tables that other parts of the program read for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A setting as a file has it."""

    value: Any
    file: str


def read_settings(folder: Path) -> dict[str, Found]:
    """Return every setting of a folder's files by its dotted name, such as `limits.gemini.max_requests`.

    Raises `ConfigurationError` for a file that cannot be read or is no TOML.
    """
    found: dict[str, Found] = {}
    for file in FILES:
        for name, value in _flat(_document(folder / file)):
            found.setdefault(name, Found(value=value, file=file))
    return found


def read_table(folder: Path, name: str) -> Found | None:
    """Return one of `OTHERS` and the file it is in; None where no file has it. Raises `ConfigurationError`."""
    for file in FILES:
        document = _document(folder / file)
        if name in document:
            return Found(value=document[name], file=file)
    return None


def _document(path: Path) -> Mapping[str, Any]:
    """Return the settings of a file; none if there is no such file, or it is about other things."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ConfigurationError(f"{path.name} cannot be read: {exc.strerror or exc}") from exc
    if path.name == PYPROJECT and _TABLE[-1].encode() not in data:
        return {}  # a project that has nothing to do with us may have a file that nobody can read
    import tomllib  # noqa: PLC0415  (only where there is a file to read)

    try:
        document: Any = tomllib.loads(data.decode("utf-8-sig"))
    except ValueError as exc:
        raise ConfigurationError(f"{path.name} is no TOML: {exc}") from exc
    for table in _TABLE if path.name == PYPROJECT else ():
        document = document.get(table, {})
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"{path.name}: {'.'.join(_TABLE)} is no table")
    return document


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if not prefix and name in OTHERS:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
