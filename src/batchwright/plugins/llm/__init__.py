"""`llm batch`: the commands about datasets inside Simon Willison's llm tool.

The tool finds this module by its entry point and imports it each time it starts, so nothing heavy is imported here.
"""

import click
import llm


@llm.hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `batch` to the tool's commands."""
    from batchwright.cli.datasets.group import batch_group  # noqa: PLC0415  (only the command line needs it)
    from batchwright.plugins.llm.backend import LlmBackend  # noqa: PLC0415  (as above)

    cli.add_command(batch_group(LlmBackend()), "batch")
