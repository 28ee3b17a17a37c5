"""Change items before they are asked, skip some, keep answers for the next time, and step in for what fails."""

import asyncio
import re
from dataclasses import replace

from batchwright import LLMWorkItem, Middleware, ParallelBatchProcessor, RetryConfig, WorkItemResult
from batchwright import ProcessorConfig as Config
from batchwright.testing import MockAgent


class Anonymous(Middleware):
    """Takes mail addresses out of prompts before they leave the house."""

    async def before_process(self, work_item: LLMWorkItem) -> LLMWorkItem | None:
        return replace(work_item, prompt=re.sub(r"\S+@\S+", "[address]", work_item.prompt))


class NotEmpty(Middleware):
    """Asks nothing about nothing."""

    async def before_process(self, work_item: LLMWorkItem) -> LLMWorkItem | None:
        return work_item if work_item.prompt.strip() else None


class Shorter(Middleware):
    """Cuts long answers; called in reverse order, so the first of the list has the last word."""

    async def after_process(self, result: WorkItemResult) -> WorkItemResult:
        return replace(result, output=result.output[:40]) if result.success else result


class SomethingInstead(Middleware):
    """Gives a fixed answer where none can be had."""

    async def on_error(self, work_item: LLMWorkItem, error: BaseException) -> WorkItemResult | None:
        return WorkItemResult(item_id=work_item.item_id, success=True, output=f"no answer ({type(error).__name__})")


async def main() -> None:
    prompts = ["Write to ada@example.org, please.", "  ", "This one will time out.", "A long one. " * 9]
    agent = MockAgent(lambda prompt: f"You said: {prompt}", timeout_on_call=2)
    processor = ParallelBatchProcessor(
        Config(max_workers=1, retry=RetryConfig(max_attempts=1)),
        middlewares=[Shorter(), Anonymous(), NotEmpty(), SomethingInstead()],
    )
    for number, prompt in enumerate(prompts):
        await processor.add_work(LLMWorkItem(item_id=str(number), agent=agent, prompt=prompt))
    for result in (await processor.process_all()).results:
        print(f"{result.item_id}: {result.output or result.error}")


if __name__ == "__main__":
    asyncio.run(main())
