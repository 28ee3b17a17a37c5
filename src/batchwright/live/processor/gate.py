"""Where every request waits for its turn while the provider is not to be asked: the cooldown's door."""

import asyncio
import logging

from batchwright.live.processor.cooldown import Cooldown, SlowStart, Verdict
from batchwright.live.processor.hooks import Hooks
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.stats import Counts
from batchwright.live.processor.strategies import SafeStrategy

log = logging.getLogger(__name__)


class Gate:
    """Waits; what for and how long is decided in `live/processor/cooldown.py`."""

    def __init__(self, strategy: SafeStrategy, *, max_cooldowns: int, hooks: Hooks, counts: Counts) -> None:
        self._strategy = strategy
        self._hooks = hooks
        self._counts = counts
        self._cooldown = Cooldown(max_cooldowns=max_cooldowns)
        self._slow_start = SlowStart(strategy.slow_start)
        self._resumed = asyncio.Event()

    @property
    def ticket(self) -> int:
        """What to show when the request that is sent now comes back."""
        return self._cooldown.epoch

    @property
    def open(self) -> bool:
        """Whether nobody has to wait; saves waiting for nothing."""
        return not (self._cooldown.cooling or self._slow_start.active)

    @property
    def consecutive(self) -> int:
        """Cooldowns since the last success."""
        return self._cooldown.consecutive

    @property
    def given_up(self) -> bool:
        """Whether so many cooldowns passed without a success that nothing is asked any more."""
        return self._cooldown.given_up

    async def wait(self) -> None:
        """Return when the next request may go: at once, unless there is a cooldown or a slow start."""
        while not self.open:
            if self._cooldown.cooling:
                await self._resumed.wait()
                continue
            epoch = self._cooldown.epoch
            wait = self._slow_start.reserve(asyncio.get_running_loop().time())
            if wait > 0:
                await asyncio.sleep(wait)
            if epoch == self._cooldown.epoch:  # else the moment lies in a new cooldown, and is void
                return

    def succeeded(self, ticket: int) -> None:
        """Take note that a request got its answer."""
        self._cooldown.succeeded(ticket)

    async def refused(self, ticket: int, *, worker_id: int, item_id: str, suggested: float | None) -> Verdict:
        """Take note that a request was refused; whoever is the first waits the cooldown out and then lets all go on."""
        verdict = self._cooldown.refused(ticket)
        if verdict is Verdict.JOIN and suggested is not None and self._cooldown.cooling:
            self._cooldown.last(asyncio.get_running_loop().time(), suggested)
        if verdict is Verdict.BEGIN:
            self._counts.rate_limits += 1
            self._resumed.clear()
            try:
                await self._cool_down(worker_id, item_id, suggested)
            finally:  # whatever happens to this worker, the others must not wait for ever
                self._cooldown.resume()
                self._slow_start.begin(asyncio.get_running_loop().time())
                self._resumed.set()
        return verdict

    async def _cool_down(self, worker_id: int, item_id: str, suggested: float | None) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        consecutive = self._cooldown.consecutive
        seconds = suggested if suggested is not None else await self._strategy.pause(worker_id, consecutive)
        self._cooldown.last(began, seconds)
        log.warning(
            "rate limit: everybody pauses",
            extra={"event": "live.cooldown", "seconds": seconds, "consecutive": consecutive, "item_id": item_id},
        )
        who = {"worker_id": worker_id, "item_id": item_id}
        hit = {**who, "consecutive": consecutive, "suggested_wait": suggested}
        await self._hooks.tell(ProcessingEvent.RATE_LIMIT_HIT, hit)
        pause = {"worker_id": worker_id, "duration": seconds, "consecutive": consecutive}
        await self._hooks.tell(ProcessingEvent.COOLDOWN_STARTED, pause)
        while (left := self._cooldown.until - loop.time()) > 0:  # noqa: ASYNC110  (it may have been made longer)
            await asyncio.sleep(left)
        ended = {"worker_id": worker_id, "duration": loop.time() - began}
        await self._hooks.tell(ProcessingEvent.COOLDOWN_ENDED, ended)
