"""One phase of the memory benchmark in a process of its own; prints what it cost as a line of JSON.

The phases of a job follow one another in the same folder: plan, submit, settle, collect. Everything but the task is
what the commands use.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rows import RowsTask

from batchwright.batch.collecting.collector import Collector
from batchwright.batch.orchestrator import Engine
from batchwright.batch.sending.assembler import Assembly
from batchwright.batch.sending.creation import write_jobs
from batchwright.batch.sending.planner import JobsPer
from batchwright.clock import SystemClock
from batchwright.config import EMULATOR_VARIABLE, Environment
from batchwright.errors import BatchwrightError
from batchwright.providers.base import Provider
from batchwright.providers.registry import open_provider
from batchwright.tasks.remaining import what_is_left
from batchwright.tracking.ids import JobIds
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.state import StateFile

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the phases work with."""

    requests: int
    provider: Provider
    task: RowsTask
    store: JsonFileJobStore
    folders: JobFolders
    engine: Engine
    clock: SystemClock


def open_bench(folder: Path, *, provider_name: str, url: str, requests: int) -> Bench:
    """Put everything together in `folder`, against the emulator at `url`."""
    clock = SystemClock()
    store = JsonFileJobStore(folder / "data" / "batch_jobs.json")
    folders = JobFolders(store.path)
    task = RowsTask(rows=requests, reports=folder / "reports")
    provider = open_provider(provider_name, environment=Environment({EMULATOR_VARIABLE: url}))
    engine = Engine(
        store=store,
        folders=folders,
        clock=clock,
        collector=Collector(store=store, folders=folders, state=StateFile(folder / "data" / "state.json"), clock=clock),
        provider_of=lambda _name, _model: provider,
        task_of=lambda _name: task,
        new_job_id=JobIds(clock.now),
    )
    return Bench(
        requests=requests, provider=provider, task=task, store=store, folders=folders, engine=engine, clock=clock
    )


def plan(bench: Bench) -> int:
    """Plan every row into as few jobs as the provider takes, written and remembered; return the requests."""
    planned = what_is_left(
        bench.task.documents(), task=bench.task, records=bench.store.load(), batch_size=1, limit=None, force=False
    )
    assembly = Assembly(
        task=bench.task,
        provider=bench.provider,
        jobs_per=JobsPer.RUN,
        batch_size=1,
        open_payload=lambda job_id, suffix: bench.folders.writer(bench.folders.requests_path(job_id, suffix)),
        new_job_id=JobIds(bench.clock.now),
        now=bench.clock.now,
    )

    jobs = list(write_jobs(planned, assembly))
    bench.store.add(jobs)
    for record in jobs:
        bench.folders.keep(record)
    return sum(record.request_count for record in jobs)


def submit(bench: Bench) -> int:
    """Send every planned job; return the requests sent."""
    submissions = list(bench.engine.submit_all(bench.store.load()))
    _raise_first(submission.error for submission in submissions)
    return sum(submission.record.request_count for submission in submissions)


def settle(bench: Bench) -> int:
    """Wait until the emulator has answered everything, so that collecting waits for nothing; return the requests."""
    records = bench.store.load()
    for record in records:
        while not bench.provider.get_batch_job(record.job_name or "").done:
            time.sleep(_POLL_SECONDS)
    return sum(record.request_count for record in records)


def collect(bench: Bench) -> int:
    """Look at every job once, which downloads and merges its answers; return the rows written."""
    looks = list(bench.engine.look_at_all(bench.store.load()))
    _raise_first(look.error for look in looks)
    return sum(report.rows for look in looks if look.collection for report in look.collection.saved)


PHASES: dict[str, Callable[[Bench], int]] = {"plan": plan, "submit": submit, "settle": settle, "collect": collect}


def _raise_first(errors: Iterable[BatchwrightError | None]) -> None:
    for error in errors:
        if error is not None:
            raise error


def _peak_bytes() -> int:
    """The most memory this process has had resident; the kernels disagree about the unit."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    """Run one phase; return 1 when it did not handle every request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phase", choices=PHASES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--provider", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, required=True)
    options = parser.parse_args()
    bench = open_bench(options.folder, provider_name=options.provider, url=options.url, requests=options.requests)
    wall, cpu = time.perf_counter(), time.process_time()
    handled = PHASES[options.phase](bench)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if handled != options.requests:
        print(f"{options.phase}: {handled:,} of {options.requests:,} requests were handled", file=sys.stderr)
        return 1
    print(json.dumps({"requests": handled, "wall_s": wall, "cpu_s": cpu, "peak_bytes": _peak_bytes()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
