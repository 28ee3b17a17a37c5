"""An agent that needs no model."""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from batchwright.errors import LLMRateLimitError, LLMServerError
from batchwright.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class MockAnswer:
    """What `MockAgent.run` returns."""

    output: Any
    usage: Usage
    """Made up: four characters a token."""


class MockAgent:
    """Answers by a function, and fails when told to.

    `response_factory` makes the output from the prompt; it may raise. `latency` is in seconds. `failure_rate` is the
    share of calls that fail with `LLMServerError`, drawn by `draw`. `rate_limit_on_call` and `timeout_on_call` are the
    number of a call, counted from 1, or several: that call fails with `LLMRateLimitError`, whose `retry_after` can be
    given, or with `TimeoutError`.
    """

    def __init__(
        self,
        response_factory: Callable[[str], Any] = lambda prompt: prompt,
        latency: float = 0.0,
        failure_rate: float = 0.0,
        rate_limit_on_call: int | Collection[int] | None = None,
        timeout_on_call: int | Collection[int] | None = None,
        *,
        retry_after: float | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.call_count = 0
        """Calls so far, failed ones included."""
        self._response_factory = response_factory
        self._latency = latency
        self._failure_rate = failure_rate
        self._rate_limited = _numbers(rate_limit_on_call)
        self._timed_out = _numbers(timeout_on_call)
        self._retry_after = retry_after
        self._draw = draw

    async def run(self, prompt: str, **_: Any) -> MockAnswer:
        """Answer after the latency, or fail as this call was told to."""
        self.call_count += 1
        call = self.call_count
        if self._latency:
            await asyncio.sleep(self._latency)
        if call in self._rate_limited:
            message = f"429: call {call} was told to be refused"
            raise LLMRateLimitError(message, status_code=429, retry_after=self._retry_after)
        if call in self._timed_out:
            raise TimeoutError(f"call {call} was told to time out")
        if self._failure_rate and self._draw() < self._failure_rate:
            raise LLMServerError(f"call {call} failed by chance", status_code=500)
        output = self._response_factory(prompt)
        return MockAnswer(output=output, usage=Usage(input_tokens=_tokens(prompt), output_tokens=_tokens(output)))


def _numbers(calls: int | Collection[int] | None) -> frozenset[int]:
    if calls is None:
        return frozenset()
    return frozenset((calls,) if isinstance(calls, int) else calls)


def _tokens(value: object) -> int:
    return len(str(value)) // 4 + 1
