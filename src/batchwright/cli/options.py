"""Option types and the options that every command shares."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>s|m|h|d)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m, h or d: `90`, `10m`, `2h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} is no duration; write seconds, or 90s, 10m, 2h", param, ctx)
        return float(match["number"]) * _SECONDS[match["unit"]]


class ManyValued(click.Option):
    """An option that takes every word up to the next option: `--subjects Geography "Art and Design"`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"multiple": True}))


class GuideCommand(click.Command):
    """A command whose `ManyValued` options accept several words, as the guides write them.

    click has no such option, so the option is repeated before each of its words.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spell out `ManyValued` options, then parse as usual."""
        names = {name for param in self.params if isinstance(param, ManyValued) for name in param.opts}
        return super().parse_args(ctx, _spelled_out(args, names, ctx))


class ListingCommand(GuideCommand):
    """A command that only shows something: when its reader has left (`| head`), there is nothing left to do."""


def _spelled_out(args: list[str], names: set[str], ctx: click.Context) -> list[str]:
    spelled: list[str] = []
    option: str | None = None
    values = 0
    for word in [*args, "--"]:
        if not word.startswith("-") and option is not None:
            spelled += [option, word]
            values += 1
            continue
        if option is not None and values == 0:
            raise click.UsageError(f"{option} needs at least one value", ctx)
        name, equals, value = word.partition("=")
        option = name if name in names else None
        values = 0
        if option is None:
            spelled.append(word)
        elif equals:
            if not value:
                raise click.UsageError(f"{option} needs at least one value", ctx)
            spelled += [option, value]
            values = 1
    return spelled[:-1]


def workspace_options(function: Function) -> Function:
    """Add the options that say where everything is."""
    for option in reversed(_WORKSPACE_OPTIONS):
        function = option(function)
    return function


_WORKSPACE_OPTIONS = (
    click.option("--documents-dir", type=click.Path(path_type=Path), help="Folder of documents  [default: Documents]"),
    click.option(
        "--from-report",
        type=click.Path(path_type=Path),
        help="Issue report (CSV)  [default: language-check-report.csv in the documents' folder]",
    ),
    click.option(
        "--tracking-file", type=click.Path(path_type=Path), help="Job metadata  [default: data/batch_jobs.json]"
    ),
    click.option(
        "--state-file",
        type=click.Path(path_type=Path),
        help="Completed batches  [default: data/llm_categoriser_state.json]",
    ),
    click.option("--prompts-dir", type=click.Path(path_type=Path), help="Prompt files  [default: prompts]"),
    click.option("--dotenv", type=click.Path(path_type=Path), help="File of KEY=value lines  [default: .env]"),
    click.option("--emulator", metavar="URL", help="Use a local emulator instead of the real providers."),
    click.option("--log-file", type=click.Path(path_type=Path), help="Append what happens here, as JSON lines."),
    click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
)

WORKSPACE_OPTION_NAMES = (
    "documents_dir",
    "from_report",
    "tracking_file",
    "state_file",
    "prompts_dir",
    "dotenv",
    "emulator",
    "log_file",
    "verbose",
)
"""The parameters that `workspace_options` adds."""
