"""What faults make of the JSON in which a vendor shows a job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchwright.emulator.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchwright.emulator.faults.rules import Fault

Document = dict[str, Any]


def document_under(faults: Iterable[Fault], document: Document, *, ended: bool) -> Document:
    """The job's document with what its faults change in it; `ended` is whether the job has truly ended."""
    for fault in faults:
        match fault.name:
            case "unknown_status" if not ended or fault.switch("forever"):
                document = _STATUS[fault.vendor](document, fault.word("word"))
            case "counts_lie" if ended:
                document = _COUNTS[fault.vendor](document, fault.word("says") == "zero")
            case "no_output_file":
                document = _NO_RESULTS[fault.vendor](document)
            case "error_file_id":
                document = document | {"error_file_id": "" if fault.word("says") == "empty" else None}
    return document


def _metadata(document: Document, **changed: Any) -> Document:
    """Gemini's operation with members of its metadata set, or left out where None."""
    metadata = document["metadata"] | changed
    return document | {"metadata": {name: value for name, value in metadata.items() if value is not None}}


def _openai_counts(document: Document, zero: bool) -> Document:
    total = 0 if zero else document["request_counts"]["total"]
    return document | {"request_counts": {"total": total, "completed": total, "failed": 0}}


def _anthropic_counts(document: Document, zero: bool) -> Document:
    counts = document["request_counts"]
    total = 0 if zero else sum(counts.values())
    return document | {"request_counts": dict.fromkeys(counts, 0) | {"succeeded": total}}


def _gemini_counts(document: Document, zero: bool) -> Document:
    total = document["metadata"]["batchStats"].get("requestCount", "0")
    return _metadata(document, batchStats={} if zero else {"requestCount": total, "successfulRequestCount": total})


def _gemini_without_results(document: Document) -> Document:
    document = _metadata(document, output=None)
    if "response" in document:
        document = document | {"response": {"@type": document["response"]["@type"]}}
    return document


_STATUS: dict[Vendor, Callable[[Document, str], Document]] = {
    Vendor.OPENAI: lambda document, word: document | {"status": word},
    Vendor.ANTHROPIC: lambda document, word: document | {"processing_status": word},
    Vendor.GEMINI: lambda document, word: _metadata(document, state=f"BATCH_STATE_{word.upper()}"),
}
_COUNTS: dict[Vendor, Callable[[Document, bool], Document]] = {
    Vendor.OPENAI: _openai_counts,
    Vendor.ANTHROPIC: _anthropic_counts,
    Vendor.GEMINI: _gemini_counts,
}
_NO_RESULTS: dict[Vendor, Callable[[Document], Document]] = {
    Vendor.OPENAI: lambda document: document | {"output_file_id": None},
    Vendor.ANTHROPIC: lambda document: document | {"results_url": None},
    Vendor.GEMINI: _gemini_without_results,
}
