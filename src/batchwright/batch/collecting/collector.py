"""Download a job's answers, match them by id, write the reports, then say so in the record.

The record changes last: a run that is killed on the way downloads and merges again, and merging twice changes nothing.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import groupby

from batchwright.batch import lifecycle
from batchwright.batch.collecting.answers import AnswerReader, download, reading
from batchwright.batch.collecting.billing import Billing
from batchwright.batch.collecting.settling import settle_answered
from batchwright.batch.collecting.streaming import stream_answers
from batchwright.clock import Clock
from batchwright.config import DEFAULT_BATCH_SIZE
from batchwright.errors import ChangedInputError, InputError, JobNotReadyError, TrackingError
from batchwright.job import BatchJob, BatchRef, JobRecord, JobState, Tally
from batchwright.pricing.spending import Sum
from batchwright.providers.base import Provider
from batchwright.result import Result
from batchwright.tasks.base import Document, Row, StreamingTask, Task
from batchwright.tasks.overtaking import newer_rows
from batchwright.tasks.planning import DocumentKey
from batchwright.tasks.saving import SavedReport, record_progress, save_rows
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.state import StateFile

log = logging.getLogger(__name__)

MAX_WARNINGS = 200
"""Warnings kept of one job; the rest are counted. Ten thousand bad answers say the same thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What collecting one job did."""

    record: JobRecord
    saved: tuple[SavedReport, ...] = ()
    warnings: tuple[str, ...] = ()
    spent: Sum = field(default_factory=Sum)
    """What its answers used and cost, whether or not they were collected before."""


@dataclass(slots=True)
class _Progress:
    """What is gathered while a job's documents are merged one after another."""

    newer: Mapping[DocumentKey, set[int]] = field(default_factory=dict)
    """Items that were answered since the job was planned: those rows stay."""
    batches: list[BatchRef] = field(default_factory=list)
    saved: list[SavedReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """Answers that are there and were not merged, because their items changed."""
    unwritable: list[str] = field(default_factory=list)
    """Reports that could not be written; the answers stay on disk until they can be."""
    more_warnings: int = 0

    def warn(self, messages: Sequence[str]) -> None:
        room = MAX_WARNINGS - len(self.warnings)
        self.warnings.extend(messages[:room])
        self.more_warnings += max(0, len(messages) - room)

    def all_warnings(self) -> tuple[str, ...]:
        more = (f"and {self.more_warnings} more warnings of this job",) if self.more_warnings else ()
        return (*self.warnings, *more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Brings answers home."""

    store: JobStore
    folders: JobFolders
    state: StateFile
    clock: Clock
    batch_size: int = DEFAULT_BATCH_SIZE
    """For the state file, where a record does not say which size its job was planned with."""
    accept_changed: bool = False
    """Merge answers although the items they were asked about have changed since."""
    csv_safe: bool = False
    """Keep spreadsheet formulas in answers from executing."""
    billing: Billing = field(default_factory=Billing)

    def collect(self, record: JobRecord, job: BatchJob, provider: Provider, task: Task) -> Collection:
        """Download and merge everything the job answered.

        Raises `LLMProviderError` or `JobNotReadyError` when the answers cannot be had now; nothing changed then.
        """
        bill = self.billing.open(record, ended_at=record.ended_at or job.ended_at or self.clock.now())
        take = self._stream if isinstance(task, StreamingTask) else self._merge
        progress = _Progress()
        tally = take(record, provider.results(job), task, progress, bill.add)
        spent = bill.total

        def conclude(old: JobRecord) -> JobRecord:
            paid = replace(old, usage=spent.usage, cost=spent.known_cost)
            if progress.unwritable:
                return lifecycle.unwritten(paid, progress.unwritable)
            now = self.clock.now()
            return lifecycle.collected(paid, batches=progress.batches, tally=tally, now=now, refusals=progress.refusals)

        try:
            bill.note()
        except TrackingError as error:
            progress.warn([str(error)])  # the record says it too, and the next fetch notes it again
        updated = self.store.update(record.job_id, conclude)
        about = {(batch.group, batch.document) for batch in record.batches}
        settle_answered(self.store, task, about, besides=record.job_id)
        log.info("job collected", extra={"event": "job.collected", "job_id": record.job_id})
        return Collection(record=updated, saved=tuple(progress.saved), warnings=progress.all_warnings(), spent=spent)

    def _merge(
        self,
        record: JobRecord,
        results: Iterator[Result],
        task: Task,
        progress: _Progress,
        price: Callable[[Result], Decimal | None],
    ) -> Tally:
        """Download the answers, then merge them document by document into the reports."""
        index = download(record, results, self.folders, on_answer=price)
        if index.empty:
            self._require_answers(record)
        progress.newer = newer_rows(self.store.load(), record, task)
        with reading(self.folders.results_path(record.job_id), index, record.state) as answers:
            for key, parts in _by_document(record.batches):
                self._merge_document(task, key, parts, answers, progress)
            tally = answers.tally
        self._record_progress(record, task, progress)
        return tally

    def _stream(
        self,
        record: JobRecord,
        results: Iterator[Result],
        task: Task,
        progress: _Progress,
        price: Callable[[Result], Decimal | None],
    ) -> Tally:
        """Hand the answers to the task's own store as they arrive."""
        assert isinstance(task, StreamingTask)
        refusal = None if self.accept_changed else _changed(task, record.batches[0])
        if refusal is not None:
            progress.refusals.append(refusal)
            progress.batches.extend(replace(batch, unanswered=tuple(batch.item_ids)) for batch in record.batches)
            return Tally()
        final = not self._may_still_come(record)
        streamed = stream_answers(record, results, task, may_be_empty=final, price=price)
        if streamed.empty:
            self._require_answers(record)
        progress.batches.extend(streamed.batches)
        first = record.batches[0]
        path = task.report_path(first.group, first.document)
        progress.saved.append(
            SavedReport(group=first.group, document=first.document, path=path, rows=streamed.answered)
        )
        return streamed.tally

    def _may_still_come(self, record: JobRecord) -> bool:
        return record.state is JobState.COMPLETED and lifecycle.is_settling(record, self.clock.now())

    def _require_answers(self, record: JobRecord) -> None:
        """Raise `JobNotReadyError` where a completed job has no answers so far and they may still come."""
        if self._may_still_come(record):
            raise JobNotReadyError(f"{record.provider_name} has not one result of {record.job_name} yet")

    def _merge_document(
        self,
        task: Task,
        key: DocumentKey,
        parts: Sequence[tuple[int, BatchRef]],
        answers: AnswerReader,
        progress: _Progress,
    ) -> None:
        rows: list[Row] = []
        answered: set[int] = set()
        for first, batch in parts:
            refusal = None if self.accept_changed else _changed(task, batch)
            if refusal is not None:
                progress.refusals.append(refusal)
            for position, single in _requests_of(first, batch):
                result = answers.read(position)
                if refusal is None:
                    handled = task.handle_result(single, result)
                    rows.extend(handled.rows)
                    progress.warn(handled.warnings)
        newer = progress.newer.get(key, set())
        answered.update(newer)
        rows = [row for row in rows if int(row[task.report.key]) not in newer] if newer else rows
        try:
            saved = save_rows(task, key, rows, lock_folder=self.folders.locks, csv_safe=self.csv_safe)
        except InputError as error:
            progress.unwritable.append(str(error))
        else:
            answered.update(int(row[task.report.key]) for row in rows)
            if saved is not None:
                progress.saved.append(saved)
        progress.batches.extend(
            replace(batch, unanswered=tuple(item for item in batch.item_ids if item not in answered))
            for _, batch in parts
        )

    def _record_progress(self, record: JobRecord, task: Task, progress: _Progress) -> None:
        """Write into the state file which batches of the job's documents have all their rows.

        The rows are what counts and they are safe by now, so trouble here is a warning: the next fetch writes it again.
        """
        touched = {(batch.group, batch.document) for batch in record.batches}
        size = record.batch_size or self.batch_size
        try:
            record_progress(self.state, task, touched, size)
        except (InputError, TrackingError) as error:
            progress.warn([str(error)])


def _by_document(batches: Sequence[BatchRef]) -> Iterator[tuple[DocumentKey, list[tuple[int, BatchRef]]]]:
    """Yield each run of one document's batches with the position of every batch's first request."""

    def placed() -> Iterator[tuple[int, BatchRef]]:
        position = 0
        for batch in batches:
            yield position, batch
            position += batch.request_count

    for key, parts in groupby(placed(), key=lambda part: (part[1].group, part[1].document)):
        yield key, list(parts)


def _requests_of(first: int, batch: BatchRef) -> Iterator[tuple[int, BatchRef]]:
    """Yield every request of a batch with its position in the job."""
    if not batch.per_item:
        yield first, batch
        return
    for offset, item in enumerate(batch.item_ids):
        yield first + offset, replace(batch, item_ids=(item,))


def _changed(task: Task, batch: BatchRef) -> str | None:
    """Say why a batch's answers must not be merged: its items are not what they were. None if they are.

    First-generation records hold no digest and are taken at their word.
    """
    if not batch.digest:
        return None
    document = Document(group=batch.group, name=batch.document, item_ids=batch.item_ids)
    try:
        if task.make_batch(document, batch.index, batch.item_ids).digest == batch.digest:
            return None
    except ChangedInputError:
        pass
    return (
        f"{batch.group}/{batch.document} batch {batch.index}: its items changed since it was sent, so its answers were "
        "not merged; `batch-fetch --accept-changed --job-names …` merges them all the same"
    )
