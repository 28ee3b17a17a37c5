"""Which services are emulated, and what one can ask of them."""

from __future__ import annotations

from enum import StrEnum


class Vendor(StrEnum):
    """The services that are emulated; the value is also the prefix of the service's URLs."""

    OPENAI = "openai"
    """OpenAI files, batches, chat completions and responses."""
    ANTHROPIC = "anthropic"
    """Anthropic message batches and messages."""
    GEMINI = "gemini"
    """Gemini Developer API files, batches and generateContent."""


class Operation(StrEnum):
    """The calls of a vendor's API that faults can strike."""

    UPLOAD = "upload"
    """Bring the input file; at Gemini, the start of an upload and each of its chunks."""
    CREATE = "create"
    """Create a batch: the one call that costs money."""
    GET = "get"
    """Ask about one batch."""
    LIST = "list"
    """Ask for a page of batches."""
    DOWNLOAD = "download"
    """Fetch results."""
    CANCEL = "cancel"
    """Ask for a batch's cancellation."""
    LIVE = "live"
    """Ask the model for an answer now."""
