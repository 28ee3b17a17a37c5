"""Anthropic: `AnthropicLLM`, imported when it is first named."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchwright.providers.anthropic.adapter import AnthropicLLM

__all__ = ["AnthropicLLM"]


def __getattr__(name: str) -> Any:
    if name == "AnthropicLLM":
        from batchwright.providers.anthropic.adapter import AnthropicLLM  # noqa: PLC0415  (brings the HTTP client)

        return AnthropicLLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
