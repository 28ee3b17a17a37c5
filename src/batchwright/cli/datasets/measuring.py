"""What the rows of a run hold and will cost: found before anything is sent."""

import select
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pydantic_core

from batchwright.cli.datasets.base import Session
from batchwright.cli.datasets.options import BATCH
from batchwright.cli.datasets.planning import RowPlan
from batchwright.cli.money import dollars
from batchwright.cli.output import data, talk
from batchwright.errors import BudgetError, InputError
from batchwright.live.rows.keys import Keys
from batchwright.pricing.budget import Allowance, Budget
from batchwright.pricing.estimate import (
    LONGEST_BATCH,
    UNLEARNED_INPUT,
    Dollars,
    Estimate,
    Workload,
    estimated,
    tokens_in,
)
from batchwright.pricing.learned import lessons
from batchwright.run import RowSet
from batchwright.sources.datasets.base import Row
from batchwright.sources.datasets.survey import Survey, survey
from batchwright.sources.row_prompts import RowPrompts
from batchwright.tracking.prompt_index import PromptIndex

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is to be asked."""

    survey: Survey
    requests: int
    """Rows without an answer; of those with equal prompts, one."""
    tokens: int
    """Of the input of these, estimated."""


def measure(plan: RowPlan, prompts: RowPrompts, answered: RowSet, *, to_ask: bool) -> Measure:
    """Read every row once. Raises the first `InputError` that a row, its prompt or its attachments meet.

    With `to_ask`, what is left to ask is counted as well.
    """
    with PromptIndex() as index:
        counter = _Counter(plan, prompts, answered, index if to_ask and plan.dedupe else None)
        checks = () if prompts.attachments is None else (prompts.attachments.check,)
        found = survey(prompts.dataset, prompt=counter, checks=checks, ids=plan.spec.id_column)
    if not found.rows:
        names = ", ".join(plan.spec.inputs)
        raise InputError(f"no row of {names} is meant: there is none that --where lets through")
    return Measure(survey=found, requests=counter.requests, tokens=counter.tokens)


class _Counter:
    """Makes each row's prompt, and counts those that are to be asked."""

    def __init__(self, plan: RowPlan, prompts: RowPrompts, answered: RowSet, index: PromptIndex | None) -> None:
        self._prompts = prompts
        self._answered = answered
        self._index = index
        self._keys = Keys({})
        self._system = tokens_in(plan.spec.system or "")
        self._window = _window(plan)
        self._model = plan.model.name
        self._row = -1
        self.requests = 0
        self.tokens = 0

    def __call__(self, row: Row) -> str:
        self._row += 1
        text = self._prompts.prompt(row)
        tokens = self._system + tokens_in(text)
        if self._window is not None and tokens * UNLEARNED_INPUT[0] > self._window:
            raise InputError(
                f"{row.place}: the prompt has about {tokens:,} tokens, and {self._model} takes {self._window:,} at most"
            )
        if self._row not in self._answered and self._is_first(text):
            self.requests += 1
            self.tokens += tokens
        return text

    def _is_first(self, text: str) -> bool:
        if self._index is None or self._prompts.attachments is not None:
            return True
        key = self._keys.of(self._prompts.pattern(text))
        return self._index.first(key, self._row) == self._row


def _window(plan: RowPlan) -> int | None:
    from batchwright.pricing.price_list import context_window  # noqa: PLC0415  (the lists take a third of a second)

    return context_window(plan.model.provider_name, plan.model.priced_as)


def task_of(plan: RowPlan) -> str:
    """Return the name under which the ledger learns how long such answers are: the same for the same question."""
    spec = plan.spec
    return "rows-" + _digest([spec.template, spec.template_text, spec.system, spec.schema])


def _digest(value: Any) -> str:
    import hashlib  # noqa: PLC0415  (once a run)

    return hashlib.sha256(pydantic_core.to_json(value)).hexdigest()[:12]


