"""What is said at the end of a run, and how its command ends."""

import signal
from pathlib import Path

from batchwright.cli.datasets.planning import RowPlan
from batchwright.cli.datasets.running import Course
from batchwright.cli.exits import ExitCode, Terminated
from batchwright.cli.live.progress import clock_face, price
from batchwright.cli.money import tokens
from batchwright.cli.output import shown_path, talk
from batchwright.live.rows.run import Origin
from batchwright.reports.datasets.writing import PART
from batchwright.run import RunStatus

_EQUAL_OR_CACHED = {
    Origin.EQUAL: "Equal prompts, paid once",
    Origin.CACHED: "Answered by an earlier run",
    Origin.KEPT: "Answered before it was resumed",
}


def summarise(course: Course, plan: RowPlan, *, program: str) -> None:
    """Say what a run came to, and how to go on with what is left."""
    run = course.run
    progress = course.tally.report(course.tally.began + course.seconds, over=True)
    talk("Summary:")
    talk(f"  Run: {run.run_id}, {run.status}")
    talk(f"  Done: {run.completed} of {run.total}")
    if run.failed:
        talk(f"  Failed: {run.failed}")
    for origin, words in _EQUAL_OR_CACHED.items():
        if course.origins[origin]:
            talk(f"  {words}: {course.origins[origin]}")
    talk(f"  Tokens: {tokens(progress.usage)}")
    talk(f"  Cost: {price(progress)}")
    talk(f"  Time: {clock_face(course.seconds)}")
    if plan.output is not None:
        talk(f"  Output: {shown_path(_where(plan.output, run.status))}")
    _tell_failures(course, plan, program)
    if run.message and course.ending.error is None:
        talk(f"{run.message[:1].upper()}{run.message[1:]}.")
    if run.failed or run.status is not RunStatus.COMPLETED:
        inputs = " ".join(plan.spec.inputs)
        talk(f"To go on with what has no answer: {program} {inputs} --resume --batch-id {run.run_id}")


def _tell_failures(course: Course, plan: RowPlan, program: str) -> None:
    if plan.output is None and plan.format is None:
        return  # each was told in its turn
    for failure in course.failures:
        talk(f"Failed: {failure}")
    if course.failed > len(course.failures):
        talk(f"... and {course.failed - len(course.failures)} more; see: {program} status {course.run.run_id}")


def verdict(course: Course) -> ExitCode:
    """Return the exit code. Raises what ended the run early."""
    if course.ending.error is not None:
        raise course.ending.error
    if course.signalled is signal.SIGTERM:
        raise Terminated
    if course.run.status is RunStatus.PAUSED:
        return ExitCode.INTERRUPTED
    return ExitCode.ITEMS_FAILED if course.run.failed else ExitCode.OK


def _where(output: Path, status: RunStatus) -> Path:
    """Return the file that has the answers."""
    part = output.with_name(output.name + PART)
    return part if status is not RunStatus.COMPLETED and part.exists() else output
