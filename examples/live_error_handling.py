"""What is asked again, what pauses everybody, and what fails at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from batchwright import (
    DefaultErrorClassifier,
    ErrorInfo,
    FixedDelayStrategy,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
    LLMWorkItem,
    ParallelBatchProcessor,
    ProcessorConfig,
    RetryConfig,
)

Call = Callable[[int, float], Awaitable[tuple[str, dict[str, int]]]]


class TooShortError(Exception):
    """An answer of ours that is not good enough."""


class MyClassifier(DefaultErrorClassifier):
    """Knows one more error than the one it is made from."""

    def classify(self, exception: BaseException) -> ErrorInfo:
        info = super().classify(exception)
        return replace(info, error_category="too_short") if isinstance(exception, TooShortError) else info


def failing(*errors: Exception) -> Call:
    """A call that raises one error after the other before it answers."""
    left = list(errors)

    async def call(attempt: int, timeout: float) -> tuple[str, dict[str, int]]:  # noqa: ARG001, ASYNC109
        if left:
            raise left.pop(0)
        return f"answered at attempt {attempt}", {"input_tokens": 10, "output_tokens": 5}

    return call


CALLS = {
    "asked again": failing(LLMServerError("down"), TimeoutError("too slow")),
    "paused for": failing(LLMRateLimitError("too fast", retry_after=0.2)),
    "given up": failing(*[TooShortError("three words")] * 9),
    "never again": failing(LLMQuotaError("the credit is used up")),
}


async def main() -> None:
    processor = ParallelBatchProcessor(
        ProcessorConfig(retry=RetryConfig(max_attempts=3, initial_wait=0.01)),
        error_classifier=MyClassifier(),
        rate_limit_strategy=FixedDelayStrategy(60),  # where the provider does not say how long
    )
    for name, call in CALLS.items():
        await processor.add_work(LLMWorkItem(item_id=name, direct_call=call))
    result = await processor.process_all()
    for done in sorted(result.results, key=lambda done: list(CALLS).index(done.item_id)):
        print(f"{done.item_id}: {done.output or done.error} ({done.attempts} attempts)")
    stats = await processor.get_stats()
    print(f"{stats['rate_limit_count']} pause, failures: {stats['error_counts']}")


if __name__ == "__main__":
    asyncio.run(main())
