"""The batch engine over a workbench: everything that sends, looks and collects, which a list of jobs does without."""

import threading

from batchwright.batch.billing import Billing
from batchwright.batch.collector import Collector
from batchwright.batch.orchestrator import Engine
from batchwright.batch.patience import Patience
from batchwright.cli.workbench import Workbench
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task
from batchwright.tracking.state import StateFile

EMULATED_FIRST_WAIT = 0.05
"""Seconds before a read that failed is tried again at the emulator."""


def engine_over(workbench: Workbench, *, accept_changed: bool, csv_safe: bool) -> Engine:
    """Return the engine; `accept_changed` and `csv_safe` are as in `Collector`."""
    settings = workbench.settings
    shared = _Shared(workbench)
    collector = Collector(
        store=workbench.store,
        folders=workbench.folders,
        state=StateFile(settings.state_file),
        clock=workbench.clock,
        accept_changed=accept_changed,
        csv_safe=csv_safe,
        batch_size=settings.batch_size,
        billing=Billing(ledger=workbench.ledger, prices=workbench.prices, emulated=settings.emulated),
    )
    return Engine(
        store=workbench.store,
        folders=workbench.folders,
        clock=workbench.clock,
        collector=collector,
        provider_of=shared.provider,
        task_of=shared.task,
        new_job_id=workbench.job_ids,
        grace=settings.grace,
        unfenced_grace=settings.unfenced_grace,
        patience=Patience(first=EMULATED_FIRST_WAIT) if settings.emulated else Patience(),
    )


class _Shared:
    """Providers and tasks that threads ask for, each made once."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._lock = threading.Lock()
        self._providers: dict[tuple[str, str], Provider] = {}
        self._tasks: dict[str, Task] = {}

    def provider(self, name: str, model: str) -> Provider:
        with self._lock:
            if (name, model) not in self._providers:
                self._providers[name, model] = self._workbench.provider(name, model or None)
            return self._providers[name, model]

    def task(self, name: str) -> Task:
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._workbench.task(name)
            return self._tasks[name]
