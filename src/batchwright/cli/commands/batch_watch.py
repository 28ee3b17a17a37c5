"""`batch-watch`: attach to everything pending."""

import click

from batchwright.cli.fetching import to_collect, wait_for
from batchwright.cli.options import Duration, GuideCommand
from batchwright.cli.output import talk
from batchwright.cli.workbench import Workbench, with_workbench


@click.command("batch-watch", cls=GuideCommand)
@click.option("--timeout", type=Duration(), help="Stop waiting after this long (90, 10m, 2h); exit 124.")
@click.option("--interval", type=Duration(), help="Between looks, 1 s or more  [default: 30 s growing to 10 min]")
@with_workbench
def command(workbench: Workbench, *, timeout: float | None, interval: float | None) -> int:
    """Wait for everything pending and collect each job when it ends.

    Shows counts and elapsed time. Ctrl-C detaches: the jobs go on at the provider, and the same command comes back to
    them. Exits 0 when all is well, 3 where items failed, 5 where a job failed at the provider, 124 at the timeout.

    \b
    Examples:
      batchwright batch-watch
      batchwright batch-watch --timeout 2h
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    pending = to_collect(workbench.store.load())
    if not pending:
        talk("No pending jobs.")
    return wait_for(workbench.engine(), pending, pace=workbench.pace(interval), timeout=timeout)
