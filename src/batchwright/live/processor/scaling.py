"""Counts what the provider accepts and lets `live/processor/autoscale.py` decide how many workers follow from it."""

from collections.abc import Callable

from batchwright.live.processor.autoscale import Bounds, Window, decide, first_crew


class Scaling:
    """The number of workers that there should be, as it changes.

    A window ends when as many attempts have ended as there are workers, or when a cooldown began. Requests refused
    together are one refusal: those that join a cooldown do not count again.
    """

    def __init__(self, *, idle: Callable[[], int], resize: Callable[[int], None], bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._crew = first_crew(self._bounds)
        self._idle = idle
        self._resize = resize
        self._accepted = 0
        self._overloaded = 0

    @property
    def workers(self) -> int:
        """How many workers there should be now."""
        return self._crew.workers

    def accepted(self) -> None:
        """Take note that an attempt got its answer."""
        self._accepted += 1
        self._look()

    def overloaded(self) -> None:
        """Take note that the provider could not cope with an attempt."""
        self._overloaded += 1
        self._look()

    def refused(self) -> None:
        """Take note that a cooldown began."""
        self._decide(refused=1)

    def _look(self) -> None:
        if self._accepted + self._overloaded >= self._crew.workers:
            self._decide(refused=self._overloaded)

    def _decide(self, refused: int) -> None:
        window = Window(accepted=self._accepted, refused=refused, idle=self._idle())
        self._accepted = self._overloaded = 0
        crew = decide(self._crew, window, self._bounds)
        changed = crew.workers != self._crew.workers
        self._crew = crew
        if changed:
            self._resize(crew.workers)
