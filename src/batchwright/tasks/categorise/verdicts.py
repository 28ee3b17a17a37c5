"""From a model's answer to a verdict for each issue. Pure, and forgiving about form only.

A wrong or missing id or category is never guessed. What is put right: an object around the list, an object keyed by id,
numbers in quotes, a category's case and separators, a confidence from 0 to 1 or beyond the scale.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from batchwright.errors import AnswerError
from batchwright.request import OutputSchema


class Category(StrEnum):
    """What a finding can be. The prompt defines each at length; this is the sentence a reader of the code needs."""

    PARSING_ERROR = "PARSING_ERROR"
    """The conversion of the document damaged the words; the author is not to blame."""
    SPELLING_ERROR = "SPELLING_ERROR"
    """A word is spelled wrongly in British English."""
    ABSOLUTE_GRAMMATICAL_ERROR = "ABSOLUTE_GRAMMATICAL_ERROR"
    """A rule of grammar or punctuation is broken, whatever was meant."""
    POSSIBLE_AMBIGUOUS_GRAMMATICAL_ERROR = "POSSIBLE_AMBIGUOUS_GRAMMATICAL_ERROR"
    """Whether it is a mistake depends on what was meant, or on the style guide."""
    STYLISTIC_PREFERENCE = "STYLISTIC_PREFERENCE"
    """The text is correct; another wording is a matter of taste."""
    FALSE_POSITIVE = "FALSE_POSITIVE"
    """Nothing is wrong: the checker does not know the word or misread the sentence."""


OUTPUT_SCHEMA = OutputSchema(
    name="verdicts",
    # Only what all three vendors accept: no bounds on numbers or lengths.
    schema={
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "issue_id": {"type": "integer", "description": "The issue_id of the finding, unchanged."},
                "error_category": {"type": "string", "enum": [str(category) for category in Category]},
                "confidence_score": {"type": "integer", "description": "A whole number from 0 to 100."},
                "reasoning": {"type": "string", "description": "One sentence that names what decided it."},
            },
            "required": ["issue_id", "error_category", "confidence_score", "reasoning"],
            "additionalProperties": False,
        },
    },
)

_LONGEST_REASONING = 1_000
_LONGEST_NUMBER = 20
_LARGEST_ID = 10**15
# CSI sequences, OSC strings and lone escapes: a report is read in terminals and spreadsheets.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]?|\x9b[0-?]*[ -/]*[@-~]"
)
_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn"})
_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the model says about one issue."""

    category: Category
    confidence: int
    """0 to 100."""
    reasoning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The verdicts of one answer by issue id, and what was wrong with the rest."""

    by_id: Mapping[int, Verdict]
    warnings: tuple[str, ...]


def read_verdicts(value: Any, issue_ids: Collection[int]) -> Verdicts:
    """Read the parsed JSON of an answer about `issue_ids`.

    Raises `AnswerError` when it is not a list of verdicts in any of the forms that models give one. Where an issue is
    answered twice the first usable verdict counts. A confidence beyond 0 to 100 is brought to the nearer end.
    """
    entries = _entries(value)
    from_unit_scale = _on_unit_scale(entries)
    found: dict[int, Verdict] = {}
    warnings: list[str] = []
    for entry in entries:
        issue_id = _whole_number(entry.get("issue_id"))
        if issue_id is None or issue_id not in issue_ids:
            shown = _shown(entry.get("issue_id")) if issue_id is None else issue_id
            warnings.append(f"Issue ID {shown} not in batch, skipping")
            continue
        if issue_id in found:
            warnings.append(f"Issue {issue_id} answered more than once, keeping the first")
            continue
        verdict = _verdict(entry, from_unit_scale=from_unit_scale)
        if verdict is None:
            warnings.append(f"Issue {issue_id} missing required fields")
        else:
            found[issue_id] = verdict
    return Verdicts(by_id=found, warnings=tuple(warnings))


def clean_line(text: str) -> str:
    """Return `text` on one line, without control characters, escape sequences and marks that turn the direction."""
    printable = (
        " " if character.isspace() else character
        for character in _ESCAPES.sub("", text)
        if character.isspace() or (unicodedata.category(character) not in _UNPRINTABLE and character not in _DIRECTION)
    )
    return " ".join("".join(printable).split())


def _entries(value: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        value = _unwrapped(value)
    if not isinstance(value, list):
        raise AnswerError("the answer is JSON, but not a list of verdicts")
    entries = [entry for entry in value if isinstance(entry, Mapping)]
    if value and not entries:
        raise AnswerError("the answer is a JSON list, but not of verdicts")
    return entries


def _unwrapped(value: Mapping[str, Any]) -> Any:
    """Return the list inside an object: one verdict, the only list of objects, or verdicts keyed by issue id."""
    if "issue_id" in value:
        return [value]
    lists = [inner for inner in value.values() if isinstance(inner, list)]
    if len(lists) == 1:
        return lists[0]
    keyed = [(_whole_number(key), inner) for key, inner in value.items() if isinstance(inner, Mapping)]
    if keyed and len(keyed) == len(value) and all(key is not None for key, _ in keyed):
        return [{**inner, "issue_id": key} for key, inner in keyed]
    return None


def _verdict(entry: Mapping[str, Any], *, from_unit_scale: bool) -> Verdict | None:
    category = _category(entry.get("error_category"))
    score = _score(entry.get("confidence_score"))
    reasoning = entry.get("reasoning")
    text = clean_line(reasoning) if isinstance(reasoning, str) else ""
    if category is None or score is None or not text:
        return None
    if len(text) > _LONGEST_REASONING:
        text = text[:_LONGEST_REASONING].rstrip() + "…"
    return Verdict(category=category, confidence=_percentage(score, from_unit_scale=from_unit_scale), reasoning=text)


def _category(value: Any) -> Category | None:
    if not isinstance(value, str):
        return None
    try:
        return Category(re.sub(r"[\s_-]+", "_", value.strip()).upper())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Score:
    """A confidence as it came: its number, and whether it was written with a fraction or a per cent sign."""

    number: float
    fractional: bool
    per_cent: bool


def _score(value: Any) -> _Score | None:
    text = value.strip() if isinstance(value, str) else ""
    per_cent = text.endswith("%")
    if isinstance(value, str):
        if not text.isascii() or len(text) > _LONGEST_NUMBER or "_" in text:
            return None
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            return None
        fractional = "." in text
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            return None
        fractional = isinstance(value, float)
    else:
        return None
    return _Score(number, fractional, per_cent) if math.isfinite(number) else None


def _on_unit_scale(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether an answer gives confidences from 0 to 1: none is above 1, and at least one is written as a fraction.

    That decides about a bare 1: among fractions it is certainty, among whole numbers one per cent.
    """
    scores = [score for score in map(_score, _confidences(entries)) if score is not None]
    return any(score.fractional for score in scores) and all(
        score.number <= 1 and not score.per_cent for score in scores
    )


def _confidences(entries: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for entry in entries:
        yield entry.get("confidence_score")


def _percentage(score: _Score, *, from_unit_scale: bool) -> int:
    # A lone 0.93 among whole numbers is still a share of one: nobody means less than one per cent by it.
    share = from_unit_scale or (0 < score.number < 1 and not score.per_cent)
    number = score.number * 100 if share else score.number
    return math.floor(min(100.0, max(0.0, number)) + 0.5)


def _whole_number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return int(value) if abs(value) < _LARGEST_ID and value == int(value) else None
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value, re.ASCII):
        return int(value)
    return None


def _shown(value: Any) -> str:
    """Return a few words for an id that is none; what stands there may be anything, of any size."""
    if isinstance(value, str):
        return clean_line(value[:80])[:40] or "''"
    return str(value) if isinstance(value, (float, bool)) or value is None else f"of type {type(value).__name__}"
