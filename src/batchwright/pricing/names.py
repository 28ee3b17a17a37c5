"""Whether an entry of the price list is really about a model: the list's own rules match too much.

Many of its rules are prefixes. `gemini-3.8-flash` also takes `gemini-3.8-flash-lite`, a model at another price, and
`claude-opus-4-1` would take a `claude-opus-4-10`. So what a rule leaves of the name has to be a date, a version or a
word for the same model's latest or preview; anything else is another model, whose price is unknown.
"""

import re

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
)

_FINE_TUNED = "ft:"
_SNAPSHOT = re.compile(
    r"(?:[-@.:]?(?:\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{3,4}|v\d|latest|preview|exp|experimental))*"
)
"""Dates as the vendors write them (20251001, 2025-08-07, 09-2025, 05-20), versions (001, 0125, v2), and such words."""


def plain_name(model: str) -> str:
    """Return a model's name as price lists write it: lower case, no resource path, a fine-tuned one by its base.

    `models/gemini-2.5-flash` is `gemini-2.5-flash`; `ft:gpt-4o-mini-2024-07-18:acme::B7x` is priced as every other
    model tuned from `gpt-4o-mini-2024-07-18`. A router's `vendor/model` stays as it is.
    """
    name = model.strip().lower()
    for path in ("publishers/google/models/", "models/"):
        name = name.removeprefix(path)
    if name.startswith(_FINE_TUNED):
        return ":".join(name.split(":")[:2])
    return name


def closeness(clause: MatchLogic, name: str, *, entry: str) -> int | None:
    """Return how many characters of a plain `name` a rule of the list's `entry` accounts for.

    None where it is not about that model. A fine-tuned model is never priced as the one it was made from.
    """
    if name.startswith(_FINE_TUNED) and not entry.startswith(_FINE_TUNED):
        return None
    length = _accounted(clause, name)
    return length if length is not None and _is_snapshot(name, length) else None


def _accounted(clause: MatchLogic, name: str) -> int | None:
    """Return the length of the part of `name`, from its start, that a rule is about; None where it does not match."""
    match clause:
        case ClauseOr():
            lengths = [_accounted(part, name) for part in clause.or_]
            return max((length for length in lengths if length is not None), default=None)
        case ClauseAnd():
            lengths = [_accounted(part, name) for part in clause.and_]
            return None if None in lengths else max(length for length in lengths if length is not None)
        case ClauseEquals(equals=whole) | ClauseEndsWith(ends_with=whole):
            return len(name) if whole.lower() == name else None
        case ClauseStartsWith(starts_with=part) | ClauseContains(contains=part):
            return len(part) if name.startswith(part.lower()) else None
        case ClauseRegex():
            found = re.match(clause.regex, name)
            return found.end() if found else None


def is_edition(model: str, *, of: str) -> bool:
    """Whether `model` is a dated or numbered edition of the model called `of`."""
    name, general = plain_name(model), plain_name(of)
    return name.startswith(general) and _is_snapshot(name, len(general))


def _is_snapshot(name: str, length: int) -> bool:
    """Whether what follows the first `length` characters only says which edition of the same model is meant."""
    if length < len(name) and name[length].isdigit():
        while length and name[length - 1].isdigit():  # a rule may end within a number: of `-10`, it knows only the 1
            length -= 1
    return _SNAPSHOT.fullmatch(name, length) is not None
