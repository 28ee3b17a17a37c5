"""Test your own program without a model, and without waiting: an hour of cooldowns passes at once."""

import asyncio

from pydantic import BaseModel

from batchwright import BatchResult, LLMWorkItem, ParallelBatchProcessor
from batchwright.testing import MockAgent, run_virtual


class Summary(BaseModel):
    title: str
    words: int


async def summarise(agent: MockAgent, texts: list[str]) -> BatchResult:
    """Your program: it takes any agent, a real one or this."""
    processor = ParallelBatchProcessor()
    for number, text in enumerate(texts):
        await processor.add_work(LLMWorkItem(item_id=str(number), agent=agent, prompt=text))
    return await processor.process_all()


async def scene() -> None:
    agent = MockAgent(
        response_factory=lambda prompt: Summary(title=prompt.title(), words=len(prompt.split())),
        latency=0.5,
        rate_limit_on_call=5,
        timeout_on_call=[2, 3],
    )
    result = await summarise(agent, [f"text number {n}" for n in range(12)])
    print(f"{result.succeeded} of {result.total_items} after {agent.call_count} calls")
    print(result.results[-1].output)
    print(f"it would have taken {asyncio.get_running_loop().time() / 60:.0f} minutes")


if __name__ == "__main__":
    run_virtual(scene())
