"""The backend of `llm batch`: what its options are. Everything else is imported once a command line has been read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from batchwright.cli.datasets.base import Backend, Decorator

if TYPE_CHECKING:
    from batchwright.plugins.llm.session import LlmSession

_NOTHING_GIVEN: Mapping[str, Any] = {
    "saved_templates": (),
    "params": (),
    "fragments": (),
    "system_fragments": (),
    "options": (),
    "more_tools": (),
    "functions": (),
    "chain_limit": None,
    "key": None,
    "verbose": False,
}
"""As commands that ask nothing have it."""


class LlmBackend(Backend):
    """Asks whatever model an installed plugin of the llm tool has, with the tool's keys."""

    program = "llm batch"
    run_options: tuple[Decorator, ...] = (
        click.option(
            "saved_templates",
            "-t",
            "--saved-template",
            metavar="NAME",
            multiple=True,
            help="Template saved in llm; its $names are columns, $input is the row.",
        ),
        click.option(
            "params", "-p", "--param", type=(str, str), metavar="NAME VALUE", multiple=True, help="For its $names."
        ),
        click.option(
            "fragments", "-f", "--fragment", metavar="NAME", multiple=True, help="Fragment before every prompt."
        ),
        click.option(
            "system_fragments",
            "--sf",
            "--system-fragment",
            metavar="NAME",
            multiple=True,
            help="Fragment before the system prompt.",
        ),
        click.option(
            "options", "-o", "--option", type=(str, str), metavar="NAME VALUE", multiple=True, help="Model option."
        ),
        click.option("more_tools", "-T", "--tool", metavar="NAME", multiple=True, help="The same as --tools."),
        click.option(
            "functions",
            "--functions",
            metavar="CODE",
            multiple=True,
            help="Python text or file whose functions are tools.",
        ),
        click.option(
            "chain_limit",
            "--cl",
            "--chain-limit",
            type=click.IntRange(min=0),
            metavar="N",
            help="Rounds of tools a prompt may take, 0: no limit  [default: 5]",
        ),
        click.option("key", "--key", metavar="KEY", help="API key, or the name of a stored one."),
    )
    place_options: tuple[Decorator, ...] = (
        click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
    )

    def open(self, options: Mapping[str, Any]) -> "LlmSession":
        """Return the session of the tool's folder. Raises `ConfigurationError`."""
        import llm  # noqa: PLC0415  (`--help` needs none of it)

        from batchwright.cli.logs import configure  # noqa: PLC0415
        from batchwright.cli.workbench import Workbench  # noqa: PLC0415
        from batchwright.config import Environment, Settings  # noqa: PLC0415
        from batchwright.plugins.llm.session import LlmSession  # noqa: PLC0415

        values = {**_NOTHING_GIVEN, **options}
        configure(verbose=values["verbose"], log_file=None)
        folder = llm.user_dir()
        settings = Settings.over(
            Environment.load(),
            {"tracking_file": folder / "batch_jobs.json", "state_file": folder / "batch_state.json"},
        )
        return LlmSession(folder, Workbench.over(settings), values)
