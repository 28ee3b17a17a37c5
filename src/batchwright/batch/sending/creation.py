"""From what is left to ask to planned jobs, written into wire files and remembered, nothing sent yet."""

from collections.abc import Iterator

from batchwright.batch.sending.assembler import Assembly, JobAssembler
from batchwright.errors import InputError
from batchwright.job import JobRecord
from batchwright.tasks.base import Task
from batchwright.tasks.planning import DocumentPlan
from batchwright.tasks.remaining import Planned, Skipped


def write_jobs(planned: Planned, assembly: Assembly) -> Iterator[JobRecord]:
    """Write the wire files of everything planned and yield each job as soon as its file is durable.

    A document that cannot be read is skipped from there on and noted in `planned.skipped`.
    """
    with JobAssembler(assembly) as assembler:
        yield from _written(planned, assembler, assembly.task)


def _written(planned: Planned, assembler: JobAssembler, task: Task) -> Iterator[JobRecord]:
    for plan in planned.documents:
        try:
            yield from _requests_of(plan, assembler, task)
        except InputError as error:
            planned.skipped.append(Skipped(document=plan.document, reason=str(error)))
    yield from assembler.finish()


def _requests_of(plan: DocumentPlan, assembler: JobAssembler, task: Task) -> Iterator[JobRecord]:
    for cell in plan.cells():
        yield from assembler.add(task.make_batch(plan.document, cell.index, cell.item_ids))
