"""When a provider deletes what we still need. Pure."""

from datetime import datetime, timedelta

from batchwright.job import JobSummary

WARN_BEFORE = timedelta(days=5)
"""How long before answers are deleted a person is told; a long weekend and a bit."""
WARN_BEFORE_INPUT = timedelta(hours=12)


def until(record: JobSummary) -> str:
    """Say until when a job's answers can be fetched; a dash where nobody needs them or the date is not known."""
    return f"until {record.results_until:%Y-%m-%d}" if _needed(record) and record.results_until else "-"


def retention_remark(record: JobSummary, now: datetime) -> str | None:
    """Return what a person should know about a job whose data is about to be deleted, or None."""
    if not _needed(record):
        return None
    if record.results_until is not None and now >= record.results_until - WARN_BEFORE:
        verb = "deleted" if now >= record.results_until else "deletes"
        moment = _moment(record.results_until)
        return f"{record.provider_name} {verb} the answers of {record.job_id} at {moment}; fetch them before"
    if record.inputs_until is not None and now >= record.inputs_until - WARN_BEFORE_INPUT:
        return (
            f"{record.job_id} still waits at {record.provider_name}, whose copy of its input is deleted at "
            f"{_moment(record.inputs_until)}; it may fail then"
        )
    return None


def _needed(record: JobSummary) -> bool:
    """Whether there is anything at the provider that was not collected."""
    return record.job_name is not None and record.cleaned_at is None and record.collected_at is None


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
