"""Has Python's garbage collector look less often while runs go on.

It looks for garbage each time a few hundred more objects are alive than before. A thousand requests in flight are some
tens of thousands of objects, none of them garbage: it would go through them all over and over, and that took a third
of a run's CPU time. What is done is freed without it; it is there for what refers to itself in a circle.
"""

import gc
from threading import Lock

PER_WORKER = 100
"""More objects than one request in flight consists of, the HTTP client's among them."""


class Collector:
    """The interpreter's collector, of which there is one; runs in several threads share it.

    Where somebody has set it to look less often still, or not at all, that stays; what somebody sets while a run goes
    on counts from then on, and is there again when the last run is over.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._workers: dict[object, int] = {}
        self._theirs = 0
        """The threshold without us."""
        self._set: int | None = None

    def expect(self, run: object, workers: int) -> None:
        """Take note that `run` has so many workers from now on; `dismiss` has to follow."""
        with self._lock:
            self._workers[run] = workers
            self._apply()

    def dismiss(self, run: object) -> None:
        """Take note that `run` is over, if that is not known yet."""
        with self._lock:
            if self._workers.pop(run, None) is not None:
                self._apply()

    def _apply(self) -> None:
        now, *older = gc.get_threshold()
        if now != self._set:
            self._theirs = now
        objects = PER_WORKER * sum(self._workers.values())
        self._set = max(self._theirs, objects) if self._theirs else 0  # 0: it is switched off
        gc.set_threshold(self._set, *older)


collector = Collector()
