"""Where job records are kept: the contract, and how a person's word finds a job."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from batchwright.errors import UnknownJobError
from batchwright.job import JobRecord, JobSummary

Change = Callable[[JobRecord], JobRecord]
"""Makes the record that takes another's place. Called while the store is locked: it must not use the network, nor the
store, and may be called only once for each update."""

_SHOWN_CANDIDATES = 5


class JobStore(ABC):
    """Keeps job records. Every method is one step that other processes and threads see whole or not at all.

    All of them raise `TrackingError` when what is kept cannot be read or written; it is then left as it was.
    """

    @abstractmethod
    def load(self) -> tuple[JobRecord, ...]:
        """Return every record, oldest first."""

    def summaries(self) -> Sequence[JobSummary]:
        """Return what a list shows of every record, oldest first; a store may know a quicker way than `load`."""
        return self.load()

    @abstractmethod
    def get(self, job_id: str) -> JobRecord:
        """Return the record with our id `job_id`. Raises `UnknownJobError`."""

    @abstractmethod
    def add(self, records: Iterable[JobRecord]) -> None:
        """Keep new records, all or none. Raises `TrackingError` if one of their ids is taken."""

    @abstractmethod
    def update_many(self, changes: Mapping[str, Change]) -> tuple[JobRecord, ...]:
        """Change several records in one step, by our id; return the new ones in the order of `changes`.

        Each change gets the record as it is now, so no other process's change is lost. Raises `UnknownJobError`, having
        changed nothing; whatever a change raises passes through, also with nothing changed.
        """

    def update(self, job_id: str, change: Change) -> JobRecord:
        """Change one record; as `update_many`."""
        return self.update_many({job_id: change})[0]


def no_such_job(name: str) -> UnknownJobError:
    """Return the error for a name that fits no job."""
    return UnknownJobError(f"no job matches {name!r}; see: batchwright batch-list")


def find_job(records: Sequence[JobRecord], name: str) -> JobRecord:
    """Return the one record that `name` means: our id, the provider's job name, or a part of either that only it has.

    A whole name wins over parts of others. Raises `UnknownJobError` when none or several match.
    """
    if not name:
        raise no_such_job(name)
    matches = [record for record in records if name in {record.job_id, record.job_name}]
    matches = matches or [record for record in records if name in record.job_id or name in (record.job_name or "")]
    if not matches:
        raise no_such_job(name)
    if len(matches) > 1:
        raise UnknownJobError(f"{name!r} matches {len(matches)} jobs: {_candidates(matches)}; give more of the name")
    return matches[0]


def _candidates(matches: Sequence[JobRecord]) -> str:
    shown = [f"{record.job_id} ({record.job_name or 'not created yet'})" for record in matches[:_SHOWN_CANDIDATES]]
    return ", ".join(shown) + (", …" if len(matches) > _SHOWN_CANDIDATES else "")


def checked_change(record: JobRecord, change: Change) -> JobRecord:
    """Apply `change`; a record keeps its id for good."""
    changed = change(record)
    if changed.job_id != record.job_id:
        raise ValueError(f"a change must keep the job id {record.job_id}, not make it {changed.job_id}")
    return changed
