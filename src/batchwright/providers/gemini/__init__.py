"""Gemini: `GeminiLLM`, imported when it is first named."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchwright.providers.gemini.adapter import GeminiLLM

__all__ = ["GeminiLLM"]


def __getattr__(name: str) -> Any:
    if name == "GeminiLLM":
        from batchwright.providers.gemini.adapter import GeminiLLM  # noqa: PLC0415  (brings the HTTP client)

        return GeminiLLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
