"""The figures of a stage while it runs. Pure: time is handed in."""

from dataclasses import dataclass, field
from decimal import Decimal

from batchwright.live.engine.tally import Progress, Tally
from batchwright.live.stage.logger import harmless
from batchwright.live.stage.nouns import StageStats
from batchwright.usage import Usage

_NO_USAGE = Usage()
_FREE = Decimal(0)


@dataclass(slots=True)
class StageCount:
    """Counts pages; `began` and every `now` are seconds of one clock. A page is counted once, by one method."""

    began: float
    total: int | None = None
    """None where nobody knows how many pages will come."""
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    first_failure: str | None = None
    _tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self._tally = Tally(began=self.began, total=self.total)

    def skip(self) -> None:
        """Count a page that is not asked about."""
        self.skipped += 1
        self._tally.add(_NO_USAGE, _FREE, succeeded=True)

    def complete(self, usage: Usage, cost: Decimal | None) -> None:
        """Count a page that is answered and handled."""
        self.completed += 1
        self._tally.add(usage, cost, succeeded=True)

    def fail(self, why: str, usage: Usage = _NO_USAGE, cost: Decimal | None = _FREE) -> None:
        """Count a page that is not done; `cost` is what its attempts took all the same."""
        self.failed += 1
        self.first_failure = self.first_failure or why
        self._tally.add(usage, cost, succeeded=False)

    def progress(self, now: float) -> Progress:
        """Return how far the stage is."""
        return self._tally.report(now)

    def stats(self, now: float) -> StageStats:
        """Return the figures so far."""
        so_far = self.progress(now)
        return StageStats(
            completed=self.completed,
            failed=self.failed,
            skipped=self.skipped,
            total_cost_usd=None if so_far.unpriced else float(so_far.cost),
            total_tokens=so_far.usage.total_tokens,
            elapsed_seconds=now - self.began,
        )


def summary(stage: str, stats: StageStats, first_failure: str | None) -> str:
    """Return the stage's last line."""
    cost = "price unknown" if stats.total_cost_usd is None else f"${stats.total_cost_usd:.4f}"
    line = (
        f"{stage}: {stats.completed} completed, {stats.failed} failed, {stats.skipped} skipped, "
        f"{stats.total_tokens:,} tokens, {cost}, {stats.elapsed_seconds:.1f} s"
    )
    if first_failure is not None:
        line = f"{line}; the first failure: {' '.join(first_failure.split())}"
    return harmless(line)
