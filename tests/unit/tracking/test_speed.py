import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic_core import from_json, to_json

from batchwright.job import Attempt, BatchRef, JobRecord, JobState, RequestCounts
from batchwright.tracking.ids import JobIds
from batchwright.tracking.json_file import JsonFileJobStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def make_records(jobs: int, batches: int) -> Iterator[JobRecord]:
    make_id = JobIds(lambda: NOW)
    for job_id in (make_id() for _ in range(jobs)):
        yield JobRecord(
            job_id=job_id,
            provider_name="gemini",
            task="categorise",
            model="gemini-3-flash",
            batches=tuple(
                BatchRef(
                    group="Geography",
                    document="gcse-geography.md",
                    index=index,
                    item_ids=range(10 * index, 10 * index + 10),
                    digest="0123456789abcdef",
                )
                for index in range(batches)
            ),
            request_count=batches,
            created_at=NOW,
            batch_size=10,
            state=JobState.IN_PROGRESS,
            provider_state="JOB_STATE_RUNNING",
            job_name=f"batches/{job_id}",
            attempts=(Attempt(tag=f"{job_id}-a1", started_at=NOW, file_id="files/x", job_name=f"batches/{job_id}"),),
            counts=RequestCounts(total=batches),
            submitted_at=NOW,
            polled_at=NOW,
        )


def cpu(work: Callable[[], object]) -> float:
    """Best of five, in seconds."""
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(("jobs", "batches"), [(10_000, 1), (200, 107)])
def test_one_update_costs_at_most_three_times_reading_and_writing_the_bytes(tmp_path, jobs, batches):
    path = tmp_path / "batch_jobs.json"
    store = JsonFileJobStore(path)
    store.add(make_records(jobs, batches))
    data = path.read_bytes()
    job_id = store.load()[jobs // 2].job_id
    floor = cpu(lambda: path.with_suffix(".floor").write_bytes(to_json(from_json(data))))
    update = cpu(lambda: store.update(job_id, lambda record: replace(record, batch_size=record.batch_size + 1)))
    print(f"{jobs} jobs of {batches}: {update * 1000:.0f} ms, {update / floor:.2f} times the floor")  # noqa: T201 (a figure to read)
    assert update <= 3 * floor
