"""The task that the benchmarks run: one request a row, documents of a thousand rows, nothing read from disk."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from batchwright.job import BatchRef
from batchwright.reports.base import ReportSpec, Row
from batchwright.request import Message, Request
from batchwright.result import Result
from batchwright.tasks.base import Document, Handled, Task

ROWS_PER_DOCUMENT = 1000
"""Reports are merged whole, so it is the number of documents that grows with the job, not their size."""

_GROUP = "Bench"
_PAGE = (
    "The field trip is on Friday: bring a coat, a pencil and the map of the river that we drew in class. At the ford "
    "you measure how fast the water runs, three times, and write each number down (with its unit) before you wade "
    "on. “Roughly” is no answer; a café receipt is no paper. "
) * 6
_QUESTION = (
    "Which category does this row belong to, and how sure are you? Answer in one sentence, naming the word that "
    "decided it. The row reads as a pupil wrote it, so spelling, case and commas are part of the question: "
    "the river was to fast for us so we messured it twise and ate are lunch on the bank"
)


class RowsTask(Task):
    """Asks a question about each of `rows` rows, 2 kB a request; the answer has to come back with the row's label."""

    name = "rows"
    items_word = "rows"
    report = ReportSpec(columns=("row_id", "row", "answer"), key="row_id", identity=("row",), answer="answer")
    output_schema = None

    def __init__(self, *, rows: int, reports: Path) -> None:
        self._rows = rows
        self._reports = reports

    def documents(self) -> Sequence[Document]:
        """Return as many documents as the rows fill."""
        return list(self._documents())

    def _documents(self) -> Iterator[Document]:
        for number, start in enumerate(range(0, self._rows, ROWS_PER_DOCUMENT)):
            size = min(ROWS_PER_DOCUMENT, self._rows - start)
            yield Document(group=_GROUP, name=f"rows-{number:05}", item_ids=range(size))

    def make_batch(self, document: Document, index: int, item_ids: Sequence[int]) -> BatchRef:
        """Return a reference by item, so that a document's requests are remembered as one run."""
        return BatchRef(
            group=document.group, document=document.name, index=index, item_ids=tuple(item_ids), per_item=True
        )

    def build_request(self, batch: BatchRef, custom_id: str) -> Request:
        """Return a long system text and a short question, as real answers are shorter than what was asked."""
        label = _label(batch.document, batch.item_ids[0])
        return Request(custom_id=custom_id, system=_PAGE, messages=(Message.text(label, _QUESTION),))

    def handle_result(self, batch: BatchRef, result: Result) -> Handled:
        """Return the row, if the answer is the one to its own question."""
        item = batch.item_ids[0]
        label = _label(batch.document, item)
        if result.text is None or not result.text.startswith(label):
            return Handled(warnings=(f"{label} got no answer, or another row's",))
        return Handled(rows=({"row_id": str(item), "row": label, "answer": result.text},))

    def identify(self, document: Document) -> Mapping[int, Row]:
        """Return each row's label."""
        return {item: {"row": _label(document.name, item)} for item in document.item_ids}

    def report_path(self, group: str, document: str) -> Path:
        """Return a file of the workspace."""
        return self._reports / group / f"{document}.csv"


def _label(document: str, item: int) -> str:
    return f"{document}/{item}:"
