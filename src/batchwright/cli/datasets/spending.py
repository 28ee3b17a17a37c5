"""What a live run over a dataset spends, noted in the ledger while it runs."""

from batchwright.cli.datasets.base import Session
from batchwright.cli.datasets.measuring import task_of
from batchwright.cli.datasets.planning import RowPlan
from batchwright.cli.output import warning
from batchwright.clock import Clock
from batchwright.errors import TrackingError
from batchwright.live.rows.run import RowDone
from batchwright.pricing.estimate import tokens_in
from batchwright.pricing.spending import Bill, Spending
from batchwright.request import TextPart
from batchwright.run import Run


class RowSpending:
    """Notes in the ledger what a run spends; each note takes the place of the one before."""

    def __init__(self, session: Session, plan: RowPlan, run: Run, clock: Clock) -> None:
        self._workbench = session.workbench
        self._plan = plan
        self._run = run
        self._clock = clock
        self._bill = Bill(batch=False, overrides=session.workbench.prices)
        self._began = clock.monotonic()
        self._part = "" if plan.resumed is None else clock.now().isoformat()
        self._estimated = 0

    def add(self, done: RowDone) -> None:
        """Add what an answer used."""
        answered = done.answered
        if answered is None:
            return
        request = answered.ask.request
        texts = (part.text for message in request.messages for part in message.parts if isinstance(part, TextPart))
        self._estimated += tokens_in(request.system or "") + sum(map(tokens_in, texts))
        self._bill.add(
            answered.usage,
            provider_name=answered.provider_name,
            model=answered.model,
            day=self._clock.now().date(),
            answered=answered.result.succeeded,
        )

    def keep(self) -> None:
        """Write the note; trouble with the ledger is a warning, for the answers are what counts."""
        spending = Spending(
            run=self._run.run_id,
            part=self._part,
            task=task_of(self._plan),
            lines=self._bill.lines,
            estimated_tokens=self._estimated,
            seconds=self._clock.monotonic() - self._began,
            emulated=self._workbench.settings.emulated,
        )
        try:
            self._workbench.ledger.record(spending)
        except TrackingError as error:
            warning(error)
