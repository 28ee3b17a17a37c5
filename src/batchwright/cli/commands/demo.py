"""`demo`: the whole job on sample documents against the emulator, no key needed."""

from dataclasses import replace
from pathlib import Path

import click

from batchwright.cli.commands.batch_create import create
from batchwright.cli.creating import Choice
from batchwright.cli.demo_check import Check, check_reports
from batchwright.cli.exits import ExitCode
from batchwright.cli.fetching import to_collect, wait_for
from batchwright.cli.options import GuideCommand
from batchwright.cli.output import data, shown_path, talk
from batchwright.cli.workbench import Workbench
from batchwright.config import DEFAULT_BATCH_SIZE, EMULATOR_VARIABLE, PROVIDER_NAMES, Environment, Settings
from batchwright.errors import ConfigurationError, InputError
from batchwright.workspace import copy_to

TIMEOUT = 120.0
"""Seconds after which a demo that hangs gives up."""

MARKER = ".batchwright-demo"
"""The file that tells a demo's own folder; nothing is written into another."""


@click.command("demo", cls=GuideCommand)
@click.option("--provider", type=click.Choice(PROVIDER_NAMES), default=PROVIDER_NAMES[0], show_default=True)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("batchwright-demo"),
    show_default=True,
    help="An empty or new folder, or that of an earlier demo; files you changed in it are kept.",
)
def command(provider: str, folder: Path) -> int:
    """Run the whole job on sample documents against a local emulator: no key, no network, no cost.

    Makes a workspace, creates a batch job, waits for it, writes the reports, and compares each row with what the
    emulator says it answered.

    \b
    Examples:
      batchwright demo
      batchwright demo --provider openai
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    from batchwright.emulator.server import RunningEmulator  # noqa: PLC0415  (starlette is not needed to show --help)

    _claim(folder)
    copy_to(folder)
    talk(f"Sample workspace: {shown_path(folder)}")
    with RunningEmulator(folder / "data" / "emulator") as emulator:
        talk(f"Emulator: {emulator.url}")
        workbench = _workbench(folder, emulator.url)
        before = {record.job_id for record in workbench.store.load()}
        data(f"$ batchwright batch-create --provider {provider}")
        # Forced, so that a second demo shows the same as the first.
        code = create(workbench, Choice(provider_name=provider, batch_size=DEFAULT_BATCH_SIZE, force=True))
        if code != ExitCode.OK:
            return code
        data("$ batchwright batch-watch")
        jobs = [record for record in to_collect(workbench.store.load()) if record.job_id not in before]
        code = wait_for(workbench.engine(), jobs, pace=workbench.pace(), timeout=TIMEOUT)
        if code != ExitCode.OK:
            return code
        check = check_reports(workbench, {record.job_id for record in jobs}, emulator.url)
    _tell(check)
    return ExitCode.OK if check.rows and not check.differing else ExitCode.UNEXPECTED


def _claim(folder: Path) -> None:
    """Mark a new or empty folder as a demo's. Raises `ConfigurationError` for one that holds something else."""
    marker = folder / MARKER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if marker.is_file():
            return
        if any(folder.iterdir()):
            raise ConfigurationError(
                f"{shown_path(folder)} holds files that no demo made, and would be changed; choose an empty folder "
                "with --dir"
            )
        marker.write_text("Made by `batchwright demo`; it may be deleted.\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error


def _workbench(folder: Path, url: str) -> Workbench:
    """Everything in `folder`, and the emulator for a provider; keys of the real world are not even read."""
    settings = replace(
        Settings(environment=Environment({EMULATOR_VARIABLE: url})),
        documents_dir=folder / "Documents",
        tracking_file=folder / "data" / "batch_jobs.json",
        state_file=folder / "data" / "llm_categoriser_state.json",
        prompts_dir=folder / "prompts",
    )
    return Workbench.over(settings)


def _tell(check: Check) -> None:
    data("Reports:")
    for path, rows in check.reports.items():
        data(f"  {shown_path(path)} ({rows} rows)")
    if check.differing:
        data(f"{len(check.differing)} of {check.rows} rows differ from what the emulator answered:")
        for line in check.differing:
            data(f"  {line}")
    else:
        data(f"All {check.rows} rows are what the emulator's log says it answered.")
