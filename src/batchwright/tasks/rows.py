"""The `Task` over dataset runs: every row one request, every answer one entry in the run database.

A run is found by its id, which is the group of its batches; what it asks is in its config. So whoever fetches its jobs,
on whatever day and in whatever terminal, makes the same prompts and the same output of it.
"""

import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydantic_core

from batchwright.checker import AnswerChecker
from batchwright.errors import AnswerError, ChangedInputError, TrackingError
from batchwright.job import BatchRef
from batchwright.pricing.overrides import PriceTable
from batchwright.pricing.prices import billed_as, sheet_of
from batchwright.pricing.rates import PriceSheet
from batchwright.reports.base import ReportSpec, Row
from batchwright.reports.datasets.base import Format, Outcome, Shape
from batchwright.reports.datasets.writing import Existing, open_report
from batchwright.request import Request
from batchwright.result import Result
from batchwright.run import RowAnswer, RowSet, Run, RunStatus
from batchwright.sources.datasets.survey import survey
from batchwright.sources.row_prompts import PromptSpec, RowPrompts
from batchwright.sources.schemas import field_names
from batchwright.tasks.base import AnswerSink, Document, Handled, StreamingTask
from batchwright.tracking.runs import AnswerWriter, RunStore

VIA = "via"
"""In a run's config: `batch` for one that goes through a provider's Batch API."""
BATCH = "batch"
PROVIDER = "provider"
DIGEST = "digest"
"""In a run's config: of its input and its prompts, when it began."""
FORMAT = "format"
CSV_SAFE = "csv_safe"
DEDUPE = "dedupe"
"""In a run's config: false where every row is to be sent, also one with the prompt of another."""
COLUMNS = "columns"
"""In a run's config: the input's columns, as they were when it began."""

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
        prices: PriceTable | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.store = store
        self._outputs = outputs
        self._prices = prices
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._digests: dict[str, str] = {}
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
        with self._opened(batch.group) as prompts:
            row = next(itertools.islice(prompts.rows(), batch.item_ids[0], None), None)
            if row is None:
                raise ChangedInputError(f"{batch.document} has no row {batch.item_ids[0]} any more")
            return prompts.request(row, custom_id)

    def handle_result(self, batch: BatchRef, result: Result) -> Handled:
        """Turn one answer into the cells `row` and `response`; what cannot be used is warned about."""
        run = self.store.get(batch.group)
        answer = _Judge(run, self._prices).judge(batch.item_ids[0], result)
        if answer.error is not None:
            return Handled(warnings=(f"{batch.document} row {answer.row}: {answer.error}",))
        return Handled(rows=({"row": str(answer.row), "response": answer.response or ""},))

    def identify(self, document: Document) -> Mapping[int, Row]:
        """Return nothing: rows are told by their place, and the digest says when those moved."""
        del document
        return {}

    def report_path(self, group: str, document: str) -> Path:
        """Return the output of a run."""
        del document
        return self._output_of(self.store.get(group))

    def texts(self, document: Document, besides: Collection[int] = ()) -> Iterator[tuple[int, str]]:
        """Yield each row's number and prompt, but for `besides`."""
        with self._opened(document.group) as prompts:
            numbered = enumerate(prompts.texts())
            yield from (pair for pair in numbered if pair[0] not in besides) if besides else numbered

    def pattern(self, document: Document) -> Request | None:
        """Return a request as all of the run's are; None where rows bring images or documents of their own."""
        with self._opened(document.group) as prompts:
            return None if prompts.attachments is not None else prompts.pattern()

    def requests(self, document: Document, besides: Collection[int] = ()) -> Iterator[tuple[int, Request]]:
        """Yield each row's number and request, but for `besides`."""
        with self._opened(document.group) as prompts:
            for number, row in enumerate(prompts.rows()):
                if number not in besides:
                    yield number, prompts.request(row, "row")

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
            yield _Sink(writer, _Judge(run, self._prices))

    def publish(self) -> Sequence[Path]:
        """Write the output of every run that got answers here, or that is done and was not written yet."""
        with self._lock:
            touched, self._touched = self._touched, set()
        written = []
        for document in self.documents():
            run = self.store.get(document.group)
            unwritten = run.status is RunStatus.RUNNING and run.done == run.total
            if run.run_id in touched or unwritten:
                written.append(self.write_output(run))
        return written

    def write_output(self, run: Run) -> Path:
        """Write the output of a run as its answers are now; one that has them all is completed by that.

        Raises `ChangedInputError` where the input is not what it was, `InputError` where the file cannot be written.
        """
        path = self._output_of(run)
        with self._opened(run.run_id) as prompts:
            prompts.require(run.config.get(DIGEST, ""))
            fields = field_names(prompts.spec.output_schema)
            shape = Shape(
                columns=tuple(run.config.get(COLUMNS) or survey(prompts.dataset).columns),
                fields=fields,
                csv_safe=bool(run.config.get(CSV_SAFE)),
            )
            kind = run.config.get(FORMAT)
            form = None if kind is None else Format(kind)
            with open_report(path, shape, format=form, existing=Existing.REPLACE) as report:
                for number, (row, outcome) in enumerate(
                    zip(prompts.rows(), self._outcomes(run, has_schema=prompts.spec.schema is not None), strict=False)
                ):
                    report.write(number, row.cells, outcome)
                report.finish()
        if run.done == run.total:
            self.store.update(run.run_id, status=RunStatus.COMPLETED, ended_at=self._now())
        return path

    def _outcomes(self, run: Run, *, has_schema: bool) -> Iterator[Outcome]:
        """Yield what became of each row, in order, for ever: rows that nobody answered wait."""
        waiting, number = Outcome(error=WAITING), 0
        for answer in self.store.answers(run):
            yield from itertools.repeat(waiting, answer.row - number)
            yield _outcome(answer, has_schema=has_schema)
            number = answer.row + 1
        yield from itertools.repeat(waiting)

    def _output_of(self, run: Run) -> Path:
        if run.output_file is not None:
            return Path(run.output_file)
        return self._outputs / f"{run.run_id}.{run.config.get(FORMAT) or 'csv'}"

    def _digest(self, run_id: str) -> str:
        """Return the digest of a run's input, taken once: a job's answers are matched while nobody edits the file."""
        with self._lock:
            if run_id not in self._digests:
                with self._opened(run_id) as prompts:
                    self._digests[run_id] = prompts.digest()
            return self._digests[run_id]

    def _opened(self, run_id: str) -> RowPrompts:
        return PromptSpec.from_config(self.store.get(run_id).config).open()


