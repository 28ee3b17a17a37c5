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

from batchwright.pricing.editions import FINE_TUNED, only_edition


def closeness(clause: MatchLogic, name: str, *, entry: str) -> int | None:
    """Return how many characters of a plain `name` a rule of the list's `entry` accounts for.

    None where it is not about that model. A fine-tuned model is never priced as the one it was made from.
    """
    if name.startswith(FINE_TUNED) and not entry.startswith(FINE_TUNED):
        return None
    length = _accounted(clause, name)
    return length if length is not None and only_edition(name, length) else None


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
