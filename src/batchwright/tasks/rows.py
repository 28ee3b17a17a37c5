"""The `Task` over dataset runs: every row one request, every answer one entry in the run database.

A run is found by its id, which is the group of its batches; what it asks is in its config. So whoever fetches its jobs,
on whatever day and in whatever terminal, makes the same prompts and the same output of it.
"""

import hashlib
import itertools
import logging
import operator
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from batchwright.errors import ChangedInputError, InputError
from batchwright.job import BatchRef
from batchwright.reports.base import ReportSpec, Row
from batchwright.reports.datasets.base import Format, Outcome, Shape
from batchwright.reports.datasets.writing import Existing, open_report
from batchwright.request import Request, TextPart
from batchwright.result import Result
from batchwright.run import RowSet, Run, RunStatus
from batchwright.sources.datasets.survey import survey
from batchwright.sources.row_prompts import PromptSpec, RowPrompts
from batchwright.sources.schemas import field_names
from batchwright.tasks.base import AnswerSink, Document, Handled, Kept, StreamingTask
from batchwright.tasks.row_answers import Judge, Sink, result_of, value_of
from batchwright.tracking.prompt_index import PromptIndex
from batchwright.tracking.run_claims import RunClaims
from batchwright.tracking.runs import RunStore

log = logging.getLogger(__name__)

VIA = "via"
"""In a run's config: `batch` for one that goes through a provider's Batch API."""
BATCH = "batch"
DIGEST = "digest"
"""In a run's config: of its input and its prompts, when it began."""
FORMAT = "format"
CSV_SAFE = "csv_safe"
DEDUPE = "dedupe"
"""In a run's config: false where every row is to be sent, also one with the prompt of another."""
COLUMNS = "columns"
"""In a run's config: the input's columns, as they were when it began."""

FOLDER = "folder"
"""In a run's config: where its command was given, which its paths are relative to."""

Asked = TypeVar("Asked")
Stamp = tuple[int, int, int]

_COPIES_AT_ONCE = 1000
_DIGEST_BYTES = 16
_cells_of = operator.itemgetter(0)

WAITING = "not answered yet"
"""What stands in a row's error column until its answer comes."""


