"""Compare the reports of a demo with the emulator's own log of what it answered."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pydantic_core

from batchwright.answer import parse_answer
from batchwright.batch.lifecycle import position_of
from batchwright.batch.sending.planner import batch_at
from batchwright.cli.workbench import Workbench
from batchwright.job import BatchRef, JobRecord
from batchwright.reports.document_csv import read_rows


@dataclass(slots=True)
class Check:
    """What the comparison found."""

    reports: dict[Path, int] = field(default_factory=dict)
    """Rows of each report that were compared."""
    differing: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows compared."""
        return sum(self.reports.values())


def check_reports(workbench: Workbench, job_ids: Collection[str], emulator_url: str) -> Check:
    """Compare every answer of the given jobs in the emulator's log with its row in the reports."""
    task = workbench.task()
    check = Check()
    records = [record for record in workbench.store.load() if record.job_id in job_ids]
    reports: dict[Path, dict[str, Any]] = {}
    for batch, answer in _logged_answers(records, emulator_url):
        path = task.report_path(batch.group, batch.document)
        rows = reports.setdefault(path, {row[task.report.key]: row for row in read_rows(path, task.report)})
        for verdict in answer:
            check.reports[path] = check.reports.get(path, 0) + 1
            row = rows.get(str(verdict[task.report.key]))
            if row is None or any(row[name] != str(value) for name, value in verdict.items()):
                check.differing.append(f"{batch.group}/{batch.document} {verdict}: the report has {row}")
    return check


def _logged_answers(records: Collection[JobRecord], url: str) -> Iterator[tuple[BatchRef, list[dict[str, Any]]]]:
    with httpx2.stream("GET", f"{url}/_emulator/log", params={"kind": "answer"}) as response:
        response.raise_for_status()
        body = b"".join(response.iter_bytes())
    for line in body.split(b"\n"):
        if not line:
            continue
        entry = pydantic_core.from_json(line)
        for record in records:
            position = position_of(record.tag or "", entry["custom_id"])
            if position is not None:
                answer = parse_answer(entry["text"]).value
                yield batch_at(record.batches, position), answer if isinstance(answer, list) else answer["items"]
