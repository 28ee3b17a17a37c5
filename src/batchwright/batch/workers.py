"""A few daemon threads for calls that wait on the network.

`concurrent.futures` joins its threads when the interpreter ends, so one hung call would hold up Ctrl-C for minutes.
These threads are daemons: what they were doing is on record (see `batch.submitter`), and leaving never waits for them.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MAX_WORKERS = 4


def in_parallel(
    work: Callable[[Item], Outcome], items: Iterable[Item], *, workers: int = MAX_WORKERS, until: float | None = None
) -> Iterator[tuple[Item, Outcome]]:
    """Yield (item, work(item)) as each is done, in the order of completion.

    An exception of `work` is raised here, after which no further item is begun. Leaving the loop early lets running
    calls finish in the background and begins no more. So does the moment `until` (of `time.monotonic`), at which the
    loop ends without what is not done.
    """
    todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
    count = 0
    for item in items:
        todo.put(item)
        count += 1
    done: queue.SimpleQueue[tuple[Item, Outcome | None, BaseException | None]] = queue.SimpleQueue()
    stop = threading.Event()
    for number in range(min(workers, count)):
        threading.Thread(
            target=_work_through, args=(work, todo, done, stop), name=f"batchwright-{number}", daemon=True
        ).start()
    try:
        for _ in range(count):
            try:
                item, outcome, error = done.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            if error is not None:
                raise error
            yield item, outcome  # type: ignore[misc]  # no error means that work returned an Outcome
    finally:
        stop.set()


def _work_through(
    work: Callable[[Item], Outcome],
    todo: "queue.SimpleQueue[Item]",
    done: "queue.SimpleQueue[tuple[Item, Outcome | None, BaseException | None]]",
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            item = todo.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((item, work(item), None))
        except BaseException as error:  # noqa: BLE001  (handed to the caller's thread and raised there)
            done.put((item, None, error))
