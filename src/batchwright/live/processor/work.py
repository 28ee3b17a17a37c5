"""What the processor is given and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Agent(Protocol):
    """What can be asked: a pydantic-ai agent, `batchwright.testing.MockAgent`, or anything with this method."""

    async def run(self, prompt: str, /) -> Any:
        """Return something with `.output`, and with `.usage` (a method or an attribute) where tokens are known."""
        ...


AgentFactory = Callable[[int], Any]
"""Makes the agent of an attempt; attempts count from 1. May be asynchronous."""
DirectCall = Callable[[int, float], Awaitable[tuple[Any, Any]]]
"""`(attempt, timeout in seconds) -> (output, usage)`: a mapping of token counts, an object that has them, or None."""


def no_tokens() -> dict[str, int]:
    """Return a token count of nothing, to be added to."""
    return {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


@dataclass(slots=True)
class LLMWorkItem:
    """One thing to ask. Exactly one of `agent`, `agent_factory` and `direct_call` says how; otherwise `ValueError`."""

    item_id: str
    agent: Agent | None = None
    """Asked with `run(prompt)` at every attempt."""
    agent_factory: AgentFactory | None = None
    """Makes another agent for each attempt, with a higher temperature, say."""
    direct_call: DirectCall | None = None
    """Asked itself, instead of an agent."""
    prompt: str = ""
    context: Any = None
    """Whatever you want to find again in the result; never looked at."""
    input_data: Any = None
    """Yours too, for middlewares and the journal's callers; it is not in the result."""
    estimated_tokens: int = 0
    """What the request may use, input and output together, for a limit of tokens per minute."""

    def __post_init__(self) -> None:
        if (self.agent is not None) + (self.agent_factory is not None) + (self.direct_call is not None) != 1:
            ways = [name for name in ("agent", "agent_factory", "direct_call") if getattr(self, name) is not None]
            raise ValueError(
                f"item {self.item_id!r} needs exactly one of agent, agent_factory and direct_call; "
                f"it has {' and '.join(ways) or 'none'}"
            )


@dataclass(slots=True)
class WorkItemResult:
    """What became of one item."""

    item_id: str
    success: bool
    output: Any = None
    """The agent's `.output`, or the first value of the direct call's pair; None for a failure."""
    error: str | None = None
    """The failure's type and message, or "skipped"."""
    context: Any = None
    """The item's."""
    token_usage: Mapping[str, int] = field(default_factory=no_tokens)
    """`input_tokens`, `output_tokens`, `total_tokens` of all attempts together, failed ones included."""
    exception: BaseException | None = field(default=None, repr=False)
    """What the last attempt raised."""
    attempts: int = 0
    """How many were made; one that a rate limit refused is not counted. 0: skipped, recalled, or never asked."""
    seconds: float = 0.0
    """How long the attempts took, without what was waited for between them."""

    def tokens(self, kind: str) -> int:
        """Return a count of `token_usage`; 0 for what is none, for a hook may have put anything there."""
        try:
            count: object = self.token_usage[kind]
        except (KeyError, TypeError, IndexError):
            return 0
        return count if isinstance(count, int) else 0


@dataclass(slots=True)
class BatchResult:
    """What became of all items; `total_items` is `succeeded` and `failed` together."""

    results: list[WorkItemResult]
    """In the order in which they were done."""
    total_items: int = 0
    succeeded: int = 0
    failed: int = 0
    total_input_tokens: int = 0
    total_output_tokens: int = 0

    @classmethod
    def of(cls, results: list[WorkItemResult]) -> "BatchResult":
        """Add the results up."""
        succeeded = sum(result.success for result in results)
        return cls(
            results=results,
            total_items=len(results),
            succeeded=succeeded,
            failed=len(results) - succeeded,
            total_input_tokens=sum(result.tokens("input_tokens") for result in results),
            total_output_tokens=sum(result.tokens("output_tokens") for result in results),
        )
