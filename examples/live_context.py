"""Carry your own data from an item to its result.

Uses OpenAI, or an emulator: BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765.
"""

import asyncio
from typing import Any

from batchwright import (
    LLMWorkItem,
    Message,
    ParallelBatchProcessor,
    ProcessorConfig,
    Provider,
    Request,
    Role,
    TextPart,
    Usage,
    open_provider,
)

ROWS = [
    {"user_id": 123, "name": "Ada", "question": "What is a limit?"},
    {"user_id": 124, "name": "Grace", "question": "What is a compiler?"},
    {"user_id": 125, "name": "Emmy", "question": "What is a ring?"},
]


def item(row: dict[str, Any], provider: Provider) -> LLMWorkItem:
    message = Message(role=Role.USER, parts=(TextPart(text=row["question"]),))
    request = Request(custom_id=f"user-{row['user_id']}", messages=(message,))

    async def call(attempt: int, timeout: float) -> tuple[str | None, Usage]:  # noqa: ARG001, ASYNC109
        result = await provider.complete(request)
        if result.failure is not None:
            raise RuntimeError(result.failure.message)
        return result.text, result.usage

    return LLMWorkItem(item_id=request.custom_id, direct_call=call, context=row)


async def main() -> None:
    provider = open_provider("openai")
    processor = ParallelBatchProcessor(ProcessorConfig(max_workers=3, timeout_per_item=60))
    for row in ROWS:
        await processor.add_work(item(row, provider))
    result = await processor.process_all()
    for done in sorted(result.results, key=lambda done: done.item_id):
        print(f"{done.context['name']} ({done.context['user_id']}): {done.output or done.error}")
    print(f"{result.succeeded} of {result.total_items}, {result.total_input_tokens} tokens read")
    await provider.aclose()


if __name__ == "__main__":
    asyncio.run(main())
