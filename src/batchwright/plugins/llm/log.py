"""Answers into the llm tool's own database, so that `llm logs` shows them.

The tool writes an answer in a transaction of its own, which takes as long as many an answer. Here a thread writes
whatever has come in since it last looked in one transaction; a run that is killed loses what came within it.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import sqlite_utils
from llm.logs import LogStore

from batchwright.cli.output import warning

_MOST_WAITING: Final = 1000
"""Chains that may wait to be written; then whoever brings another waits."""
_MOST_AT_ONCE: Final = 100
"""In one transaction, during which nobody else can write."""
_PATIENCE: Final = 30.0
"""Seconds to wait for another process that writes."""

_Chain = Sequence[Any]


def open_log(path: Path) -> LogStore:
    """Open a database of the tool, for the thread that does; its tables are made where there are none."""
    return LogStore(sqlite_utils.Database(sqlite3.connect(path, timeout=_PATIENCE)))


class AnswerLog:
    """Writes finished responses into a database of the llm tool."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: SimpleQueue[_Chain | None] = SimpleQueue()
        self._room = asyncio.Semaphore(_MOST_WAITING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lost = 0
        self._why = ""

    async def add(self, responses: _Chain) -> None:
        """Take the responses of one prompt, in order; they are written soon."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._serve, name="batchwright-llm-log", daemon=True)
            self._thread.start()
        await self._room.acquire()
        self._waiting.put(responses)

    async def aclose(self) -> None:
        """Write what waits, and say what could not be written."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._waiting.put(None)
        await asyncio.to_thread(thread.join)
        if self._lost:
            warning(f"{self._lost} answer(s) could not be logged to {self._path}: {self._why}")

    def _serve(self) -> None:
        try:
            store: LogStore | None = open_log(self._path)
        except Exception as exc:  # noqa: BLE001  (told at the end; answers are worth more than their log)
            store, self._why = None, str(exc)
        going_on = True
        while going_on:
            chains, going_on = self._taken()
            self._write(store, chains)
            self._make_room(len(chains))
        if store is not None:
            store.db.close()

    def _taken(self) -> tuple[list[_Chain], bool]:
        """Return what waits, one chain at least, and whether more may come."""
        chains: list[_Chain] = []
        chain = self._waiting.get()
        while chain is not None:
            chains.append(chain)
            if len(chains) == _MOST_AT_ONCE:
                return chains, True
            try:
                chain = self._waiting.get_nowait()
            except Empty:
                return chains, True
        return chains, False

    def _write(self, store: LogStore | None, chains: Sequence[_Chain]) -> None:
        """Write chains in one transaction; if that fails, each in one of its own, so that one spoils no other."""
        if store is None:
            self._lost += len(chains)
            return
        try:
            _write_all(store, chains)
        except Exception:  # noqa: BLE001  (found out below, one by one)
            for chain in chains:
                try:
                    _write_all(store, [chain])
                except Exception as exc:  # noqa: BLE001  (as above)
                    self._lost, self._why = self._lost + 1, str(exc)

    def _make_room(self, count: int) -> None:
        assert self._loop is not None, "set before the thread began"
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._released, count)

    def _released(self, count: int) -> None:
        for _ in range(count):
            self._room.release()


def _write_all(store: LogStore, chains: Sequence[_Chain]) -> None:
    with store.db.atomic():
        for chain in chains:
            for response in chain:
                store.log(response)
