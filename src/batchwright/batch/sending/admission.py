"""Who may be sent now: one gate for all threads of a run."""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from batchwright.batch.sending.room import Room, room_for
from batchwright.errors import BatchwrightError
from batchwright.job import JobRecord
from batchwright.providers.base import Limits


class Admission:
    """Keeps a run within the providers' limits, and away from an account in trouble.

    It knows the jobs of the moment when it was made and what this run sent since. Another process may fill the last
    place meanwhile; then the provider says so, and the job waits all the same.
    """

    def __init__(self, records: Iterable[JobRecord], now: Callable[[], datetime]) -> None:
        self._records = {record.job_id: record for record in records}
        self._now = now
        self._closed: dict[str, BatchwrightError] = {}
        self._lock = threading.Lock()

    def close(self, provider_name: str, error: BatchwrightError) -> None:
        """Let no further job to this provider pass: its account is in trouble."""
        self._closed.setdefault(provider_name, error)

    def trouble(self, provider_name: str) -> BatchwrightError | None:
        """Return what closed the gate for a provider."""
        return self._closed.get(provider_name)

    def admit(self, record: JobRecord, limits: Limits, intended: Callable[[JobRecord], JobRecord]) -> Room:
        """Decide whether a job may be sent; if so, it takes its place at once, as `intended` makes it."""
        with self._lock:
            room = room_for(record, list(self._records.values()), limits, self._now())
            if room.wait is None and not room.too_large:
                self._records[record.job_id] = intended(record)
            return room

    def take(self, record: JobRecord) -> None:
        """Take note of what became of a job."""
        with self._lock:
            self._records[record.job_id] = record
