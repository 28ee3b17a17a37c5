"""What a request asks of the model, freed from the vendor's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to the model.

    `prompt` is every text of the request in order, instructions first; `last_user_text` the text of the last user
    turn; `schema` the output schema that the service heeds, in JSON Schema or OpenAPI form, or None.
    """

    model: str
    prompt: str
    last_user_text: str
    schema: Mapping[str, Any] | None = None


def joined(*texts: str) -> str:
    """The texts that are not empty, one blank line apart."""
    return "\n\n".join(text for text in texts if text)


def tokens(text: str) -> int:
    """A deterministic stand-in for the vendor's token count: a quarter of the characters, at least one."""
    return max(1, len(text) // 4)
