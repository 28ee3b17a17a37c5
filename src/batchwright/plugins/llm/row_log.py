"""Answers that came through a Batch API into the llm tool's own database, each once.

Whoever collects them may be killed, or be another program that knows nothing of the tool. So a run's answers are
logged when its command sees them, under ids that the run and the row make: what is there already is found by them, and
what is written twice stays one.
"""

import hashlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import Path
from typing import Any, Final

import llm
from llm.logs import LogStore
from llm.models import Prompt
from ulid import ULID

from batchwright.plugins.llm.answering import apart, attachments_of
from batchwright.plugins.llm.log import open_log
from batchwright.request import Request, TextPart
from batchwright.run import RowAnswer, RowSet, Run
from batchwright.sources.row_prompts import RowPrompts
from batchwright.tracking.runs import RunStore

_AT_ONCE: Final = 100
"""Answers in one transaction, during which nobody else can write."""
_ROW_BYTES: Final = 5
"""Of an id, at its end: the row. Before them are as many of the run, and six of the time when it began."""


def log_rows(path: Path, run: Run, prompts: RowPrompts, store: RunStore, *, model: Any) -> int:
    """Write the answers of a run that are not in the database at `path` yet, and return how many there were.

    Rows that got the answer of an equal one are left out, as nobody was asked about them. Raises what the database and
    the input do; what was written before that stays.
    """
    left = store.answered(run) - RowSet(row for row, _ in store.copies(run))
    if not left:
        return 0
    log = open_log(path)
    try:
        left = left - _logged(log, run)
        fragments = run.config.get("extras", {}).get("fragments", ())
        found = _answers(run, prompts, store, left)
        while some := list(islice(found, _AT_ONCE)):
            with log.db.atomic():
                for request, answer in some:
                    _write(log, run, request, answer, model, fragments)
    finally:
        log.db.close()
    return len(left)


def _answers(
    run: Run, prompts: RowPrompts, store: RunStore, wanted: AbstractSet[int]
) -> Iterator[tuple[Request, RowAnswer]]:
    """Yield wanted answers with what was asked."""
    if not wanted:
        return
    answers = (answer for answer in store.answers(run, failed=False) if answer.row in wanted)
    answer = next(answers, None)
    for position, row in enumerate(prompts.rows()):
        if answer is None:
            return
        if answer.row == position:
            yield prompts.request(row, f"row-{position}"), answer
            answer = next(answers, None)


def _write(
    log: LogStore, run: Run, request: Request, answer: RowAnswer, model: Any, known: tuple[tuple[str, int], ...]
) -> None:
    parts = request.messages[0].parts
    fragments, text = apart("\n".join(part.text for part in parts if isinstance(part, TextPart)), known)
    name = _id(run, answer.row)
    response = llm.Response.from_dict(
        {
            "model": model.model_id,
            "id": name,
            "prompt": {"messages": []},
            "messages": [{"role": "assistant", "parts": [{"type": "text", "text": answer.response or ""}]}],
            "usage": {"input": answer.usage.input_tokens, "output": answer.usage.output_tokens},
        },
        model=model,
    )
    response.prompt = Prompt(
        text,
        model=model,
        fragments=fragments,
        attachments=attachments_of(parts),
        system=request.system,
        schema=None if request.output_schema is None else dict(request.output_schema.schema),
    )
    response.resolved_model = answer.model
    response._start_utcnow = run.created_at  # noqa: SLF001  (nothing public sets it)
    log.log(response, thread_id=log.ensure_thread(name, name=" ".join(text.split())[:100]))


def _id(run: Run, row: int) -> str:
    """Return the id of an answer: in the order of the rows, and of runs by when they began."""
    began = int(run.created_at.timestamp() * 1000).to_bytes(6, "big")
    of_run = hashlib.blake2b(run.run_id.encode(), digest_size=_ROW_BYTES).digest()
    return str(ULID.from_bytes(began + of_run + row.to_bytes(_ROW_BYTES, "big"))).lower()


def _logged(log: LogStore, run: Run) -> RowSet:
    """Return the rows of a run whose answers are there."""
    last = _id(run, 256**_ROW_BYTES - 1)
    found = log.db.execute("select id from turns where id >= ? and id <= ?", [_id(run, 0), last])
    return RowSet(int.from_bytes(ULID.from_str(name.upper()).bytes[-_ROW_BYTES:], "big") for (name,) in found)
