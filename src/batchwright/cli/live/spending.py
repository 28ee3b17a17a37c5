"""What a live run spends, noted in the workspace's ledger while it runs."""

from batchwright.cli.output import warning
from batchwright.cli.workbench import Workbench
from batchwright.errors import TrackingError
from batchwright.live.engine.asking import Answered
from batchwright.pricing.estimate import tokens_in
from batchwright.pricing.spending import Bill, Spending
from batchwright.request import Request, TextPart


def estimated_input(request: Request) -> int:
    """Return the tokens that a request's text is estimated as."""
    texts = (part.text for message in request.messages for part in message.parts if isinstance(part, TextPart))
    return tokens_in(request.system or "") + sum(tokens_in(text) for text in texts)


class SpendingNote:
    """Adds up one run, attempt by attempt; each note in the ledger takes the place of the one before.

    `run` is our id of it, `part` tells this process's share apart where several work on one run, one after another.
    """

    def __init__(self, workbench: Workbench, *, run: str, task: str, part: str = "") -> None:
        self._workbench = workbench
        self._run = run
        self._part = part
        self._task = task
        self._bill = Bill(batch=False, overrides=workbench.prices)
        self._began = workbench.clock.monotonic()
        self._items = 0
        self._estimated = 0

    def add(self, answered: Answered, *, items: int) -> None:
        """Add what a request about so many items used. Every attempt is a request to the vendor, and to its prices."""
        charges = answered.charges
        for charge in charges:
            self._bill.add(
                charge.usage,
                provider_name=charge.provider_name,
                model=charge.model,
                day=self._workbench.clock.now().date(),
                answered=charge.answered,
            )
        if charges:
            self._items += items * len(charges)
            self._estimated += estimated_input(answered.ask.request) * len(charges)

    def keep(self) -> None:
        """Write the note; trouble with the ledger is a warning, for the answers are what counts."""
        spending = Spending(
            run=self._run,
            part=self._part,
            task=self._task,
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