def estimate_rows(session: Session, plan: RowPlan, found: Measure) -> Estimate:
    """Return what the rows will use, cost and take, by what finished runs taught."""
    workbench = session.workbench
    runs, _ = workbench.ledger.load()
    name, model, task = plan.model.provider_name, plan.model.priced_as, task_of(plan)
    workload = Workload(
        provider_name=name,
        model=model,
        task=task,
        requests=found.requests,
        estimated_tokens=found.tokens,
        workers=plan.asking.concurrency,
        requests_per_minute=plan.rate,
    )
    known = lessons(runs, provider_name=name, model=model, task=task, emulated=workbench.settings.emulated)
    return estimated(workload, known, at=workbench.clock.now(), overrides=workbench.prices)


def allowance_within(estimate: Estimate, max_cost: Decimal, *, spent: Decimal, via: str) -> Allowance | None:
    """Return what the run may still send. Raises `BudgetError` where it must not even begin.

    None where the provider's jobs cannot be stopped half-way: then the whole of it is within the budget.
    """
    batch = via == BATCH
    expected = estimate.batch if batch else estimate.live
    together = None if expected is None else Dollars(low=expected.low + spent, high=expected.high + spent)
    refusal = Budget(limit=max_cost).refusal(together, can_stop=not batch)
    if refusal is not None:
        limit = f"--max-cost is {dollars(max_cost)}"
        if refusal.amount is None:
            raise BudgetError(f"nothing was sent: what {estimate.workload.model} costs is unknown, and {limit}")
        bound = "may cost up to" if batch else "costs at least"
        raise BudgetError(f"nothing was sent: it {bound} {dollars(refusal.amount)}, and {limit}; --limit asks for less")
    if batch or expected is None:
        return None
    each = expected.high / max(1, estimate.workload.requests)
    return Allowance(budget=Budget(limit=max_cost), request=each, spent=spent)


def print_rows_estimate(estimate: Estimate, plan: RowPlan) -> None:
    """Print what the rows will use, cost and take."""
    batch = plan.via == BATCH
    data(f"Estimated tokens: {_counts(estimate.input_tokens)} input, {_counts(estimate.output_tokens)} output")
    live, in_batch = f"{_dollars(estimate.live)} live", f"{_dollars(estimate.batch)} with --via batch"
    costs = f"{in_batch}; {live}" if batch else f"{live}; {in_batch}"
    data(f"Estimated cost ({plan.model.name}): {costs}")
    before = estimate.batch_seconds
    taken = f"{_duration(before)}, as jobs before" if before else f"{_time(LONGEST_BATCH)} at most"
    data(f"Estimated time: {taken if batch else _duration(estimate.live_seconds)}")
    talk(f"This rests on {'; '.join(estimate.rests_on)}.")


def proceed(*, yes: bool) -> bool:
    """Ask whether to go on; where no terminal can be asked, an answer that waits on standard input counts."""
    if yes:
        return True
    if sys.stdin.isatty() or _is_waiting():
        sys.stderr.write("Proceed? (y/n): ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in {"y", "yes"}:
            return True
        talk("Nothing was sent.")
        return False
    talk("Nothing was sent, as nobody can be asked here. Give --yes as well to go on.")
    return False


def _is_waiting() -> bool:
    try:
        return bool(select.select([sys.stdin.fileno()], [], [], 0)[0])
    except (OSError, ValueError):  # no file that the system knows: what a test or a program put in its place
        return True


def _counts(ends: tuple[int, int]) -> str:
    return f"{ends[0]:,}" if ends[0] == ends[1] else f"{ends[0]:,}-{ends[1]:,}"


def _dollars(cost: Dollars | None) -> str:
    if cost is None:
        return dollars(None)
    low, high = dollars(cost.low), dollars(cost.high)
    return low if low == high else f"{low}-{high}"


def _duration(ends: tuple[float, float]) -> str:
    low, high = (_time(seconds) for seconds in ends)
    return high if low == high else f"{low} to {high}"


def _time(seconds: float) -> str:
    for unit, word in ((_HOUR, "hour"), (_MINUTE, "minute"), (1.0, "second")):
        count = round(seconds / unit)
        if count >= 1:
            return f"{count} {word}{'' if count == 1 else 's'}"
    return "1 second"
