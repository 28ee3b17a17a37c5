"""How far a live run is: a bar on a terminal, a heartbeat line elsewhere. All of it on stderr."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from batchwright.cli.money import UNKNOWN, dollars
from batchwright.cli.output import on_terminal, talk, warning
from batchwright.cli.progress import HEARTBEAT
from batchwright.live.engine.tally import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


def told(progress: Progress) -> str:
    """Return a run's figures in a line: done of total, failed, rate, tokens, cost, time left."""
    parts = [
        f"{progress.done}/{progress.total} requests" if progress.total is not None else f"{progress.done} requests"
    ]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    parts.append(f"{progress.rate * 60:.0f}/min")
    parts.append(f"{progress.usage.total_tokens:,} tokens")
    parts.append(price(progress))
    if progress.seconds_left is not None and not progress.over:
        parts.append(f"{clock_face(progress.seconds_left)} left")
    return ", ".join(parts)


def price(progress: Progress) -> str:
    """Return what a run has cost so far; what has no known price is said, never counted as nothing."""
    if not progress.unpriced:
        return dollars(progress.cost)
    return f"{dollars(progress.cost)} and {UNKNOWN} for {progress.unpriced}" if progress.cost else UNKNOWN


def clock_face(seconds: float) -> str:
    """Return hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


class LiveProgress:
    """Shows a run's progress; a context manager that leaves the terminal as it was."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._spoken = 0.0
        self._turn = threading.RLock()  # notices about documents come from the thread that reads them

    def __enter__(self) -> Self:
        if on_terminal():
            from rich.console import Console  # noqa: PLC0415  (only where somebody watches)
            from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

            # Not redirected: what is printed meanwhile is data and belongs on stdout.
            self._bar = Progress(
                BarColumn(),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._bar.add_task("", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Take the bar away while lines are printed, so that neither tears the other."""
        with self._turn:
            shown = self._bar is not None and self._bar.live.is_started
            if self._bar is not None:
                self._bar.stop()
            yield
            if self._bar is not None and shown:
                self._bar.start()

    def warn(self, message: str) -> None:
        """Print a warning, from any thread."""
        with self.printing():
            warning(message)

    def show(self, progress: Progress) -> None:
        """Show how far the run is; where nobody watches, once a minute."""
        if self._bar is not None:
            with self._turn:
                self._bar.start()  # only now: what is said before has the terminal for itself
                (only,) = self._bar.task_ids
                self._bar.update(only, completed=progress.done, total=progress.total, description=told(progress))
                self._bar.refresh()
        elif progress.seconds - self._spoken >= HEARTBEAT:
            self._spoken = progress.seconds
            talk(f"answered {told(progress)}")
