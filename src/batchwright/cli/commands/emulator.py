"""`emulator`: the local server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pydantic_core

from batchwright.cli.options import ListingCommand
from batchwright.cli.output import data, talk
from batchwright.errors import ConfigurationError

if TYPE_CHECKING:
    from batchwright.emulator.faults import Fault
    from batchwright.emulator.scenario import Scenario

DEFAULT_PORT = 8765


@click.command("emulator", cls=ListingCommand)
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
@click.option(
    "--data",
    "data_dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep jobs and files here, over restarts  [default: a temporary folder]",
)
@click.option(
    "--scenario",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="How the emulated services behave (JSON; see docs/emulator.md).",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:PROVIDER][,KEY=VALUE...]",
    help="Let something go wrong; may be repeated (see docs/emulator.md).",
)
def command(port: int, data_dir: Path | None, scenario: Path | None, faults: tuple[str, ...]) -> None:
    """Run a local server that speaks the OpenAI, Anthropic and Gemini batch protocols, on 127.0.0.1 only.

    \b
    Examples:
      batchwright emulator --port 8765 --data data/emulator
      batchwright emulator --fault drop_after:gemini,on=create,times=1 --fault stuck:openai
      export BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    from batchwright.emulator.server import serve  # noqa: PLC0415  (starlette is not needed to show --help)

    def ready(url: str) -> None:
        data(url)
        talk(f"Ready. In another terminal: export BATCHWRIGHT_EMULATOR_URL={url}")

    try:
        serve(
            port=port,
            data_dir=data_dir,
            scenario=load_scenario(scenario),
            faults=read_faults(faults),
            on_ready=ready,
        )
    except OSError as error:
        raise ConfigurationError(
            f"cannot serve on port {port}: {error.strerror or error}; choose another with --port, or 0 for a free one"
        ) from error


def load_scenario(path: Path | None) -> "Scenario | None":
    """Read a scenario file. Raises `ConfigurationError` naming the file and the setting."""
    from batchwright.emulator.scenario import Scenario, ScenarioError  # noqa: PLC0415

    if path is None:
        return None
    try:
        return Scenario.parse(pydantic_core.from_json(path.read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"cannot read --scenario {path}: {error.strerror}") from error
    except (ScenarioError, ValueError) as error:
        raise ConfigurationError(f"--scenario {path}: {error}") from error


def read_faults(flags: tuple[str, ...]) -> "tuple[Fault, ...]":
    """Read `--fault` flags. Raises `ConfigurationError` naming the fault and what it could be."""
    from batchwright.emulator.faults import FaultError, parse_flag  # noqa: PLC0415

    try:
        return tuple(fault for flag in flags for fault in parse_flag(flag))
    except FaultError as error:
        raise ConfigurationError(f"--fault {error}") from error
