"""What a live run spends, noted in the workspace's ledger while it runs."""

from batchwright.cli.output import warning
from batchwright.cli.workbench import Workbench
from batchwright.errors import TrackingError
from batchwright.live.documents.run import Event, Outcome
from batchwright.pricing.estimate import tokens_in
from batchwright.pricing.spending import Bill, Spending
from batchwright.request import Request, TextPart
from batchwright.tasks.base import Task


def estimated_input(request: Request) -> int:
    """Return the tokens that a request's text is estimated as."""
    texts = (part.text for message in request.messages for part in message.parts if isinstance(part, TextPart))
    return tokens_in(request.system or "") + sum(tokens_in(text) for text in texts)


class SpendingNote:
    """Adds up one run; each note takes the place of the one before."""

    def __init__(self, workbench: Workbench, task: Task) -> None:
        self._workbench = workbench
        self._task = task
        self._bill = Bill(batch=False, overrides=workbench.prices)
        self._run = workbench.job_ids().replace("job-", "run-")
        self._began = workbench.clock.monotonic()
        self._items = 0
        self._estimated = 0

    def add(self, event: Event) -> None:
        """Add what an answer used."""
        if isinstance(event, Outcome):
            answered = event.answered
            self._items += len(event.question.batch.item_ids)
            self._estimated += estimated_input(answered.ask.request)
            self._bill.add(
                answered.usage,
                provider_name=answered.provider_name,
                model=answered.model,
                day=self._workbench.clock.now().date(),
                answered=answered.result.succeeded,
            )

    def keep(self) -> None:
        """Write the note; trouble with the ledger is a warning, for the answers are what counts."""
        spending = Spending(
            run=self._run,
            task=self._task.name,
            lines=self._bill.lines,
            items=self._items,
            estimated_tokens=self._estimated,
            seconds=self._workbench.clock.monotonic() - self._began,
            emulated=self._workbench.settings.emulated,
        )
        try:
            self._workbench.ledger.record(spending)
        except TrackingError as error:
            warning(error)
