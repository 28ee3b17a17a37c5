"""The group of commands about datasets: `batch FILE` asks, `batch list`, `status` and `cancel` look after runs.

A first word that is none of these is a file. Nothing heavy is imported until a command is called: the llm tool makes
this group each time it starts.
"""

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from batchwright.cli.datasets.base import Backend, Decorator

_RUN: Final = "run"
"""The command that no word names."""
_COMMANDS: Final = {
    "list": "Show the runs, the newest first.",
    "status": "Show how far a run is, and its errors.",
    "cancel": "Stop a run; --resume goes on with it.",
}
_HELP: Final = frozenset({"-h", "--help"})

database_option = click.option(
    "--database", type=click.Path(path_type=Path), help="Run database  [default: batch.db beside the other data]"
)


def batch_group(backend: Backend, *, name: str = "batch") -> click.Group:
    """Return the commands over a backend, to be added to a group under `name`."""
    return _BatchGroup(
        backend,
        name=name,
        help="Ask about every row of a file, and look after such runs.",
        context_settings={"help_option_names": ["-h", "--help"]},
        options_metavar="",
        subcommand_metavar="INPUT... [OPTIONS] | list | status ID | cancel ID",
        epilog=f"A file whose name is a command's is given as a path: {backend.program} ./list",
    )


class _BatchGroup(click.Group):
    def __init__(self, backend: Backend, **settings: Any) -> None:
        super().__init__(**settings)
        self._backend = backend

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = not args or args[0] in _COMMANDS or args[0] in _HELP
        return super().parse_args(ctx, args if named else [_RUN, *args])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS and cmd_name != _RUN:
            return None
        make: Callable[[Backend], click.Command]
        make = import_module(f"batchwright.cli.datasets.commands.{cmd_name}").command_for
        return make(self._backend)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        run = self.get_command(ctx, _RUN)
        assert run is not None, "its own"
        run.format_options(click.Context(run, parent=ctx), formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


class NamelessContext(click.Context):
    """The context of the command that no word names."""

    @property
    def command_path(self) -> str:
        """What a person typed to get here."""
        return self.parent.command_path if self.parent is not None else ""


def command_over(
    backend: Backend, function: Callable[..., int | None], *options: Decorator, more: Sequence[Decorator] = ()
) -> Callable[..., None]:
    """Return what a command calls: `function(session, **given)`, given what `options` say.

    The session is the backend opened with what its own options say: those of all commands, and `more`.
    The value it returns, or the error it raises, becomes the exit code, also in a program that knows no such codes.
    """
    own = [*backend.place_options, *more]
    names = _names_of(own)

    @functools.wraps(function)
    def call(**given: Any) -> None:
        values = {name: given.pop(name) for name in names}
        verbose = bool(values.get("verbose"))
        code = _outcome(lambda: function(backend.open(values), **given), verbose=verbose)
        click.get_current_context().exit(code)

    for option in reversed([*options, *own]):
        call = option(call)
    return call


def _names_of(options: Sequence[Decorator]) -> list[str]:
    """Return the names under which options give their values."""

    def nothing() -> None:
        """Carries the options."""

    carrier: Any = nothing
    for option in options:
        carrier = option(carrier)
    return [param.name for param in getattr(carrier, "__click_params__", ()) if param.name is not None]


def _outcome(work: Callable[[], int | None], *, verbose: bool) -> int:
    """Return the exit code of a command, and say what ended it early."""
    from batchwright.cli.exits import ExitCode, Terminated, exit_code_of  # noqa: PLC0415  (`--help` needs none)
    from batchwright.cli.output import ReaderGoneError, report_error, talk  # noqa: PLC0415  (as above)

    try:
        return work() or ExitCode.OK
    except (click.ClickException, click.exceptions.Exit, SystemExit):
        raise
    except ReaderGoneError:
        return ExitCode.OK
    except (KeyboardInterrupt, click.Abort):
        talk("Interrupted.")
        return ExitCode.INTERRUPTED
    except Terminated:
        talk("Terminated.")
        return ExitCode.TERMINATED
    except BaseException as error:  # noqa: BLE001  (a code and a sentence, not a traceback)
        report_error(error, verbose=verbose)
        return exit_code_of(error)
