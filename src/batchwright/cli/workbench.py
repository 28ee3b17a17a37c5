"""What a command works with, put together from its options.

Imports only what a list of jobs needs: every other part is imported by the method that makes it.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchwright.cli.logs import configure
from batchwright.cli.options import WORKSPACE_OPTION_NAMES, workspace_options
from batchwright.cli.output import warning
from batchwright.clock import Clock, SystemClock
from batchwright.config import EMULATOR_VARIABLE, Environment, Settings, fallbacks_from
from batchwright.errors import ConfigurationError, LLMProviderConfigurationError
from batchwright.job import JobRecord
from batchwright.tracking.base import JobStore, find_job
from batchwright.tracking.ids import JobIds
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.tracking.payloads import JobFolders

if TYPE_CHECKING:
    from batchwright.batch.orchestrator import Engine
    from batchwright.batch.watcher import Pace
    from batchwright.pricing.ledger import Ledger
    from batchwright.pricing.overrides import PriceTable
    from batchwright.providers.base import Provider
    from batchwright.tasks.base import Task
    from batchwright.tasks.rows import RowsTask

_FILE_OPTIONS = {
    "documents_dir": "documents_dir",
    "from_report": "report",
    "tracking_file": "tracking_file",
    "state_file": "state_file",
    "prompts_dir": "prompts_dir",
}
OPTION_OF = {**{field: option for option, field in _FILE_OPTIONS.items()}, "emulator": "emulator"}
"""The shared option that sets a setting, where one does."""


SHORTEST_INTERVAL = 1.0
"""Seconds between two looks, at least, at a real provider."""
EMULATED_SHORTEST_INTERVAL = 0.05


def with_workbench(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the shared options and, as `workbench`, what they make."""

    @workspace_options
    @functools.wraps(function)
    def call(**given: Any) -> int | None:
        options = {name: given.pop(name) for name in WORKSPACE_OPTION_NAMES}
        configure(verbose=options["verbose"], log_file=options["log_file"])
        return function(workbench=Workbench.open(options), **given)

    return call


