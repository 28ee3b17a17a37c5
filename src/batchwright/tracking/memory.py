"""Job records in this process only: for tests, notebooks and dry runs."""

from collections.abc import Iterable, Mapping
from threading import RLock

from batchwright.errors import TrackingError
from batchwright.job import JobRecord
from batchwright.tracking.base import Change, JobStore, checked_change, no_such_job


class MemoryJobStore(JobStore):
    """Forgets everything when the process ends; safe to use from several threads."""

    def __init__(self, records: Iterable[JobRecord] = ()) -> None:
        self._lock = RLock()
        self._records: dict[str, JobRecord] = {}
        self.add(records)

    def load(self) -> tuple[JobRecord, ...]:
        """Return every record, oldest first."""
        with self._lock:
            return tuple(sorted(self._records.values(), key=lambda record: record.created_at))

    def get(self, job_id: str) -> JobRecord:
        """Return the record with our id `job_id`."""
        with self._lock:
            try:
                return self._records[job_id]
            except KeyError:
                raise no_such_job(job_id) from None

    def add(self, records: Iterable[JobRecord]) -> None:
        """Keep new records, all or none."""
        with self._lock:
            known = dict(self._records)
            for record in records:
                if record.job_id in known:
                    raise TrackingError(f"there is a job {record.job_id} already; nothing was added")
                known[record.job_id] = record
            self._records = known

    def update_many(self, changes: Mapping[str, Change]) -> tuple[JobRecord, ...]:
        """Change several records in one step."""
        with self._lock:
            changed = {job_id: checked_change(self.get(job_id), change) for job_id, change in changes.items()}
            self._records |= changed
            return tuple(changed.values())
