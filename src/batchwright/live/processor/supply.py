"""Where workers take their items from: what was added, an iterable, or an asynchronous one. One item at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable, Sized
from typing import Protocol

from batchwright.live.processor.work import LLMWorkItem


class Supply(Protocol):
    """A source of items for many workers."""

    taken: int
    """Items handed out so far."""

    @property
    def total(self) -> int | None:
        """Items there are in all; None where nobody can know."""
        ...

    @property
    def idle(self) -> int:
        """Workers that wait for an item at this moment."""
        ...

    async def take(self) -> LLMWorkItem | None:
        """Return the next item, or None when there will be no more. Raises what the iterable raises."""
        ...

    def done(self) -> None:
        """Take note that a worker is done with an item it took."""
        ...

    def stop(self) -> None:
        """Hand out nothing more."""
        ...


class Queue:
    """Items that were added. Open while anything may still be added: by `add`, or by the work on what was taken."""

    def __init__(self, max_size: int = 0) -> None:
        self._max_size = max_size
        self._items: deque[LLMWorkItem] = deque()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._adders: deque[asyncio.Future[None]] = deque()
        self._busy = 0
        self._open = True
        self._stopped = False
        self.taken = 0

    @property
    def total(self) -> int:
        """Items added so far."""
        return self.taken + len(self._items)

    @property
    def idle(self) -> int:
        """Workers that wait for an item at this moment."""
        return len(self._takers)

    @property
    def full(self) -> bool:
        """Whether no more items may wait here."""
        return 0 < self._max_size <= len(self._items)

    def add(self, item: LLMWorkItem) -> None:
        """Add an item, full or not."""
        self._items.append(item)
        _wake(self._takers)

    async def room(self) -> None:
        """Wait until one more item may wait here."""
        while self.full and not self._stopped:
            await _wait_in(self._adders)

    def reopen(self) -> None:
        """Let items be taken, and added, again."""
        self._open, self._stopped = True, False

    def close(self) -> None:
        """Let the workers end when nothing is left and nobody is busy with what may add more."""
        self._open = False
        self._end_if_done()

    def stop(self) -> None:
        """Hand out nothing more; what was not taken stays."""
        self._stopped = True
        _wake_all(self._takers)
        _wake_all(self._adders)

    async def take(self) -> LLMWorkItem | None:
        """Return the next item, waiting for one; None when there will be none."""
        while not self._stopped:
            if self._items:
                self.taken += 1
                self._busy += 1
                item = self._items.popleft()
                if self._adders:
                    _wake(self._adders)
                return item
            if not self._open and not self._busy:
                return None
            await _wait_in(self._takers)
        return None

    def done(self) -> None:
        """Take note that a worker is done with an item it took."""
        self._busy -= 1
        self._end_if_done()

    def _end_if_done(self) -> None:
        if not self._open and not self._busy and not self._items:
            _wake_all(self._takers)


class Items:
    """The items of an iterable. Whatever its `next` takes, all workers wait for."""

    idle = 0

    def __init__(self, items: Iterable[LLMWorkItem]) -> None:
        self._items = iter(items)
        self._ended = False
        self.taken = 0
        self.total = len(items) if isinstance(items, Sized) else None

    async def take(self) -> LLMWorkItem | None:
        """Return the next item."""
        if self._ended:
            return None
        try:
            item = checked(next(self._items))
        except BaseException as error:
            self._ended = True
            if isinstance(error, StopIteration):
                return None
            raise
        self.taken += 1
        return item

    def done(self) -> None:
        """Do nothing: the iterable does not depend on what becomes of its items."""

    def stop(self) -> None:
        """Hand out nothing more."""
        self._ended = True


class AsyncItems:
    """The items of an asynchronous iterable, which is asked for one at a time."""

    total = None

    def __init__(self, items: AsyncIterable[LLMWorkItem]) -> None:
        self._items = aiter(items)
        self._turn = asyncio.Lock()
        self._ended = False
        self._stopped = False
        self._asking: asyncio.Task[object] | None = None
        self.idle = 0
        self.taken = 0

    async def take(self) -> LLMWorkItem | None:
        """Return the next item."""
        self.idle += 1
        try:
            async with self._turn:
                return None if self._ended else await self._next()
        finally:
            self.idle -= 1

    def done(self) -> None:
        """Do nothing: the iterable does not depend on what becomes of its items."""

    def stop(self) -> None:
        """Hand out nothing more, and ask for nothing more: whoever waits for the next item waits no longer."""
        self._ended = True
        if self._asking is not None and not self._stopped:
            self._asking.cancel()
        self._stopped = True

    async def _next(self) -> LLMWorkItem | None:
        self._asking = asyncio.current_task()
        try:
            item = checked(await anext(self._items))
        except StopAsyncIteration:
            self._ended = True
            return None
        except asyncio.CancelledError as error:
            asking = self._asking
            if asking is None or not asking.cancelling():
                self._ended = True
                raise RuntimeError("the iterable of items was cancelled by somebody else") from error
            if self._stopped and asking.uncancel() == 0:
                return None  # `stop` ended the wait; nobody cancelled the worker
            raise
        except BaseException:
            self._ended = True
            raise
        finally:
            self._asking = None
        self.taken += 1
        return item


def checked(item: object) -> LLMWorkItem:
    """Return the item. Raises `TypeError` for anything else: None would be taken for the end of them all."""
    if not isinstance(item, LLMWorkItem):
        raise TypeError(f"an item must be an LLMWorkItem, not {type(item).__name__}")
    return item


async def _wait_in(line: deque[asyncio.Future[None]]) -> None:
    place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line.append(place)
    try:
        await place
    except asyncio.CancelledError:
        if place in line:
            line.remove(place)
        elif not place.cancelled():
            _wake(line)  # it was this one's turn; the next in line must not miss it
        raise


def _wake(line: deque[asyncio.Future[None]]) -> None:
    while line:
        place = line.popleft()
        if not place.done():
            place.set_result(None)
            return


def _wake_all(line: deque[asyncio.Future[None]]) -> None:
    while line:
        _wake(line)
