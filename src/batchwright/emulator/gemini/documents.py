"""Gemini's operation and file objects. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from batchwright.emulator.engine import Phase
from batchwright.emulator.faults.documents import document_under

if TYPE_CHECKING:
    from batchwright.emulator.store import Job, StoredFile
    from batchwright.emulator.world import Look

_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main."
_STATE = {
    Phase.VALIDATING: "BATCH_STATE_PENDING",
    Phase.RUNNING: "BATCH_STATE_RUNNING",
    Phase.FINALIZING: "BATCH_STATE_RUNNING",
    Phase.CANCELLING: "BATCH_STATE_RUNNING",
    Phase.SUCCEEDED: "BATCH_STATE_SUCCEEDED",
    Phase.FAILED: "BATCH_STATE_FAILED",
    Phase.CANCELLED: "BATCH_STATE_CANCELLED",
    Phase.EXPIRED: "BATCH_STATE_EXPIRED",
}
_ERRORS = {
    Phase.CANCELLED: {"code": 1, "message": "The operation was cancelled."},
    Phase.EXPIRED: {"code": 4, "message": "The batch expired before it was completed."},
}
_UPLOADED_NAME_CHARACTERS = 40


def responses_file(job: Job) -> str:
    """The name of a batch's responses file: `files/batch-` and the batch's own 36 characters."""
    return "files/batch-" + job.id.removeprefix("batches/")


def is_too_long(file_name: str) -> bool:
    """Whether the file API refuses the name `files/...` (as it does those of responses files)."""
    return len(file_name.removeprefix("files/")) > _UPLOADED_NAME_CHARACTERS


def file_document(file: StoredFile, root: str) -> dict[str, Any]:
    """A file object; `root` is the URL the client uses for the service."""
    document = {
        "name": file.id,
        "displayName": file.name,
        "mimeType": file.purpose,
        "sizeBytes": str(file.bytes),
        "createTime": moment(file.created_at),
        "updateTime": moment(file.created_at),
        "expirationTime": moment(file.expires_at or 0.0),
        "sha256Hash": file.extra["sha256"],
        "uri": f"{root}/v1beta/{file.id}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }
    return {name: value for name, value in document.items() if value != ""}


def operation(look: Look, inlined: list[Any] | None, *, has_results: bool = True) -> dict[str, Any]:
    """A batch as it stands. `inlined` are the responses of an inline batch; None where they are not shown."""
    job, seen = look.job, look.view
    metadata: dict[str, Any] = {"@type": _TYPE + "GenerateContentBatch", "model": job.spec["model"]}
    if job.spec["display_name"]:
        metadata["displayName"] = job.spec["display_name"]
    if job.spec["file_name"]:
        metadata["inputConfig"] = {"fileName": job.spec["file_name"]}
    output = _output(job, inlined) if seen.phase is Phase.SUCCEEDED and has_results else {}
    if output:
        metadata["output"] = output
    metadata["createTime"] = moment(job.history.created_at)
    if seen.ended_at is not None:
        metadata["endTime"] = moment(seen.ended_at)
    metadata["updateTime"] = moment(seen.ended_at or seen.started_at or job.history.created_at)
    metadata["batchStats"] = _stats(look)
    metadata["state"] = _STATE[seen.phase]
    metadata["name"] = job.id
    document: dict[str, Any] = {"name": job.id, "metadata": metadata}
    if seen.phase.ended:
        document |= _end_of(look, output)
    return document_under(job.faults, document, ended=seen.phase.ended)


def _end_of(look: Look, output: dict[str, Any]) -> dict[str, Any]:
    job, seen = look.job, look.view
    if seen.phase is Phase.SUCCEEDED:
        return {"done": True, "response": {"@type": _TYPE + "GenerateContentBatchOutput"} | output}
    return {"done": True, "error": _ERRORS.get(seen.phase) or (job.examined or {"errors": [{}]})["errors"][0]}


def _output(job: Job, inlined: list[Any] | None) -> dict[str, Any]:
    if job.spec["file_name"]:
        return {"responsesFile": responses_file(job)}
    return {} if inlined is None else {"inlinedResponses": {"inlinedResponses": inlined}}


def _stats(look: Look) -> dict[str, str]:
    """Counts are strings, and left out where zero."""
    job, settled = look.job, look.job.settled
    total = job.spec["requests"]
    if look.view.phase is Phase.SUCCEEDED and settled is not None:
        good, bad = settled["answered"], settled["refused"] + settled["failed"]
    else:
        good, bad = int(total * look.view.progress), 0
    counts = {
        "requestCount": total,
        "successfulRequestCount": good,
        "failedRequestCount": bad,
        "pendingRequestCount": total - good - bad,
    }
    return {name: str(value) for name, value in counts.items() if value}


def moment(at: float) -> str:
    """RFC 3339 with nanoseconds, as Gemini writes times."""
    nanoseconds = round((at % 1) * 1_000_000) * 1000
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%S}.{min(nanoseconds, 999_999_999):09d}Z"
