"""How far a stage is: bars on a terminal, a line now and then elsewhere. All of it on stderr."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from batchwright.live.engine.tally import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

HEARTBEAT = 60.0
"""Seconds between two lines where nobody watches: a log shows that the stage is alive, and stays readable."""
REFRESH = 0.2
"""Seconds between two looks at the bars."""


class StageProgress:
    """Shows one stage; a context manager that leaves the terminal as it was. `say` takes the lines."""

    def __init__(self, stage: str, total: int | None, *, shown: bool, say: Callable[[str], object]) -> None:
        self._stage = stage
        self._total = total
        self._say = say
        self._bars = _bars() if shown else None
        self._next_line = HEARTBEAT if shown else float("inf")
        self._next_look = 0.0

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._preparing = self._bars.add_task(f"{self._stage}: preparing", total=self._total, told="")
            self._answering = self._bars.add_task(f"{self._stage}: answering", total=self._total, told="")
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, progress: Progress, *, prepared: int, last: bool = False) -> None:
        """Show where the stage is, unless it was shown a moment ago; `prepared` counts what the builders did."""
        if self._bars is not None:
            if progress.seconds >= self._next_look or last:
                self._next_look = progress.seconds + REFRESH
                self._bars.update(self._preparing, completed=prepared)
                self._bars.update(self._answering, completed=progress.done, told=figures(progress))
                self._bars.refresh()
        elif progress.seconds >= self._next_line:
            self._next_line = progress.seconds + HEARTBEAT
            of = "" if self._total is None else f" of {self._total}"
            self._say(f"{self._stage}: {progress.done}{of} pages, {figures(progress)}")


def figures(progress: Progress) -> str:
    """Return what a bar tells beside its length."""
    cost = f"${progress.cost:.4f}" if not progress.unpriced else "price unknown"
    told = [
        f"{progress.failed} failed",
        f"{progress.rate:.1f}/s",
        f"{progress.usage.total_tokens:,} tokens",
        cost,
    ]
    if progress.seconds_left is not None:
        told.append(f"{clock_face(progress.seconds_left)} left")
    return ", ".join(told)


def clock_face(seconds: float) -> str:
    """Return a time as `h:mm:ss`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _bars() -> "Bars | None":
    """Return bars, or None where nobody can see them."""
    from rich.console import Console  # noqa: PLC0415  (only where a stage runs)
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        console=console,
        auto_refresh=False,
        # What a handler prints must not tear the bars; but data that goes elsewhere than to the terminal stays data.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=True,
    )
