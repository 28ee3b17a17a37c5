"""What a request used, in tokens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one request, or the sum over many; adds up with `+`.

    `input_tokens` counts everything read, cached or not; `output_tokens` everything written, reasoning included. The
    other three are parts of those two, told apart because vendors price them differently.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Part of `input_tokens` read from the vendor's prompt cache."""
    cache_write_tokens: int = 0
    """Part of `input_tokens` written to the vendor's prompt cache (Anthropic prices these above plain input)."""
    reasoning_tokens: int = 0
    """Part of `output_tokens` spent on thinking."""

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )
