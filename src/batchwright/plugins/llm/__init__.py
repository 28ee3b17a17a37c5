"""`llm batch`: the commands about datasets inside Simon Willison's llm tool.

The tool finds this module by its entry point and imports it each time it starts, so nothing heavy is imported here.
"""

import click
import llm


@llm.hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `batch` to the tool's commands, and to `llm logs` the word that the guide has for a search."""
    from batchwright.cli.datasets.group import batch_group  # noqa: PLC0415  (only the command line needs it)
    from batchwright.plugins.llm.backend import LlmBackend  # noqa: PLC0415  (as above)

    cli.add_command(batch_group(LlmBackend()), "batch")
    _name_the_search(cli)


def _name_the_search(cli: click.Group) -> None:
    """Let `llm logs --search` be `llm logs --query`, unless the tool has a `--search` of its own."""
    logs = cli.commands.get("logs")
    listing = logs.commands.get("list") if isinstance(logs, click.Group) else None
    if listing is None or any("--search" in param.opts for param in listing.params):
        return
    for param in listing.params:
        if "--query" in param.opts:
            param.opts.append("--search")
