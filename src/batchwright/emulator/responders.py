"""The emulated model: pure functions from a request to the text of its answer."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchwright.emulator.sampling import resolved, sample
from batchwright.emulator.scenario import Responder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchwright.emulator.asks import Ask

CATEGORIES = (
    "PARSING_ERROR",
    "SPELLING_ERROR",
    "ABSOLUTE_GRAMMATICAL_ERROR",
    "POSSIBLE_AMBIGUOUS_GRAMMATICAL_ERROR",
    "STYLISTIC_PREFERENCE",
    "FALSE_POSITIVE",
)
"""The categories a verdict can have; the position is part of the hash's meaning."""

_KEY = b"batchwright-emulator"
_ARRAY_OF_OBJECTS = re.compile(r"\[\s*\{")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the emulated model thinks of an issue; the same issue always gets the same verdict."""

    error_category: str
    confidence_score: int
    """0 to 100."""
    reasoning: str


def verdict(issue: Mapping[str, Any]) -> Verdict:
    """The verdict on an issue: a keyed hash of its `issue` and `highlighted_context`, for anyone to recompute."""
    message = f"{issue['issue']}\x1f{issue['highlighted_context']}".encode()
    digest = hmac.digest(_KEY, message, hashlib.sha256)
    return Verdict(
        error_category=CATEGORIES[digest[0] % len(CATEGORIES)],
        confidence_score=digest[1] % 101,
        reasoning=f"The emulated reviewer settled this issue with mark {digest.hex()[:12]}.",
    )


def respond(ask: Ask, responder: Responder) -> str:
    """The text with which the emulated model answers."""
    issues = find_issues(ask.last_user_text) if responder in {Responder.AUTO, Responder.CATEGORISE} else None
    if issues is not None:
        return _categorised(issues, ask.schema)
    if responder is Responder.CATEGORISE:
        return _compact(_wrapped([], ask.schema))
    if ask.schema is not None and responder is not Responder.ECHO:
        return _compact(sample(ask.schema, seed=f"{ask.model}\x1f{ask.prompt}"))
    return ask.last_user_text


def find_issues(text: str) -> list[dict[str, Any]] | None:
    """The last JSON array of objects with an `issue_id` and an `issue` in the text, or None.

    The array may stand anywhere, such as in a code fence after page text that has brackets of its own. An example of
    the wanted answer has no `issue`, and is passed over.
    """
    if '"issue_id"' not in text:
        return None
    found, end = None, 0
    for match in _ARRAY_OF_OBJECTS.finditer(text):
        if match.start() < end:
            continue
        try:
            value, end = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if all(isinstance(item, dict) and "issue_id" in item and "issue" in item for item in value):
            found = value
    return found


def _categorised(issues: list[dict[str, Any]], schema: Mapping[str, Any] | None) -> str:
    rows = []
    for issue in issues:
        judged = verdict({"highlighted_context": "", **issue})
        rows.append(
            {
                "issue_id": issue["issue_id"],
                "error_category": judged.error_category,
                "confidence_score": judged.confidence_score,
                "reasoning": judged.reasoning,
            }
        )
    return _compact(_wrapped(rows, schema))


def _wrapped(rows: list[dict[str, Any]], schema: Mapping[str, Any] | None) -> Any:
    """The list itself, or inside the schema's only property where that is an array."""
    if schema is None:
        return rows
    properties = resolved(schema, schema).get("properties")
    if not isinstance(properties, dict) or len(properties) != 1:
        return rows
    ((name, inner),) = properties.items()
    is_array = str(resolved(inner, schema).get("type", "")).lower() == "array"
    return {name: rows} if is_array else rows


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
