"""The same table through batchwright: what `batchwright batch --via batch` does, in the bare script's parts."""

import argparse
import gc
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from batch_marks import MODEL, SCHEMA, SYSTEM, TEMPLATE, Marks

from batchwright.batch.collecting.row_runs import plan_run
from batchwright.batch.sending.assembler import Assembly
from batchwright.batch.sending.planner import JobsPer
from batchwright.cli.main import OBJECTS_BETWEEN_COLLECTIONS
from batchwright.cli.workbench import Workbench
from batchwright.config import EMULATOR_VARIABLE, Environment, Settings
from batchwright.run import Run
from batchwright.sources.datasets.survey import survey
from batchwright.sources.row_prompts import PromptSpec
from batchwright.tasks.rows import BATCH, COLUMNS, DEDUPE, DIGEST, VIA, RowsTask

RUN_ID = "bench"


def begin(workbench: Workbench, source: Path, output: Path, *, dedupe: bool) -> tuple[RowsTask, Run]:
    """Count and digest the input and remember the run."""
    spec = PromptSpec(inputs=(str(source),), template=TEMPLATE, system=SYSTEM, schema=SCHEMA)
    with spec.open() as prompts:
        seen = survey(prompts.dataset, prompt=prompts.prompt)
        digest = prompts.digest()
    config = spec.config() | {VIA: BATCH, DIGEST: digest, COLUMNS: list(seen.columns)}
    task = workbench.rows_task()
    run = task.store.create(
        Run(
            run_id=RUN_ID,
            created_at=datetime.now(UTC),
            input_file=str(source),
            output_file=str(output),
            model=MODEL,
            total=seen.rows,
            config=config | {DEDUPE: dedupe},
        )
    )
    return task, run


def main() -> int:
    """Run the whole way and print what each part cost; return 1 when something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dedupe", action="store_true")
    options = parser.parse_args()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)  # as the program's entry does
    os.chdir(options.folder)
    workbench = Workbench.over(Settings.over(Environment({EMULATOR_VARIABLE: options.url}), {}))
    provider = workbench.provider("openai", MODEL)
    provider.health_check()  # imports the SDK, which is not what is measured
    engine = workbench.engine()
    marks = Marks()
    with marks.part("write"):
        task, run = begin(workbench, options.source, options.folder / "ours.csv", dedupe=options.dedupe)
        folders = workbench.folders
        assembly = Assembly(
            task=task,
            provider=provider,
            jobs_per=JobsPer.RUN,
            batch_size=1,
            open_payload=lambda job_id, suffix: folders.writer(folders.requests_path(job_id, suffix)),
            new_job_id=workbench.job_ids,
            now=workbench.clock.now,
        )
        jobs = plan_run(task, run.run_id, assembly, store=workbench.store, folders=folders)
    errors = []
    with marks.part("send"):
        errors += [sent.error for sent in engine.submit_all(jobs) if sent.error is not None]
    with marks.part("collect"):
        errors += [look.error for look in engine.look_at_all(workbench.store.load()) if look.error is not None]
    for error in errors:
        print(error, file=sys.stderr)
    marks.tell(task.store.get(RUN_ID).done)
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
