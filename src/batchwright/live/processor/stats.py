"""What has been counted so far."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from batchwright.live.processor.work import WorkItemResult


class ProcessorStats(TypedDict):
    """What `get_stats` returns: a copy."""

    total: int
    """Items added or taken so far."""
    processed: int
    succeeded: int
    failed: int
    rate_limit_count: int
    """Cooldowns; requests refused together count once."""
    error_counts: dict[str, int]
    """Failed items by the category of their last error."""
    start_time: datetime | None
    """When the first run began; aware, in UTC."""


@dataclass(slots=True)
class Counts:
    """Counts of a processor, over all its runs.

    Changed by the workers of one event loop, which never wait in the middle of a change: that is why nothing is lost
    without a lock.
    """

    succeeded: int = 0
    failed: int = 0
    rate_limits: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    started_at: datetime | None = None

    @property
    def processed(self) -> int:
        """Items done, one way or the other."""
        return self.succeeded + self.failed

    def add(self, result: WorkItemResult, category: str) -> None:
        """Count a result; `category` is the failure's, or ""."""
        if result.success:
            self.succeeded += 1
        else:
            self.failed += 1
            self.errors[category or "unknown"] += 1

    def snapshot(self, total: int) -> ProcessorStats:
        """Return a copy."""
        return ProcessorStats(
            total=total,
            processed=self.processed,
            succeeded=self.succeeded,
            failed=self.failed,
            rate_limit_count=self.rate_limits,
            error_counts=dict(self.errors),
            start_time=self.started_at,
        )
