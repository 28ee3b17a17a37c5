"""Save every result as soon as it is there, and read them as a stream at the same time."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

from batchwright import LLMWorkItem, ParallelBatchProcessor, ProcessorConfig, WorkItemResult
from batchwright.testing import MockAgent

ANSWERS = Path("answers.jsonl")


class Saver:
    """Writes one line a result; a failed item is written as well, with its error."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self.lines = 0

    def __call__(self, result: WorkItemResult) -> None:
        line = {"id": result.item_id, "answer": result.output, "error": result.error}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self.lines += 1

    def close(self) -> None:
        self._file.close()


async def main() -> None:
    save = Saver(ANSWERS)
    # Any iterable will do, however long: no more is taken from it than is read here.
    agent = MockAgent(lambda prompt: prompt.upper(), latency=0.01)
    items = (LLMWorkItem(item_id=f"row-{n}", agent=agent, prompt=f"sentence {n}") for n in range(100))

    processor = ParallelBatchProcessor(ProcessorConfig(max_workers=10), post_processor=save)
    async with aclosing(processor.stream(items)) as results:
        async for result in results:
            if result.item_id == "row-0":
                print(f"first of all: {result.output}")
    save.close()
    print(f"{save.lines} lines in {ANSWERS}")


if __name__ == "__main__":
    asyncio.run(main())
