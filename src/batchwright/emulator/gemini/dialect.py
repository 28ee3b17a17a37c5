"""Gemini's batch lines: what is checked in the input, how a line is read, how a result is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from batchwright.emulator.gemini.bodies import ask_of, response_of
from batchwright.emulator.gemini.errors import INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, out_of_credit
from batchwright.emulator.http import RefusedError
from batchwright.emulator.vendor import Vendor
from batchwright.emulator.work import Examination, Fate, Outcome, Part, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchwright.emulator.store import Job, StoredFile

_INTERNAL_ERROR = {
    "code": INTERNAL,
    "message": "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
}


class GeminiDialect:
    """See `batchwright.emulator.work.Dialect`."""

    vendor = Vendor.GEMINI
    ends_with_newline = True
    keeps_partial_results = False
    out_of_credit = {  # noqa: RUF012 - a constant
        "code": RESOURCE_EXHAUSTED,
        "message": out_of_credit().body["error"]["message"],
    }

    def examine(self, job: Job, lines: Iterable[bytes]) -> Examination:
        """A line that is not a JSON object fails the job; anything else fails its own request only."""
        total = 0
        for total, line in enumerate(lines, start=1):
            if not isinstance(_parsed(line), dict):
                message = f"Failed to parse line {total} of the input file as JSON."
                return Examination(total=0, errors=[{"code": INVALID_ARGUMENT, "message": message}])
        most = job.settings.limits.max_requests
        if total == 0 or (most and total > most):
            message = "The input file holds no requests." if total == 0 else f"At most {most} requests are allowed."
            return Examination(total=0, errors=[{"code": INVALID_ARGUMENT, "message": message}])
        return Examination(total=total, errors=[])

    def read(self, job: Job, line: bytes) -> Reading:
        """A line of the file, or an inline request; what else it carries is echoed."""
        document = from_json(line)
        echo = {name: [] if isinstance(value, list) else value for name, value in document.items() if name != "request"}
        key = document.get("key")
        if key is None and isinstance(document.get("metadata"), dict):
            key = document["metadata"].get("key")
        key = None if key is None else str(key)
        if "request" not in document:
            error = {"code": INVALID_ARGUMENT, "message": "Each line must have a 'request'."}
            return Reading(key=key, refusal=error, echo=echo)
        try:
            ask = ask_of(document["request"], model=job.spec["model"], in_batch=True)
        except RefusedError as exc:
            error = {"code": INVALID_ARGUMENT, "message": exc.body["error"]["message"]}
            return Reading(key=key, refusal=error, echo=echo)
        return Reading(key=key, ask=ask, echo=echo)

    def write(self, job: Job, outcome: Outcome, at: float) -> tuple[Part, Any]:
        """A line of the responses file, or an inlined response."""
        del at
        reading = outcome.reading
        if outcome.fate is Fate.REFUSED:
            return Part.OUTPUT, reading.echo | {"error": reading.refusal}
        if reading.ask is None or outcome.text is None:
            return Part.OUTPUT, reading.echo | {"error": _INTERNAL_ERROR}
        response = response_of(reading.ask, outcome.text, seed=f"{job.id}/{outcome.position}", cut=outcome.cut)
        return Part.OUTPUT, {"response": response} | reading.echo

    def result_files(self, job: Job, sizes: Mapping[str, int], at: float) -> list[StoredFile]:
        """The responses file can be downloaded, but the file API does not know it otherwise."""
        del job, sizes, at
        return []


def _parsed(line: bytes) -> Any:
    try:
        return from_json(line)
    except ValueError:
        return None