@dataclass(frozen=True, slots=True)
class _Sink:
    """Judges answers and hands them to the database."""

    writer: AnswerWriter
    judge: "_Judge"

    def put(self, item: int, result: Result) -> bool:
        answer = self.judge.judge(item, result)
        self.writer.put(answer)
        return answer.error is None


class _Judge:
    """Says what a result is to a row: an answer that fits the schema, or the reason why there is none."""

    def __init__(self, run: Run, prices: PriceTable | None) -> None:
        schema = PromptSpec.from_config(run.config).output_schema
        self._checker = None if schema is None else AnswerChecker(schema)
        self._provider = str(run.config.get(PROVIDER, ""))
        self._model = run.model
        self._prices = prices
        self._sheets: dict[str | None, PriceSheet | None] = {}

    def judge(self, row: int, result: Result) -> RowAnswer:
        """Return what is kept of a result."""
        response, error = self._read(result)
        usage = result.usage
        paid = bool(usage.input_tokens or usage.output_tokens)
        sheet = self._sheet(result.model) if paid else None
        return RowAnswer(
            row=row,
            response=response,
            error=error,
            model=result.model,
            usage=usage,
            cost=None if sheet is None else sheet.cost(usage),
        )

    def _read(self, result: Result) -> tuple[str | None, str | None]:
        """Return the answer's text as it is kept, and what is wrong with it."""
        if not result.succeeded:
            failure = result.failure
            return None, f"{failure.kind}: {failure.message}" if failure else str(result.status)
        if self._checker is None:
            return result.text or "", None
        try:
            value = self._checker.read(result)
        except AnswerError as exc:
            return result.text, f"malformed: {exc}"
        # As the model wrote it where that is JSON already; what was fenced or mended is kept as what it means.
        text = result.text or ""
        return text if text[:1] in {"{", "["} and text[-1:] in {"}", "]"} else _json(value), None

    def _sheet(self, answered: str | None) -> PriceSheet | None:
        if answered not in self._sheets:
            name = billed_as(answered, asked=self._model, provider_name=self._provider, overrides=self._prices)
            self._sheets[answered] = sheet_of(
                provider_name=self._provider, model=name, batch=True, overrides=self._prices
            )
        return self._sheets[answered]


def _document(run: Run) -> Document:
    return Document(group=run.run_id, name=Path(run.input_file).name, item_ids=range(run.total or 0))


def _outcome(answer: RowAnswer, *, has_schema: bool) -> Outcome:
    if answer.error is not None:
        return Outcome(text=answer.response, error=answer.error)
    if not has_schema:
        return Outcome(text=answer.response)
    try:
        return Outcome(text=answer.response, value=pydantic_core.from_json(answer.response or ""))
    except ValueError as exc:
        raise TrackingError(f"the answer to row {answer.row} in the run database is damaged: {exc}") from exc


def _json(value: Any) -> str:
    return pydantic_core.to_json(value).decode()
