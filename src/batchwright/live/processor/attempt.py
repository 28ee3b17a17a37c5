"""One attempt at one item: whom to ask, and for how long."""

import asyncio
import inspect

from batchwright.live.processor.tokens import Tokens, tokens_of, tokens_of_answer
from batchwright.live.processor.watch import Watch
from batchwright.live.processor.work import LLMWorkItem

Answer = tuple[object, Tokens | None]
"""The output, and the tokens it took where they are known."""


async def attempt_at(item: LLMWorkItem, attempt: int, seconds: float, watch: Watch) -> Answer:
    """Ask once and return the answer. Raises `TimeoutError` after `seconds`, or whatever the asked one raises.

    A call that ends as cancelled although nobody cancelled this task (its own task was, or its client was closed) has
    failed like any other, and is raised as `ConnectionAbortedError`.
    """
    watch.begin(seconds)
    try:
        return await _asked(item, attempt, seconds)
    except asyncio.CancelledError as error:
        if watch.end():
            raise TimeoutError(f"no answer within {seconds:g} seconds (timeout)") from error
        if watch.cancelled:
            raise
        raise ConnectionAbortedError("the call was cancelled from within") from error
    finally:
        watch.end()


async def _asked(item: LLMWorkItem, attempt: int, seconds: float) -> Answer:
    if item.direct_call is not None:
        pair = await item.direct_call(attempt, seconds)
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  (a pair)
            raise TypeError(f"direct_call must return (output, usage), not {type(pair).__name__}")
        return pair[0], tokens_of(pair[1])
    agent = item.agent
    if item.agent_factory is not None:
        agent = item.agent_factory(attempt)
        if inspect.isawaitable(agent):
            agent = await agent
    assert agent is not None, "an item has exactly one way of being asked"
    answer = await agent.run(item.prompt)
    return answer.output, tokens_of_answer(answer)
