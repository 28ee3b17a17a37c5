"""What a run asks, document by document; each is claimed and looked at once more when its turn comes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from batchwright.errors import InputError
from batchwright.live.documents.questions import Question, Questions
from batchwright.reports.document_csv import refuse_unwritable
from batchwright.tasks.base import Document, Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.planning import DocumentPlan, key_of
from batchwright.tasks.remaining import Planned, Skipped, what_is_left
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders


@dataclass(slots=True, kw_only=True)
class Agenda:
    """The documents of a plan that have something left to ask.

    Between planning and a document's turn another process may have asked about it. So its turn begins with a claim and
    with a second look at what is left, both in the planning turn among processes. One whose report could not be written
    is skipped: its answers would have nowhere to go.
    """

    task: Task
    planned: Planned
    store: JobStore
    folders: JobFolders
    claims: DocumentClaims
    force: bool = False
    busy: list[Document] = field(default_factory=list)
    """Documents that another process is asking about: left to it."""

    def __iter__(self) -> Iterator[Questions]:
        for plan in self.planned.documents:
            if next(plan.cells(), None) is None:
                continue
            left = self._begin(plan)
            if left is not None:
                yield Questions(
                    key=key_of(left.document),
                    items=sum(len(cell.item_ids) for cell in left.cells()),
                    batches=self._questions(left),
                )

    def _begin(self, plan: DocumentPlan) -> DocumentPlan | None:
        document = plan.document
        try:
            refuse_unwritable(self.task.report_path(document.group, document.name))
        except InputError as error:
            self.planned.skipped.append(Skipped(document=document, reason=str(error)))
            return None
        with self.folders.planning():
            if not self.claims.take(key_of(document)):
                self.busy.append(document)
                return None
            left = what_is_left(
                [document],
                task=self.task,
                records=self.store.load(),
                batch_size=plan.batch_size,
                limit=None,
                force=self.force,
            )
        self.planned.skipped.extend(left.skipped)
        found = next((replace(again, most=plan.most) for again in left.documents), None)
        if found is None or next(found.cells(), None) is None:
            self.claims.release(key_of(document))
            return None
        return found

    def _questions(self, plan: DocumentPlan) -> Iterator[Question]:
        for cell in plan.cells():
            yield Question(batch=self.task.make_batch(plan.document, cell.index, cell.item_ids))
