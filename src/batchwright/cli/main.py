"""The command line's entry: one group, commands loaded when they are called, exit codes that mean something."""

import gc
import logging
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from batchwright import __version__
from batchwright.cli.exits import ExitCode, Terminated, exit_code_of
from batchwright.cli.output import ReaderGoneError, report_error, talk

_COMMANDS = {
    "run": "Answer documents now, at the live price; also: batchwright --subjects …",
    "batch-create": "Turn documents into batch jobs, at half the price.",
    "batch-list": "List tracked jobs.",
    "batch-show": "Show one job: its requests, answers and errors.",
    "batch-fetch": "Collect the answers of finished jobs into reports.",
    "batch-watch": "Wait for everything pending and collect it.",
    "batch-retry": "Ask again what collected jobs left unanswered.",
    "batch-cancel": "Cancel jobs at the provider.",
    "batch-reconcile": "Find out what became of jobs whose create got no answer.",
    "batch-clean": "Delete what finished jobs left at the providers and here.",
    "batch": "Ask about every row of a file, now or in batch jobs.",
    "estimate": "Show what documents will cost, in a batch and live.",
    "costs": "Show what was spent, and what batching saved.",
    "config": "Show every setting and where it came from.",
    "doctor": "Say which keys, extras and folders are there and work.",
    "init": "Make a workspace, with sample documents.",
    "emulator": "Run a local server that stands in for all three providers.",
    "demo": "Run the whole job on sample documents against the emulator.",
}
"""Each command lives in `commands/<name>.py` as `command`; the sentence is here so that --help imports none of them."""

_REMEMBERED = "What was planned or sent is remembered; run the same command again, or see: batchwright batch-list"
_RESUMED = dict.fromkeys(
    ("batch-create", "batch-fetch", "batch-retry", "batch-cancel", "batch-reconcile", "batch-clean"), _REMEMBERED
) | {"run": "Every answer that was saved stays; run the same command again, and it asks only what is left."}
"""What is said of commands that are simply given again after they were interrupted; `batch-watch` says so itself."""

OBJECTS_BETWEEN_COLLECTIONS = 500_000
"""What the commands make by the ten thousand, records and rows, is in no cycle: it is looked for less often."""

_OF_THE_GROUP = frozenset({"-h", "--help", "--version"})


def with_command(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `run` put in where they begin with an option that is not the group's own."""
    words = list(arguments)
    implied = words and words[0].startswith("-") and words[0] not in _OF_THE_GROUP
    return ["run", *words] if implied else words


class _LazyGroup(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_command(args))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"batchwright.cli.commands.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word not in _COMMANDS and not word.startswith("-"):
            ctx.fail(f"no command {word!r}; {_nearest(word)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _nearest(word: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (only for whoever mistyped)

    near = get_close_matches(word, _COMMANDS)
    return f"did you mean {' or '.join(near)}?" if near else "see: batchwright --help"


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try it without a key: batchwright demo",
)
@click.version_option(__version__, prog_name="batchwright")
def cli() -> None:
    """LLM batch jobs you can trust.

    Documents and rows of tables become batch jobs at OpenAI, Anthropic or Gemini, at half the price of live calls, or
    are answered at once; the answers become reports. Every job is remembered, none is created again on a guess.
    """


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are printed, never raised."""
    try:
        outcome = cli.main(list(arguments), prog_name="batchwright", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001  (the last line of defence: a code and a sentence, not a traceback)
        code = _told(error, verbose="-v" in arguments or "--verbose" in arguments)
        comeback = _RESUMED.get(next(iter(with_command(arguments)), ""))
        if code in {ExitCode.INTERRUPTED, ExitCode.TERMINATED} and comeback is not None:
            talk(comeback)
        return code
    finally:
        logging.shutdown()
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _told(error: BaseException, *, verbose: bool) -> int:
    """Tell a person why a command ended early and return the exit code for it."""
    code: int
    match error:
        case click.exceptions.Exit():
            code = error.exit_code
        case SystemExit(code=1):
            # click itself ends so, and only then, when whoever read its help has left; commands return their codes.
            code = ExitCode.OK
        case SystemExit():
            code = error.code if isinstance(error.code, int) else ExitCode.UNEXPECTED
        case click.ClickException():
            error.show()
            code = ExitCode.USAGE
        case KeyboardInterrupt() | click.Abort():
            talk("Interrupted.")
            code = ExitCode.INTERRUPTED
        case Terminated():
            talk("Terminated.")
            code = ExitCode.TERMINATED
        case ReaderGoneError():
            code = ExitCode.OK
        case _:
            report_error(error, verbose=verbose)
            code = exit_code_of(error)
    return code


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def entry() -> NoReturn:
    """Run as a program."""
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(code)
