"""One request to a model, in no vendor's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image sent inline; `media_type` like `image/png`."""

    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPart:
    """A document sent inline; `media_type` like `application/pdf`."""

    data: bytes = field(repr=False)
    media_type: str
    filename: str = "document.pdf"


Part = TextPart | ImagePart | DocumentPart


class Role(StrEnum):
    """Who speaks. System text is a field of the request: two of three vendors keep it apart."""

    USER = "user"
    """The person, or the program asking."""
    ASSISTANT = "assistant"
    """The model, in a conversation that is continued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    parts: tuple[Part, ...]
    role: Role = Role.USER

    @classmethod
    def text(cls, *texts: str, role: Role = Role.USER) -> "Message":
        """Return a message of one text part; several strings are joined by newlines."""
        return cls(parts=(TextPart(text="\n".join(texts)),), role=role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """How to answer. None means: the provider's default (for `model`, the one the provider object was made with)."""

    model: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    thinking_budget: int | None = None
    """Tokens the model may think; 0 switches thinking off where the vendor allows it."""

    def over(self, defaults: "Params") -> "Params":
        """Return these values, with `defaults` where this says None."""
        return Params(
            model=defaults.model if self.model is None else self.model,
            temperature=defaults.temperature if self.temperature is None else self.temperature,
            max_output_tokens=defaults.max_output_tokens if self.max_output_tokens is None else self.max_output_tokens,
            thinking_budget=defaults.thinking_budget if self.thinking_budget is None else self.thinking_budget,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSchema:
    """The JSON Schema an answer must satisfy; its root may be a list, which adapters wrap where a vendor needs it."""

    name: str
    """A short identifier, `^[a-zA-Z0-9_-]{1,64}$` (OpenAI asks for one)."""
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, ready for any provider and either engine."""

    custom_id: str
    """Unique in its job, `^[a-zA-Z0-9_-]{1,64}$`; answers are matched by it."""
    messages: tuple[Message, ...]
    system: str | None = None
    """System text; None means the provider object's own system prompt."""
    params: Params = field(default_factory=Params)
    output_schema: OutputSchema | None = None