class RowsTask(StreamingTask):
    """Asks one question a row. `store` has the runs; `outputs` is where a run without an output file gets one."""

    name = "rows"
    items_word = "rows"
    report = ReportSpec(columns=("row", "response"), key="row", identity=(), answer="response")
    output_schema = None

    def __init__(
        self,
        store: RunStore,
        *,
        outputs: Path,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.store = store
        self._outputs = outputs
        self._claims = RunClaims(store.path)
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._digesting = threading.Lock()
        self._digests: dict[str, tuple[Sequence[Stamp], str]] = {}
        self._touched: set[str] = set()

    def documents(self) -> Sequence[Document]:
        """Return a document for each run that goes through a Batch API, oldest first."""
        return [_document(run) for run in reversed(self.store.runs()) if run.config.get(VIA) == BATCH]

    def document(self, run_id: str) -> Document:
        """Return the document of one run. Raises `TrackingError` for an unknown one."""
        return _document(self.store.get(run_id))

    def make_batch(self, document: Document, index: int, item_ids: Sequence[int]) -> BatchRef:
        """Return a batch of rows with the digest of the input and the prompts as they are now."""
        return BatchRef(
            group=document.group,
            document=document.name,
            index=index,
            item_ids=item_ids,
            digest=self._digest(document.group),
            per_item=True,
        )

    def build_request(self, batch: BatchRef, custom_id: str) -> Request:
        """Return the request about one row. Raises `InputError`, `ChangedInputError` for a row that is not there."""
        with self._opened(self.store.get(batch.group)) as prompts:
            row = next(itertools.islice(prompts.rows(), batch.item_ids[0], None), None)
            if row is None:
                raise ChangedInputError(f"{batch.document} has no row {batch.item_ids[0]} any more")
            return prompts.request(row, custom_id)

    def handle_result(self, batch: BatchRef, result: Result) -> Handled:
        """Turn one answer into the cells `row` and `response`; what cannot be used is warned about."""
        run = self.store.get(batch.group)
        row = batch.item_ids[0]
        response, error = Judge(run).judge(result)
        if error is not None:
            return Handled(warnings=(f"{batch.document} row {row}: {error}",))
        return Handled(rows=({"row": str(row), "response": response or ""},))

    def identify(self, document: Document) -> Mapping[int, Row]:
        """Return nothing: rows are told by their place, and the digest says when those moved."""
        del document
        return {}

    def report_path(self, group: str, document: str) -> Path:
        """Return the output of a run."""
        del document
        return self._output_of(self.store.get(group))

    def texts(self, document: Document, besides: Collection[int] = ()) -> Iterator[tuple[int, str]]:
        """Yield each row's number and prompt, but for `besides` and for rows that get another's answer.

        Raises `ChangedInputError` where the input is not what it was when the run began.
        """
        run = self.store.get(document.group)
        with self._opened(run) as prompts:
            self._require(run, prompts)
            yield from self._to_ask(run, prompts.texts(), besides, _digest_of_text)

    def pattern(self, document: Document) -> Request | None:
        """Return a request as all of the run's are; None where rows bring images or documents of their own."""
        with self._opened(self.store.get(document.group)) as prompts:
            return None if prompts.attachments is not None else prompts.pattern()

    def requests(self, document: Document, besides: Collection[int] = ()) -> Iterator[tuple[int, Request]]:
        """Yield the same rows with their requests; each is made when its turn comes."""
        run = self.store.get(document.group)
        with self._opened(run) as prompts:
            self._require(run, prompts)
            made = (prompts.request(row, "row") for row in prompts.rows())
            yield from self._to_ask(run, made, besides, _digest_of_request)

    def _to_ask(
        self, run: Run, rows: Iterable[Asked], besides: Collection[int], digest: Callable[[Asked], bytes]
    ) -> Iterator[tuple[int, Asked]]:
        """Yield the numbered rows but for `besides`; of those with equal prompts only the first, if it is not there.

        The others get its answer: they are remembered as its copies. Whoever was stopped before that was written down
        finds the same copies again.
        """
        if not run.config.get(DEDUPE, True):
            numbered = enumerate(rows)
            yield from (pair for pair in numbered if pair[0] not in besides) if besides else numbered
            return
        copies: list[tuple[int, int]] = []
        with PromptIndex() as index:
            for row, asked in enumerate(rows):
                first = index.first(digest(asked), row)
                if row in besides:
                    continue
                if first == row:
                    yield row, asked
                    continue
                copies.append((row, first))
                if len(copies) == _COPIES_AT_ONCE:
                    self.store.add_copies(run, copies)
                    copies.clear()
        if copies:
            self.store.add_copies(run, copies)
        self.store.fill_copies(run)  # some may be of rows that have their answer

    def answered(self, document: Document) -> RowSet:
        """Return the rows that have an answer."""
        return self.store.answered(self.store.get(document.group))

    @contextmanager
    def answering(self, batch: BatchRef) -> Iterator[AnswerSink]:
        """Take answers of a run into the database."""
        run = self.store.get(batch.group)
        with self._lock:
            self._touched.add(run.run_id)
        with self.store.writer(run) as writer:
            try:
                yield Sink(writer, Judge(run))
            finally:
                writer.fill_copies()

    def kept(self, batch: BatchRef) -> Iterator[Kept]:
        """Yield what is in the database about a batch's rows."""
        if not batch.item_ids:
            return
        run = self.store.get(batch.group)
        wanted = frozenset(batch.item_ids) if isinstance(batch.item_ids, tuple) else batch.item_ids
        for answer in self.store.answers(run, first=batch.item_ids[0], last=batch.item_ids[-1]):
            if answer.row in wanted:
                yield Kept(answer.row, result_of(answer), answer.error)

    def publish(self) -> Sequence[Path]:
        """Write the output of every run that got answers here, or whose last answers came to a command killed then.

        Raises as `write_output`, but not for the latter: theirs is not the trouble of whoever came by.
        """
        with self._lock:
            touched, self._touched = self._touched, set()
        written = []
        for document in self.documents():
            run = self.store.get(document.group)
            if run.run_id in touched:
                written.append(self.write_output(run))
            elif run.status is RunStatus.RUNNING and run.done == run.total and not self._claims.is_held(run.run_id):
                try:
                    written.append(self.write_output(run))
                except InputError as error:
                    log.warning("the output of run %s was not written: %s", run.run_id, error)
        return written

    def conclude(self, document: Document) -> None:
        """Say of a run that has rows without an answer that it failed, unless its command is at work and does so."""
        run = self.store.get(document.group)
        if run.status is RunStatus.RUNNING and run.done != run.total and not self._claims.is_held(run.run_id):
            self.settle(run)

    def settle(self, run: Run) -> Run:
        """End a run that no job will bring anything for: write what is whole, say of another what it lacks.

        Raises as `write_output`.
        """
        left = (run.total or 0) - run.done
        if not left:  # whoever collected the last answers was killed before it wrote them
            self.write_output(run)
            return self.store.get(run.run_id)
        return self.store.update(
            run.run_id,
            status=RunStatus.FAILED,
            message=f"{left} rows are in no job any more and have no answer",
            ended_at=self._now(),
        )

    def write_output(self, run: Run) -> Path:
        """Write the output of a run as its answers are now; one that has them all is completed by that.

        Raises `ChangedInputError` where the input is not what it was, `InputError` where the file cannot be written.
        """
        path = self._output_of(run)
        with self._opened(run) as prompts:
            self._require(run, prompts)
            fields = field_names(prompts.spec.output_schema)
            shape = Shape(
                columns=tuple(run.config.get(COLUMNS) or survey(prompts.dataset).columns),
                fields=fields,
                csv_safe=bool(run.config.get(CSV_SAFE)),
            )
            kind = run.config.get(FORMAT)
            form = None if kind is None else Format(kind)
            outcomes = self._outcomes(run, has_schema=prompts.spec.schema is not None)
            with open_report(path, shape, format=form, existing=Existing.REPLACE) as report:
                report.write_all(zip(map(_cells_of, prompts.rows()), outcomes, strict=False))
                report.finish()
        if run.done == run.total:
            self.store.update(run.run_id, status=RunStatus.COMPLETED, ended_at=self._now())
        return path

    def _outcomes(self, run: Run, *, has_schema: bool) -> Iterator[Outcome]:
        """Yield what became of each row, in order, for ever: rows that nobody answered wait."""
        waiting, number = Outcome(error=WAITING), 0
        for row, response, error in self.store.outcomes(run):
            if row > number:
                yield from itertools.repeat(waiting, row - number)
            if error is not None or not has_schema:
                yield Outcome(response, None, error)
            else:
                yield Outcome(response, value_of(response, row))
            number = row + 1
        yield from itertools.repeat(waiting)

    def _output_of(self, run: Run) -> Path:
        if run.output_file is not None:
            return Path(run.config.get(FOLDER, ""), run.output_file)
        return self._outputs / f"{run.run_id}.{run.config.get(FORMAT) or 'csv'}"

    def _require(self, run: Run, prompts: RowPrompts) -> None:
        """Raise `ChangedInputError` unless the input is what it was when the run began."""
        if self._digest_of(run.run_id, prompts) != run.config.get(DIGEST):
            prompts.require(run.config.get(DIGEST, ""))

    def _digest(self, run_id: str) -> str:
        with self._opened(self.store.get(run_id)) as prompts:
            return self._digest_of(run_id, prompts)

    def _digest_of(self, run_id: str, prompts: RowPrompts) -> str:
        """Return the digest of a run's input; taken anew only when its files look touched."""
        stamps = [_stamp(source.path) for source in prompts.dataset.sources]
        with self._digesting:  # the jobs of a run, all looked at together, need it once
            known = self._digests.get(run_id)
            if known is None or known[0] != stamps:
                known = self._digests[run_id] = stamps, prompts.digest()
        return known[1]

    def _opened(self, run: Run) -> RowPrompts:
        """Open a run's input; its paths are relative to where its command was given."""
        spec, folder = PromptSpec.from_config(run.config), run.config.get(FOLDER, "")
        file = spec.template_file
        return replace(
            spec,
            inputs=tuple(str(Path(folder, name)) for name in spec.inputs),
            template_file=None if file is None else str(Path(folder, file)),
        ).open()


def _document(run: Run) -> Document:
    return Document(group=run.run_id, name=Path(run.input_file).name, item_ids=range(run.total or 0))


def _stamp(path: Path) -> Stamp:
    """Return what changes when somebody writes to a file."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _digest_of_text(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _digest_of_request(request: Request) -> bytes:
    total = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for message in request.messages:
        for part in message.parts:
            data = part.text.encode("utf-8", "surrogatepass") if isinstance(part, TextPart) else part.data
            total.update(b"%s %d:" % (type(part).__name__.encode("ascii"), len(data)))
            total.update(data)
    return total.digest()
