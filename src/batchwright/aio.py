"""Run a coroutine from synchronous code.

One private event loop in one daemon thread serves the whole process. `asyncio.run` would fail where a loop is already
running (notebooks), and a loop per call would break clients that are bound to the loop that made them.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: dict[str, asyncio.AbstractEventLoop] = {}


def _private_loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get("private")
        if loop is None:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="batchwright-aio", daemon=True).start()
            _loops["private"] = loop
        return loop


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end on the private loop and return its value or raise its exception.

    Ctrl-C cancels the coroutine and is raised here. Must not be called from the private loop itself.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _private_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
