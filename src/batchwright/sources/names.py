"""Names of subjects and documents: which are safe to put in a path, and which of them a person means."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from batchwright.errors import ConfigurationError

_SEPARATORS = re.compile(r"[\s_-]+")
_DRIVE = re.compile(r"[A-Za-z]:")
_LISTED = 25


class Named(Protocol):
    """Anything that has a group (a subject) and a document name."""

    @property
    def group(self) -> str:
        """The group it belongs to."""

    @property
    def name(self) -> str:
        """Its file name."""


NamedT = TypeVar("NamedT", bound=Named)


def unsafe(name: str) -> str | None:
    """Return why `name` must not become one part of a path, or None where it may.

    Names come from a report or a tracking file, so they must never lead out of the documents folder: not on this
    system, nor on another that reads the same file (backslashes and drive letters are refused everywhere).
    """
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "contains a control character"
    if "/" in name or "\\" in name or _DRIVE.match(name):
        return "is a path, not a name"
    if ".." in name or name == ".":
        return "contains '..'" if ".." in name else "is the folder itself"
    return None


def folded(name: str) -> str:
    """Return the form in which subjects are compared: no case, spaces, hyphens or underscores."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFC", name).casefold())


def select(documents: Iterable[NamedT], subjects: Sequence[str] = (), names: Sequence[str] = ()) -> tuple[NamedT, ...]:
    """Return the documents a person asked for, in their own order; no wish means all.

    A subject matches ignoring case, spaces, hyphens and underscores. A name is a file name with or without `.md`,
    ignoring case, or `subject/name`, or a pattern with `*` or `?`; it may match in several subjects, but one without a
    pattern only once in each. Raises `ConfigurationError` for a wish that matches nothing, naming what there is, or
    that matches two.
    """
    known = tuple(documents)
    if subjects:
        groups = tuple(dict.fromkeys(document.group for document in known))
        wanted = {_one_subject(subject, groups) for subject in subjects}
        known = tuple(document for document in known if document.group in wanted)
    if names:
        chosen = {id(document) for name in names for document in _by_name(name, known)}
        known = tuple(document for document in known if id(document) in chosen)
    return known


def _one_subject(subject: str, groups: Sequence[str]) -> str:
    matches = [group for group in groups if folded(group) == folded(subject)]
    if not matches:
        raise ConfigurationError(f"no subject {subject!r} in the report; it has: {_listed(groups)}")
    if len(matches) > 1:
        raise ConfigurationError(f"subject {subject!r} matches more than one: {_listed(matches)}; rename one of them")
    return matches[0]


def _by_name(name: str, documents: Sequence[NamedT]) -> list[NamedT]:
    subject, slash, rest = name.rpartition("/")
    matches = _name_test(rest if slash else name)
    found = [d for d in documents if matches(d.name) and (not slash or folded(d.group) == folded(subject))]
    if not found:
        there = [f"{document.group}/{document.name}" for document in documents]
        raise ConfigurationError(f"no document {name!r} among those chosen; there are: {_listed(there)}")
    if not _is_pattern(name) and len({document.group for document in found}) < len(found):
        twice = [f"{document.group}/{document.name}" for document in found]
        raise ConfigurationError(f"document {name!r} matches more than one: {_listed(twice)}; give the whole name")
    return found


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _name_test(name: str) -> Callable[[str], bool]:
    wanted = unicodedata.normalize("NFC", name).casefold()

    def matches(candidate: str) -> bool:
        whole = unicodedata.normalize("NFC", candidate).casefold()
        spellings = (whole, whole.removesuffix(".md"))
        if _is_pattern(wanted):
            return any(fnmatchcase(spelling, wanted) for spelling in spellings)
        return wanted in spellings

    return matches


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown
