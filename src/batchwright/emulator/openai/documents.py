"""OpenAI's batch, file and list objects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchwright.emulator.engine import Phase
from batchwright.emulator.faults.documents import document_under
from batchwright.emulator.openai.bodies import batch_usage
from batchwright.emulator.openai.dialect import result_file_id
from batchwright.emulator.work import Part

if TYPE_CHECKING:
    from batchwright.emulator.store import Job, StoredFile
    from batchwright.emulator.world import Look

_STATUS = {Phase.RUNNING: "in_progress", Phase.SUCCEEDED: "completed"}


def file_document(file: StoredFile) -> dict[str, Any]:
    """A file object."""
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.name,
        "bytes": file.bytes,
        "created_at": int(file.created_at),
        "expires_at": _seconds(file.expires_at),
        "status": "processed",
        "status_details": None,
    }


def page(documents: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """One page of a list."""
    return {
        "object": "list",
        "data": documents,
        "first_id": documents[0]["id"] if documents else None,
        "last_id": documents[-1]["id"] if documents else None,
        "has_more": has_more,
    }


def batch_document(look: Look) -> dict[str, Any]:
    """A batch object as it stands."""
    job, seen = look.job, look.view
    settled, examined = job.settled or {}, job.examined or {}
    errors = examined.get("errors") if seen.phase is Phase.FAILED else None
    document = {
        "id": job.id,
        "object": "batch",
        "endpoint": job.spec["endpoint"],
        "model": examined.get("model"),
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": job.spec["input_file_id"],
        "completion_window": job.spec["completion_window"],
        "status": _STATUS.get(seen.phase, str(seen.phase)),
        "output_file_id": _result_file(job, Part.OUTPUT),
        "error_file_id": _result_file(job, Part.ERROR),
        "created_at": int(job.history.created_at),
        "in_progress_at": _seconds(seen.started_at),
        "expires_at": int(job.history.created_at + job.settings.limits.window_s),
        "finalizing_at": _seconds(seen.finalizing_at),
        "completed_at": _seconds(seen.ended_at) if seen.phase is Phase.SUCCEEDED else None,
        "failed_at": _seconds(seen.ended_at) if seen.phase is Phase.FAILED else None,
        "expired_at": _seconds(seen.ended_at) if seen.phase is Phase.EXPIRED else None,
        "cancelling_at": _seconds(seen.cancelling_at),
        "cancelled_at": _seconds(seen.ended_at) if seen.phase is Phase.CANCELLED else None,
        "request_counts": _counts(look),
        "usage": batch_usage(settled.get("input_tokens", 0), settled.get("output_tokens", 0)),
        "metadata": job.spec["metadata"],
    }
    return document_under(job.faults, document, ended=seen.phase.ended)


def _counts(look: Look) -> dict[str, int]:
    """All zero until the batch runs, and in one that was cancelled or refused before (as real batches show)."""
    job, settled = look.job, look.job.settled
    unseen = {Phase.VALIDATING, Phase.FAILED}
    total = job.examined["total"] if job.examined and look.view.phase not in unseen else 0
    if settled is None:
        return {"total": total, "completed": int(total * look.view.progress), "failed": 0}
    return {"total": total, "completed": settled["answered"], "failed": settled["refused"] + settled["failed"]}


def _result_file(job: Job, part: Part) -> str | None:
    present = job.settled is not None and str(part) in job.settled["bytes"]
    return result_file_id(job, part) if present else None


def _seconds(at: float | None) -> int | None:
    return None if at is None else int(at)
