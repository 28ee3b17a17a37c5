"""The batch engine of a workspace: everything that sends, looks and collects, which a list of jobs does without.

It is put together from parts and knows nothing of the workbench, which hands them over.
"""

import threading
from collections.abc import Callable

from batchwright.batch.collecting.billing import Billing
from batchwright.batch.collecting.collector import Collector
from batchwright.batch.orchestrator import Engine
from batchwright.batch.patience import Patience
from batchwright.clock import Clock
from batchwright.config import Settings
from batchwright.providers.base import Provider
from batchwright.tasks.base import Task
from batchwright.tracking.base import JobStore
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.state import StateFile

EMULATED_FIRST_WAIT = 0.05
"""Seconds before a read that failed is tried again at the emulator."""


def engine_of(
    *,
    settings: Settings,
    store: JobStore,
    folders: JobFolders,
    clock: Clock,
    new_job_id: Callable[[], str],
    billing: Billing,
    open_provider: Callable[[str, str | None], Provider],
    open_task: Callable[[str], Task],
    accept_changed: bool,
    csv_safe: bool,
) -> Engine:
    """Return the engine; what it opens, it opens once. `accept_changed` and `csv_safe` are as in `Collector`."""
    shared = _Shared(open_provider, open_task)
    collector = Collector(
        store=store,
        folders=folders,
        state=StateFile(settings.state_file),
        clock=clock,
        accept_changed=accept_changed,
        csv_safe=csv_safe,
        batch_size=settings.batch_size,
        billing=billing,
    )
    return Engine(
        store=store,
        folders=folders,
        clock=clock,
        collector=collector,
        provider_of=shared.provider,
        task_of=shared.task,
        new_job_id=new_job_id,
        grace=settings.grace,
        unfenced_grace=settings.unfenced_grace,
        patience=Patience(first=EMULATED_FIRST_WAIT) if settings.emulated else Patience(),
    )


class _Shared:
    """Providers and tasks that threads ask for, each made once."""

    def __init__(self, open_provider: Callable[[str, str | None], Provider], open_task: Callable[[str], Task]) -> None:
        self._open_provider = open_provider
        self._open_task = open_task
        self._lock = threading.Lock()
        self._providers: dict[tuple[str, str], Provider] = {}
        self._tasks: dict[str, Task] = {}

    def provider(self, name: str, model: str) -> Provider:
        with self._lock:
            if (name, model) not in self._providers:
                self._providers[name, model] = self._open_provider(name, model or None)
            return self._providers[name, model]

    def task(self, name: str) -> Task:
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._open_task(name)
            return self._tasks[name]
