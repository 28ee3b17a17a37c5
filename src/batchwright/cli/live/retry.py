"""The steps of `batch-retry --live`: what jobs left open is answered now, at the live price, which is told first."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from batchwright.batch.retries import Left
from batchwright.batch.retrying import RetryWish, Wanted, wanted
from batchwright.cli.creating import settled_items
from batchwright.cli.exits import ExitCode
from batchwright.cli.live.estimate import estimate_requests
from batchwright.cli.live.progress import LiveProgress
from batchwright.cli.live.run import LiveRun, LiveWish
from batchwright.cli.live.spending import estimated_input
from batchwright.cli.live.telling import summarise
from batchwright.cli.money import dollars
from batchwright.cli.output import data, talk
from batchwright.cli.workbench import Workbench
from batchwright.job import JobRecord
from batchwright.live.documents.questions import Question, Questions
from batchwright.providers.base import Provider
from batchwright.tasks.base import Document, Task
from batchwright.tasks.claims import DocumentClaims
from batchwright.tasks.complaints import with_complaint
from batchwright.tasks.planning import DocumentKey


@dataclass(slots=True, kw_only=True)
class Share:
    """What is asked of one provider's model."""

    provider: Provider
    batch_size: int
    """For the state file: that of the jobs."""
    requests: list[Wanted] = field(default_factory=list)

    @property
    def items(self) -> int:
        """How many items it is about."""
        return sum(len(request.batch.item_ids) for request in self.requests)


@dataclass(slots=True, kw_only=True)
class RetryAgenda:
    """The requests of a share, document by document; each is claimed and looked at once more when its turn comes."""

    workbench: Workbench
    task: Task
    claims: DocumentClaims
    requests: Sequence[Wanted]
    busy: list[DocumentKey] = field(default_factory=list)
    """Documents that another process is asking about: left to it."""

    def __iter__(self) -> Iterator[Questions]:
        by_document: dict[DocumentKey, list[Wanted]] = {}
        for request in self.requests:
            by_document.setdefault((request.batch.group, request.batch.document), []).append(request)
        for key, requests in by_document.items():
            questions = self._begin(key, requests)
            if questions:
                items = sum(len(question.batch.item_ids) for question in questions)
                yield Questions(key=key, items=items, batches=questions)

    def _begin(self, key: DocumentKey, requests: Sequence[Wanted]) -> list[Question]:
        with self.workbench.folders.planning():
            if not self.claims.take(key):
                self.busy.append(key)
                return []
            settled = settled_items(self.workbench, {key}, self.task)
        questions = [
            question for request in requests if (question := self._question(request, settled[key])) is not None
        ]
        if not questions:
            self.claims.release(key)
        return questions

    def _question(self, request: Wanted, settled: set[int]) -> Question | None:
        batch = request.batch
        left = tuple(item for item in batch.item_ids if item not in settled)
        if not left:
            return None
        if len(left) < len(batch.item_ids):
            document = Document(group=batch.group, name=batch.document, item_ids=batch.item_ids)
            batch = self.task.make_batch(document, batch.index, left)
        return Question(batch=batch, complaint=request.complaint)


def retry_live(workbench: Workbench, parents: Sequence[JobRecord], task: Task, wish: RetryWish, *, yes: bool) -> int:
    """Tell the price, ask for leave on a terminal, answer what the jobs left open and settle them.

    Returns the exit code; a job's own trouble with the account is raised.
    """
    shares, left = share_out(workbench, parents, task, wish)
    for request in left:
        batch = request.batch
        data(f"Left {batch.group}/{batch.document} batch {batch.index}: {request.reason}")
    if not shares:
        data("Nothing to ask.")
        return ExitCode.ITEMS_FAILED if left else ExitCode.OK
    for share in shares:
        data(_price_of(workbench, share, task))
    if not yes and sys.stdin.isatty() and not click.confirm("Ask?", err=True):
        return ExitCode.OK
    codes = [_answer(workbench, share, task, left_out=bool(left)) for share in shares]
    return max(codes)


def share_out(
    workbench: Workbench, parents: Sequence[JobRecord], task: Task, wish: RetryWish
) -> tuple[list[Share], list[Left]]:
    """Decide what of each job is asked again and of whom: of those it was asked of before; no item twice."""
    shares: dict[tuple[str, str, int], Share] = {}
    left: list[Left] = []
    taken: dict[DocumentKey, set[int]] = {}
    with workbench.folders.planning():
        for parent in parents:
            about = {(batch.group, batch.document) for batch in parent.batches}
            settled = settled_items(workbench, about, task)
            settled = {key: items | taken.get(key, set()) for key, items in settled.items()}
            for request in wanted(parent, task, workbench.folders, wish, settled=settled):
                if isinstance(request, Left):
                    left.append(request)
                    continue
                batch = request.batch
                taken.setdefault((batch.group, batch.document), set()).update(batch.item_ids)
                size = parent.batch_size or workbench.settings.batch_size
                whom = (parent.provider_name, parent.model, size)
                if whom not in shares:
                    provider = workbench.provider(parent.provider_name, parent.model or None)
                    shares[whom] = Share(provider=provider, batch_size=size)
                shares[whom].requests.append(request)
    return list(shares.values()), left


def _price_of(workbench: Workbench, share: Share, task: Task) -> str:
    """Say what a share will cost, by what finished runs taught. Raises `InputError` for a document gone missing."""
    provider = share.provider
    live = estimate_requests(
        workbench,
        task,
        provider,
        LiveWish(),
        requests=len(share.requests),
        items=share.items,
        input_tokens=sum(_size(request, task) for request in share.requests),
    ).live
    cost = dollars(None) if live is None else f"{dollars(live.low)} to {dollars(live.high)}"
    asked = f"{len(share.requests)} request(s) about {share.items} {task.items_word}"
    return f"{asked} to {provider.name}, {provider.model}, at the live price: {cost}"


def _size(request: Wanted, task: Task) -> int:
    built = task.build_request(request.batch, "estimate")
    return estimated_input(built if request.complaint is None else with_complaint(built, request.complaint))


def _answer(workbench: Workbench, share: Share, task: Task, *, left_out: bool) -> ExitCode:
    with LiveProgress() as progress, DocumentClaims(workbench.folders.locks) as claims:
        agenda = RetryAgenda(workbench=workbench, task=task, claims=claims, requests=share.requests)
        run = LiveRun(
            workbench=workbench,
            task=task,
            providers=[share.provider],
            claims=claims,
            wish=LiveWish(),
            batch_size=share.batch_size,
            progress=progress,
        )
        found = run.answer(agenda, total=len(share.requests))
    for key in agenda.busy:
        talk(f"{'/'.join(key)} is being asked about by another run; left to it")
    summarise(found, {"Documents left to another run": len(agenda.busy)})
    return found.verdict(left_out=left_out)
