"""While a command asks live: how far it is, what was spent, and the signals that end it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from batchwright.cli.live.progress import LiveProgress
from batchwright.cli.live.spending import SpendingNote
from batchwright.cli.output import talk
from batchwright.live.engine.tally import Tally
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig

_REFRESH = 0.25
"""Seconds between two looks of the bar at the clock."""

_KEEP = 10.0
"""Seconds between two notes of what was spent: a killed run's spending is known up to these."""

_EMULATED_RETRY = RetryConfig(initial_wait=0.05, max_wait=1.0)
_EMULATED_RATE_LIMIT = RateLimitConfig(cooldown_seconds=0.5, slow_start_items=0)
"""The emulator is nobody's account: there is no reason to be gentle."""


def manners(at_once: int, *, emulated: bool) -> ProcessorConfig:
    """Return how a command asks: so many at once, and with patience where an account is somebody's."""
    return ProcessorConfig(
        max_workers=at_once,
        retry=_EMULATED_RETRY if emulated else RetryConfig(),
        rate_limit=_EMULATED_RATE_LIMIT if emulated else RateLimitConfig(),
    )


@asynccontextmanager
async def watched(tally: Tally, account: SpendingNote, progress: LiveProgress) -> AsyncIterator[None]:
    """Show how far a run is and note what it spends, for as long as it runs."""
    ticking = asyncio.create_task(_tick(tally, account, progress))
    try:
        yield
    finally:
        ticking.cancel()


async def _tick(tally: Tally, account: SpendingNote, progress: LiveProgress) -> None:
    loop = asyncio.get_running_loop()
    kept = loop.time()
    while True:
        progress.show(tally.report(loop.time()))
        if loop.time() - kept >= _KEEP:
            kept = loop.time()
            account.keep()
        await asyncio.sleep(_REFRESH)


@contextmanager
def ended_by_signals(stop: Callable[[signal.Signals], None], progress: LiveProgress) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a run; what they did before, they do again the second time."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: signal.Signals) -> None:
        restore()
        with progress.printing():
            talk("Stopping; what has arrived is being saved.")
        stop(number)

    def restore() -> None:
        for number, handler in before.items():
            if loop.remove_signal_handler(number):
                signal.signal(number, handler)

    with suppress(ValueError, RuntimeError):  # signals are the main thread's
        for number in before:
            loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        restore()
