"""Label each page of a document; stop it at any time and start it again, and it goes on.

Needs a key, or an emulator: BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765. Run it in a sample workspace.
"""

import json
import re
from pathlib import Path

from pydantic import BaseModel, Field

from batchwright import (
    Checkpoint,
    LLMBatchConfig,
    LLMBatchProcessor,
    LLMRequest,
    LLMResult,
    batch_process_with_preparation,
    llm_result_to_metrics,
    stage_logger,
)

DOCUMENT = Path("Documents/Geography/markdown/gcse-geography.md")
OUT = Path("data/labels")
MARKER = re.compile(r"\{(\d+)\}-+\n")


class Labels(BaseModel):
    heading: str
    topics: list[str]
    confidence: float = Field(ge=0.0, le=1.0)


def read_pages(path: Path) -> dict[int, str]:
    _, *rest = MARKER.split(path.read_text(encoding="utf-8"))
    return {int(number): text.strip() for number, text in zip(rest[::2], rest[1::2], strict=True)}


def prepare_request(page_num: int, book: dict[int, str], model: str) -> LLMRequest | None:
    if not book[page_num]:
        return None
    return LLMRequest(
        id=f"page_{page_num:04d}",
        model=model,
        messages=[
            {"role": "system", "content": "You label pages of a guide for teachers."},
            {"role": "user", "content": f"Page {page_num} of {len(book)}:\n\n{book[page_num]}"},
        ],
        response_format=Labels,
        metadata={"page_num": page_num},
    )


def main() -> None:
    logger = stage_logger("labels")
    book = read_pages(DOCUMENT)
    OUT.mkdir(parents=True, exist_ok=True)

    def on_result(result: LLMResult) -> None:
        page_num = result.request.metadata["page_num"]
        if not result.success:
            logger.error("✗ page %d", page_num, error=result.error)
            return
        labels = Labels(**result.parsed_json)
        page = {"labels": labels.model_dump(), "metrics": llm_result_to_metrics(result, page_num).model_dump()}
        (OUT / f"{page_num:04d}.json").write_text(json.dumps(page, indent=2), encoding="utf-8")

    config = LLMBatchConfig(model="openai/gpt-5.4-mini", max_workers=10, max_retries=3)
    processor = LLMBatchProcessor(Checkpoint(OUT / "checkpoint.jsonl"), logger, OUT / "log", config)
    stats = batch_process_with_preparation("Labels", book, prepare_request, on_result, processor, book=book)
    print(f"{stats.completed} of {len(book)} pages labelled, {stats.skipped} skipped, {stats.failed} failed")


if __name__ == "__main__":
    main()
