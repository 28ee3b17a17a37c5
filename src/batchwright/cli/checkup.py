"""What `doctor` looks at: keys, extras, folders, providers. Each look returns findings and changes nothing."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from batchwright import aio
from batchwright.cli.output import shown_path
from batchwright.config import EMULATOR_VARIABLE, KEY_VARIABLES, Environment, Settings
from batchwright.config_files import FILES
from batchwright.errors import BatchwrightError, LLMProviderConfigurationError
from batchwright.providers.base import Provider

PACKAGE = "batchwright"
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)[^;]*(?:;.*extra == ['\"](?P<extra>[\w-]+)['\"])?")
_OWN_EXTRAS = frozenset({"dev"})
"""Extras for whoever works on batchwright itself."""


class State(StrEnum):
    """How well something is."""

    OK = "ok"
    """It is there and works."""
    ABSENT = "absent"
    """It is not there, and needed only by those who use it."""
    PROBLEM = "problem"
    """It has to be mended."""
    KEY = "key refused"
    """The key is missing or was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    name: str
    state: State
    detail: str


def check_program() -> Iterator[Finding]:
    """Look at this installation: its version, Python's, and the packages of each extra."""
    python = ".".join(map(str, sys.version_info[:3]))
    version = metadata.version(PACKAGE)
    yield Finding(topic="program", name=PACKAGE, state=State.OK, detail=f"{version} on Python {python}")
    for extra, packages in sorted(_extras().items()):
        missing = [package for package in packages if not _installed(package)]
        if missing:
            detail = f"pip install '{PACKAGE}[{extra}]'"
            yield Finding(topic="extra", name=extra, state=State.ABSENT, detail=detail)
        else:
            detail = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
            yield Finding(topic="extra", name=extra, state=State.OK, detail=detail)


def check_keys(environment: Environment) -> Iterator[Finding]:
    """Look which providers have a key; with an emulator, none is needed."""
    emulator = environment.get(EMULATOR_VARIABLE)
    if emulator is not None:
        detail = f"{emulator} ({environment.origin(EMULATOR_VARIABLE)}); every provider goes there, no key is sent"
        yield Finding(topic="key", name="emulator", state=State.OK, detail=detail)
    for name, variables in KEY_VARIABLES.items():
        found = environment.first(*variables)
        if found is None:
            yield Finding(topic="key", name=name, state=State.ABSENT, detail=f"set {' or '.join(variables)}")
        else:
            detail = f"set ({found[0]}, {environment.origin(found[0])})"
            yield Finding(topic="key", name=name, state=State.OK, detail=detail)


def check_folders(settings: Settings) -> Iterator[Finding]:
    """Look whether the workspace's files are there, can be read, and can be written where that is needed."""
    for name in FILES:
        if Path(name).is_file():
            yield Finding(topic="file", name="settings", state=State.OK, detail=name)
    yield _folder("documents", settings.documents_dir, "batchwright init makes a sample")
    yield _report(settings)
    yield _folder("prompts", settings.prompts_dir, "those that came with batchwright are used")
    yield _tracking(settings.tracking_file)
    yield _writable("data", settings.tracking_file.parent)


def ping(names: Iterable[str], open_provider: Callable[[str], Provider]) -> list[Finding]:
    """Ask each provider one cheap thing that proves address, key and model."""
    return [_pinged(name, open_provider) for name in names]


def _pinged(name: str, open_provider: Callable[[str], Provider]) -> Finding:
    begun = time.monotonic()
    try:
        provider = open_provider(name)
        check = getattr(provider, "health_check", None)
        try:
            answered = check is None or check() is not False
        finally:
            aio.run(provider.aclose())
    except LLMProviderConfigurationError as exc:
        return Finding(topic="ping", name=name, state=State.KEY, detail=str(exc))
    except BatchwrightError as exc:
        return Finding(topic="ping", name=name, state=State.PROBLEM, detail=str(exc))
    if not answered:
        return Finding(topic="ping", name=name, state=State.PROBLEM, detail="it says that it is not well")
    detail = f"{provider.model} answered in {time.monotonic() - begun:.2f} s"
    return Finding(topic="ping", name=name, state=State.OK, detail=detail)


def _extras() -> dict[str, list[str]]:
    """Return the packages of each extra that users install, as this installation's own metadata says."""
    extras: dict[str, list[str]] = {}
    for requirement in metadata.requires(PACKAGE) or ():
        found = _REQUIREMENT.match(requirement)
        if found and found["extra"] and found["extra"] not in _OWN_EXTRAS:
            extras.setdefault(found["extra"], []).append(found["name"])
    return extras


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _folder(name: str, folder: Path, otherwise: str) -> Finding:
    if not folder.exists():
        return Finding(topic="file", name=name, state=State.ABSENT, detail=f"no {shown_path(folder)}; {otherwise}")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return Finding(
            topic="file", name=name, state=State.PROBLEM, detail=f"{shown_path(folder)} is no folder that can be read"
        )
    return Finding(topic="file", name=name, state=State.OK, detail=shown_path(folder))


def _report(settings: Settings) -> Finding:
    from batchwright.sources.issues import read_report  # noqa: PLC0415  (not needed where there is no report)

    path = settings.issue_report
    if not path.exists():
        return Finding(topic="file", name="issue report", state=State.ABSENT, detail=f"no {shown_path(path)}")
    try:
        documents = read_report(path).documents
    except BatchwrightError as exc:
        return Finding(topic="file", name="issue report", state=State.PROBLEM, detail=str(exc))
    issues = sum(len(document.issues) for document in documents)
    detail = f"{shown_path(path)}: {issues} issue(s) in {len(documents)} document(s)"
    return Finding(topic="file", name="issue report", state=State.OK, detail=detail)


def _tracking(path: Path) -> Finding:
    from batchwright.tracking.json_file import JsonFileJobStore  # noqa: PLC0415  (as above)

    if not path.exists():
        return Finding(topic="file", name="tracking file", state=State.ABSENT, detail=f"no {shown_path(path)} yet")
    try:
        jobs = len(JsonFileJobStore(path).load())
    except BatchwrightError as exc:
        return Finding(topic="file", name="tracking file", state=State.PROBLEM, detail=str(exc))
    return Finding(topic="file", name="tracking file", state=State.OK, detail=f"{shown_path(path)}: {jobs} job(s)")


def _writable(name: str, folder: Path) -> Finding:
    """Look whether a folder, or the nearest one above it that exists, can be written."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding(topic="file", name=name, state=State.OK, detail=f"{shown_path(folder)} can be written")
    return Finding(topic="file", name=name, state=State.PROBLEM, detail=f"{shown_path(nearest)} cannot be written")
