"""What asking live will cost, by what finished runs taught."""

from decimal import Decimal

from batchwright.cli.creating import Choice, rehearse
from batchwright.cli.live.run import LiveWish
from batchwright.cli.workbench import Workbench
from batchwright.pricing.budget import Allowance, Budget
from batchwright.pricing.estimate import Estimate, Workload, estimated
from batchwright.pricing.learned import lessons
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task


def estimate_run(workbench: Workbench, task: Task, choice: Choice, wish: LiveWish) -> Estimate:
    """Return what asking the chosen documents live will take. Nothing is sent or written, and no key is needed."""
    _, jobs, sink = rehearse(workbench, task, choice)
    return estimate_requests(
        workbench,
        task,
        sink.provider,
        wish,
        requests=sum(job.request_count for job in jobs),
        items=sum(len(batch.item_ids) for job in jobs for batch in job.batches),
        input_tokens=sum(job.input_tokens for job in jobs),
    )


def estimate_requests(
    workbench: Workbench,
    task: Task,
    provider: Provider,
    wish: LiveWish,
    *,
    requests: int,
    items: int,
    input_tokens: int,
) -> Estimate:
    """Return what so many requests with so many tokens of input will take."""
    emulated = workbench.settings.emulated
    runs, _ = workbench.ledger.load()
    return estimated(
        Workload(
            provider_name=provider.name,
            model=provider.model,
            task=task.name,
            requests=requests,
            estimated_tokens=input_tokens,
            items=items,
            workers=wish.at_once,
            requests_per_minute=wish.requests_per_minute,
        ),
        lessons(runs, provider_name=provider.name, model=provider.model, task=task.name, emulated=emulated),
        at=workbench.clock.now(),
        overrides=workbench.prices,
    )


def allowance_for(estimate: Estimate, max_cost: Decimal | None) -> Allowance | None:
    """Return what a run may still send, where a person said what it may cost; its dearest request is expected first."""
    if max_cost is None or estimate.live is None:
        return None
    requests = max(1, estimate.workload.requests)
    return Allowance(budget=Budget(limit=max_cost), request=estimate.live.high / requests)
