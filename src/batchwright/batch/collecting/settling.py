"""Close in collected jobs what they left open and has its rows by now, whoever brought them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial

from batchwright.batch import lifecycle
from batchwright.errors import ConfigurationError, InputError
from batchwright.job import JobRecord
from batchwright.tasks.base import Document, StreamingTask, Task
from batchwright.tasks.planning import DocumentKey, is_live, key_of
from batchwright.tasks.remaining import answered_items
from batchwright.tracking.base import JobStore


def settle_answered(store: JobStore, task: Task, about: Collection[DocumentKey], *, besides: str | None = None) -> None:
    """Settle every collected job but `besides` that has something open in the documents `about`.

    A report that cannot be read is passed over here: it is told where it matters.
    """
    wanted = frozenset(about)
    others = [
        record
        for record in store.load()
        if record.job_id != besides and record.collected_at is not None and _open_documents(record) & wanted
    ]
    still_open = {key for record in others for key in _open_documents(record)} & wanted
    try:
        answered = {
            key_of(document): answered_items(task, document)
            for document in task.documents()
            if key_of(document) in still_open
        }
    except InputError:
        return
    if others:
        settled = partial(lifecycle.settled, answered=answered)
        store.update_many({record.job_id: settled for record in others})


def publish_outputs(store: JobStore, task_of: Callable[[str], Task]) -> None:
    """Let streaming tasks write what is to be written, whether or not anything came: a killed command may have left it.

    Raises `InputError` where answers that came now are kept and an output cannot be written.
    """
    for task in _streaming(store.load(), task_of).values():
        task.publish()


def conclude_documents(store: JobStore, task_of: Callable[[str], Task], ended: Sequence[JobRecord]) -> None:
    """Tell streaming tasks of documents of `ended` jobs about which no other job will bring anything either."""
    streaming = _streaming(ended, task_of)
    about = {key for record in ended if record.task in streaming for key in _documents(record)}
    if not about:
        return
    live = (record for record in store.load() if record.task in streaming and is_live(record))
    about -= {key for record in live for key in _documents(record)}
    for name, group, document in sorted(about):
        streaming[name].conclude(Document(group=group, name=document, item_ids=()))


def _streaming(records: Iterable[JobRecord], task_of: Callable[[str], Task]) -> dict[str, StreamingTask]:
    """Return the streaming tasks among those of the records, by name."""
    streaming: dict[str, StreamingTask] = {}
    for name in sorted({record.task for record in records}):
        with suppress(ConfigurationError, InputError):  # told where it matters
            task = task_of(name)
            if isinstance(task, StreamingTask):
                streaming[name] = task
    return streaming


def _documents(record: JobRecord) -> set[tuple[str, str, str]]:
    return {(record.task, batch.group, batch.document) for batch in record.batches}


def _open_documents(record: JobRecord) -> set[DocumentKey]:
    return {(batch.group, batch.document) for batch in record.batches if batch.unanswered}
