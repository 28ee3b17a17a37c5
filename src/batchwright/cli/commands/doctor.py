"""`doctor`: which keys, extras and folders are there and work."""

from typing import Any

import click

from batchwright.cli.checkup import Finding, State, check_folders, check_keys, check_program, ping
from batchwright.cli.exits import ExitCode
from batchwright.cli.options import ListingCommand, workspace_options
from batchwright.cli.output import json_document, table, talk
from batchwright.cli.workbench import settings_from
from batchwright.config import EMULATOR_VARIABLE, KEY_VARIABLES, Settings
from batchwright.providers.base import Provider

_WORDS = {State.OK: "ok", State.ABSENT: "-", State.PROBLEM: "PROBLEM", State.KEY: "KEY"}


@click.command("doctor", cls=ListingCommand)
@click.option("--ping", "pings", is_flag=True, help="Ask each provider that has a key one cheap thing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@workspace_options
def command(*, pings: bool, as_json: bool, **given: Any) -> int:
    """Say which keys, extras and folders are there and work.

    Ends with 2 where something has to be mended, with 4 where a key was refused.

    \b
    Examples:
      batchwright doctor
      batchwright doctor --ping
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    settings = settings_from(given)
    findings = [*check_program(), *check_keys(settings.environment), *check_folders(settings)]
    if pings:
        findings += _ping(settings)
    if as_json:
        json_document("checkup", findings=[_as_json(finding) for finding in findings])
    else:
        table([(_WORDS[item.state], item.topic, item.name, " ".join(item.detail.split())) for item in findings])
    return _judged(findings, settings)


def _ping(settings: Settings) -> list[Finding]:
    from batchwright.providers.registry import open_provider  # noqa: PLC0415  (providers are needed for this alone)

    environment = settings.environment

    def opened(name: str) -> Provider:
        return open_provider(name, environment=environment)

    emulated = environment.get(EMULATOR_VARIABLE) is not None
    return ping([name for name in KEY_VARIABLES if emulated or environment.first(*KEY_VARIABLES[name])], opened)


def _judged(findings: list[Finding], settings: Settings) -> ExitCode:
    states = {finding.state for finding in findings}
    if State.PROBLEM in states:
        return ExitCode.USAGE
    if State.KEY in states:
        return ExitCode.KEY
    if not settings.emulated and not any(item.topic == "key" and item.state is State.OK for item in findings):
        talk("No key is set yet; `batchwright demo` needs none.")
    return ExitCode.OK


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "topic": finding.topic,
        "name": finding.name,
        "state": finding.state.value,
        "detail": finding.detail,
    }
