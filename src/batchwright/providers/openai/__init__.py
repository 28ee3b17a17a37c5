"""OpenAI: `OpenAILLM`, imported when it is first named."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchwright.providers.openai.adapter import OpenAILLM

__all__ = ["OpenAILLM"]


def __getattr__(name: str) -> Any:
    if name == "OpenAILLM":
        from batchwright.providers.openai.adapter import OpenAILLM  # noqa: PLC0415  (brings the HTTP client)

        return OpenAILLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
