"""Finished results on their way to whoever reads them."""

import asyncio
from collections import deque

from batchwright.live.processor.work import WorkItemResult


class Outlet:
    """Holds results until they are read, and holds the workers back while `limit` of them lie here unread."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._results: deque[WorkItemResult] = deque()
        self._closed = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.full = False
        """Whether no more work is to begin until somebody has read."""

    async def room(self) -> None:
        """Wait until somebody has read enough for more work to begin."""
        while self.full:
            await self._room.wait()

    def put(self, result: WorkItemResult) -> None:
        """Add a result; never waits."""
        self._results.append(result)
        self._news.set()
        if self._limit is not None and len(self._results) >= self._limit:
            self.full = True
            self._room.clear()

    def close(self) -> None:
        """Take note that no more results will come."""
        self._closed = True
        self._news.set()

    async def get(self) -> WorkItemResult | None:
        """Return the next result, waiting for one; None when all were read and no more will come."""
        while not self._results:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        result = self._results.popleft()
        if self._limit is not None and self.full and len(self._results) <= self._limit // 2:
            self.full = False  # not at the first free place: a thousand workers would wake for it
            self._room.set()
        return result

    async def wait_closed(self) -> list[WorkItemResult]:
        """Wait until no more results will come, and return all that were not read."""
        while not self._closed:
            self._news.clear()
            await self._news.wait()
        return list(self._results)