def settings_from(options: Mapping[str, Any]) -> Settings:
    """Return the settings that the shared options and the environment make. Raises `ConfigurationError`."""
    environment = Environment.load(options["dotenv"])
    if options["emulator"]:
        environment = environment.overlaid({EMULATOR_VARIABLE: options["emulator"]}, "--emulator")
    paths = {field: options[name] for name, field in _FILE_OPTIONS.items() if options[name] is not None}
    return Settings.over(environment, paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """The stores, tasks and providers of one workspace."""

    settings: Settings
    store: JobStore
    folders: JobFolders
    clock: Clock
    job_ids: JobIds

    @classmethod
    def open(cls, options: Mapping[str, Any]) -> "Workbench":
        """Put a workbench together; nothing is read or written yet."""
        return cls.over(settings_from(options))

    @classmethod
    def over(cls, settings: Settings) -> "Workbench":
        """Put a workbench together over settings."""
        clock = SystemClock()
        return cls(
            settings=settings,
            store=JsonFileJobStore(settings.tracking_file),
            folders=JobFolders(settings.tracking_file),
            clock=clock,
            job_ids=JobIds(clock.now),
        )

    def remember(self, records: Sequence[JobRecord]) -> None:
        """Keep the records of jobs whose wire files are durable, in one step; a copy beside each file.

        In this order: what is not in the tracking file is not restored by its copy, but planned again.
        """
        if records:
            self.store.add(records)
        for record in records:
            self.folders.keep(record)

    def task(self, name: str = "categorise", *, notify: Callable[[str], None] = warning) -> "Task":
        """Return the task a job was made for; `notify` is told what a person should know though nothing failed.

        Raises `ConfigurationError` for a task this version does not know.
        """
        settings = self.settings
        if name == "rows":
            return self.rows_task()
        from batchwright.tasks.categorise import CategoriseTask  # noqa: PLC0415

        if name != CategoriseTask.name:
            raise ConfigurationError(f"no task {name!r}; this version knows: {CategoriseTask.name}, rows")
        return CategoriseTask(
            documents_dir=settings.documents_dir,
            report=settings.issue_report,
            prompts_dir=settings.prompts_dir,
            notify=notify,
        )

    def rows_task(self) -> "RowsTask":
        """Return the task over the dataset runs of this workspace; nothing is read yet."""
        from batchwright.tasks.rows import RowsTask  # noqa: PLC0415
        from batchwright.tracking.runs import RunStore  # noqa: PLC0415

        data = self.settings.tracking_file.parent
        return RowsTask(RunStore(data / "batch.db"), outputs=data / "batch_runs", now=self.clock.now)

    def provider(self, name: str, model: str | None = None, *, api_key: str | None = None) -> "Provider":
        """Return a provider; only its own SDK is imported. Raises `LLMProviderConfigurationError` without a key."""
        from batchwright.providers.registry import open_provider  # noqa: PLC0415

        return open_provider(name, model=model, api_key=api_key, environment=self.settings.environment)

    def engine(self, *, accept_changed: bool = False, csv_safe: bool = False) -> "Engine":
        """Return the batch engine over this workbench; providers and tasks are made once and shared."""
        from batchwright.batch.collecting.billing import Billing  # noqa: PLC0415
        from batchwright.cli.engine_room import engine_of  # noqa: PLC0415

        return engine_of(
            settings=self.settings,
            store=self.store,
            folders=self.folders,
            clock=self.clock,
            new_job_id=self.job_ids,
            billing=Billing(ledger=self.ledger, prices=self.prices, emulated=self.settings.emulated),
            open_provider=self.provider,
            open_task=self.task,
            accept_changed=accept_changed,
            csv_safe=csv_safe,
        )

    def fallbacks(self, besides: str) -> "list[Provider]":
        """Return the providers to go on with when the quota of `besides` is used up; one without a key is left out.

        What is left out is told. Raises `ConfigurationError` for a name that is no provider's.
        """
        found = []
        for name in fallbacks_from(self.settings.environment):
            if name == besides:
                continue
            try:
                found.append(self.provider(name))
            except LLMProviderConfigurationError as error:
                warning(f"LLM_FALLBACK: {name} is left out: {error}")
        return found

    @property
    def ledger(self) -> "Ledger":
        """What was spent in this workspace."""
        from batchwright.pricing.ledger import Ledger  # noqa: PLC0415

        return Ledger.beside(self.settings.tracking_file)

    @property
    def prices(self) -> "PriceTable":
        """What a person set in the settings file. Raises `ConfigurationError` if that cannot be read."""
        from batchwright.pricing.overrides import workspace_prices  # noqa: PLC0415

        return workspace_prices(Path.cwd())

    def pace(self, interval: float | None = None) -> "Pace":
        """Return how often to poll: every `interval` seconds, or gently at a real provider, at once at the emulator.

        Raises `ConfigurationError` for an interval so short that a provider would take it for an attack.
        """
        from batchwright.batch.watcher import (  # noqa: PLC0415
            EMULATED_FIRST_INTERVAL,
            EMULATED_LONGEST_INTERVAL,
            Pace,
        )

        emulated = self.settings.emulated
        if interval is not None:
            shortest = EMULATED_SHORTEST_INTERVAL if emulated else SHORTEST_INTERVAL
            if interval < shortest:
                raise ConfigurationError(f"--interval is {interval:g} s; it is {shortest:g} s or more")
            return Pace(first=interval, longest=interval)
        return Pace(first=EMULATED_FIRST_INTERVAL, longest=EMULATED_LONGEST_INTERVAL) if emulated else Pace()

    def jobs_named(self, names: Iterable[str]) -> tuple[JobRecord, ...]:
        """Return the jobs that the given names mean, each once. Raises `UnknownJobError`."""
        records = self.store.load()
        return tuple({(found := find_job(records, name)).job_id: found for name in names}.values())
