"""What is shown while waiting: a live table on a terminal, a heartbeat line elsewhere. All of it on stderr."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from batchwright.batch.orchestrator import Look
from batchwright.cli.output import on_terminal, printable, talk
from batchwright.cli.subjects import where
from batchwright.clock import Clock
from batchwright.job import JobRecord

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

HEARTBEAT = 60.0
"""Seconds between two lines where nobody watches: a CI job's log shows that it is alive, and stays readable."""

_MAX_ROWS = 20


class Progress:
    """Shows jobs that are waited for; a context manager that leaves the terminal as it was."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._spoken: float | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if on_terminal():
            from rich.console import Console  # noqa: PLC0415  (only where somebody watches)
            from rich.live import Live  # noqa: PLC0415

            console = Console(stderr=True)
            # Not redirected: what is printed meanwhile is data and belongs on stdout.
            self._live = Live(
                console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Take the table away while lines are printed, so that neither tears the other."""
        if self._live is not None:
            self._live.stop()
        yield
        if self._live is not None:
            self._live.start()

    def show(self, waiting: Sequence[JobRecord], seen: Mapping[str, Look]) -> None:
        """Show the jobs still waited for, with their counts and how long this has taken."""
        elapsed = self._clock.monotonic() - self._started
        if self._live is not None:
            self._live.update(_table(waiting, elapsed), refresh=True)
        elif waiting and (self._spoken is None or elapsed - self._spoken >= HEARTBEAT):
            self._spoken = elapsed
            done = sum(record.counts.finished for record in waiting)
            total = sum(record.request_count for record in waiting)
            jobs = len(seen.keys() | {record.job_id for record in waiting})  # a look may not have ended yet
            talk(f"waiting for {len(waiting)} of {jobs} job(s), {done}/{total} requests, {_clock_face(elapsed)}")


def _table(waiting: Sequence[JobRecord], elapsed: float) -> "Table":
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, caption=f"{_clock_face(elapsed)}  Ctrl-C detaches, the jobs go on")
    for heading in ("job", "state", "requests", "about"):
        table.add_column(heading)
    for record in waiting[:_MAX_ROWS]:
        done = f"{record.counts.finished}/{record.request_count}"
        table.add_row(
            record.job_id,
            escape(printable(record.provider_state or record.state)),
            done,
            escape(printable(where(record))),
        )
    if len(waiting) > _MAX_ROWS:
        table.add_row("…", f"and {len(waiting) - _MAX_ROWS} more", "", "")
    return table


def _clock_face(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} elapsed"
