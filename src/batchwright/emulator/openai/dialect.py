"""OpenAI's batch lines: what is checked when a batch is validated, how a line is read, how a result is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from batchwright.emulator.http import RefusedError
from batchwright.emulator.identifiers import derived_base58, derived_hex
from batchwright.emulator.openai.bodies import answer_body, ask_of
from batchwright.emulator.openai.errors import error_body, out_of_credit
from batchwright.emulator.store import StoredFile
from batchwright.emulator.vendor import Vendor
from batchwright.emulator.work import Examination, Fate, Outcome, Part, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchwright.emulator.store import Job

_MOST_ERRORS = 100
_OUT_OF_CREDIT = out_of_credit()
_NEVER_RAN = {
    Fate.CANCELLED: ("batch_cancelled", "This request was cancelled before it was executed."),
    Fate.EXPIRED: ("batch_expired", "This request could not be executed before the completion window expired."),
}
_SERVER_ERROR = error_body(
    "The server had an error while processing your request. Sorry about that!", kind="server_error"
)


class OpenAIDialect:
    """See `batchwright.emulator.work.Dialect`."""

    vendor = Vendor.OPENAI
    ends_with_newline = True
    keeps_partial_results = True
    out_of_credit = (_OUT_OF_CREDIT.status, _OUT_OF_CREDIT.body)

    def examine(self, job: Job, lines: Iterable[bytes]) -> Examination:
        """The checks of the `validating` state; any error fails the batch."""
        check = _LineCheck(job.spec["endpoint"])
        errors: list[dict[str, Any]] = []
        total = 0
        for total, line in enumerate(lines, start=1):
            if len(errors) < _MOST_ERRORS and (found := check.complaint(line)):
                code, message, param = found
                errors.append({"code": code, "message": message, "param": param, "line": total})
        most = job.settings.limits.max_requests
        if most and total > most:
            message = f"The batch contains too many tasks: {total}. The maximum number of tasks per batch is {most}."
            errors = [{"code": "too_many_tasks", "message": message, "param": None, "line": None}]
        if total == 0:
            message = "The input file is empty. Please ensure that the batch contains at least one request."
            errors = [{"code": "empty_file", "message": message, "param": None, "line": None}]
        if job.struck_by("token_limit_exceeded"):
            message = (
                f"Enqueued token limit reached for {check.model} in organization org-emulated. Limit: 2,000,000 "
                "enqueued tokens. Please try again once some in_progress batches have been completed."
            )
            errors = [{"code": "token_limit_exceeded", "message": message, "param": None, "line": None}]
        return Examination(total=total, errors=errors, model=check.model)

    def read(self, job: Job, line: bytes) -> Reading:
        """A line that validation let pass; the body may still be wrong."""
        document = from_json(line)
        try:
            ask = ask_of(job.spec["endpoint"], document["body"])
        except RefusedError as exc:
            return Reading(key=document["custom_id"], refusal=(exc.status, exc.body))
        return Reading(key=document["custom_id"], ask=ask, echo=document["body"])

    def write(self, job: Job, outcome: Outcome, at: float) -> tuple[Part, Any]:
        """A line of the output file (2xx) or of the error file."""
        seed = f"{job.id}/{outcome.position}"
        line: dict[str, Any] = {
            "id": f"batch_req_{derived_hex('line', seed)}",
            "custom_id": outcome.reading.key,
            "response": None,
            "error": None,
        }
        if outcome.fate in _NEVER_RAN:
            code, message = _NEVER_RAN[outcome.fate]
            return Part.ERROR, line | {"error": {"code": code, "message": message}}
        status, body = self._response(job, outcome, seed, at)
        line["response"] = {"status_code": status, "request_id": derived_hex("request", seed), "body": body}
        return (Part.OUTPUT if outcome.fate is Fate.ANSWERED else Part.ERROR), line

    @staticmethod
    def _response(job: Job, outcome: Outcome, seed: str, at: float) -> tuple[int, Any]:
        reading = outcome.reading
        if outcome.fate is Fate.REFUSED:
            status, body = reading.refusal
            return status, body
        if reading.ask is None or outcome.text is None:
            return 500, _SERVER_ERROR
        endpoint = job.spec["endpoint"]
        return 200, answer_body(endpoint, reading.echo, reading.ask, outcome.text, seed=seed, at=at, cut=outcome.cut)

    def result_files(self, job: Job, sizes: Mapping[str, int], at: float) -> list[StoredFile]:
        """The output and error files, as the files endpoint shows them."""
        limit_s = job.settings.limits.results_kept_s
        kept_s = min(limit_s, (job.spec.get("output_expires_after") or {}).get("seconds", limit_s))
        return [
            StoredFile(
                id=result_file_id(job, part),
                vendor=Vendor.OPENAI,
                created_at=at,
                expires_at=at + kept_s,
                name=f"{job.id}_{part}.jsonl",
                purpose="batch_output",
                bytes=size,
                path=f"jobs/{job.id}/{part}.jsonl",
            )
            for part, size in sizes.items()
        ]


def result_file_id(job: Job, part: str) -> str:
    """The id of a batch's output or error file."""
    return f"file-{derived_base58(22, job.id, part)}"


class _LineCheck:
    """What is wrong with a line, given the lines before it."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._seen: set[str] = set()
        self.model: str | None = None

    def complaint(self, line: bytes) -> tuple[str, str, str | None] | None:
        """(code, message, param), or None for a good line."""
        try:
            document = from_json(line)
        except ValueError:
            return "invalid_json_line", "This line is not parseable as valid JSON.", None
        if not isinstance(document, dict):
            return "invalid_json_line", "This line is not a JSON object.", None
        for name in ("custom_id", "method", "url", "body"):
            if document.get(name) in (None, ""):
                return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        if not isinstance(document["custom_id"], str):
            return "invalid_type", "Invalid type for 'custom_id': expected a string.", "custom_id"
        if document["custom_id"] in self._seen:
            message = f"The custom_id '{document['custom_id']}' for this request is a duplicate of another request."
            return "duplicate_custom_id", f"{message} The custom_id parameter must be unique.", "custom_id"
        self._seen.add(document["custom_id"])
        return self._target_complaint(document)

    def _target_complaint(self, document: Mapping[str, Any]) -> tuple[str, str, str | None] | None:
        if document["method"] != "POST":
            return "invalid_method", "The method must be 'POST'.", "method"
        if document["url"] != self._endpoint:
            message = f"The URL provided for this request does not match the batch endpoint '{self._endpoint}'."
            return "url_mismatch", message, "url"
        return self._body_complaint(document["body"])

    def _body_complaint(self, body: Any) -> tuple[str, str, str | None] | None:
        if not isinstance(body, dict):
            return "invalid_type", "Invalid type for 'body': expected an object.", "body"
        if not body.get("model"):
            return "missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model"
        if not isinstance(body["model"], str):
            return "invalid_type", "Invalid type for 'body.model': expected a string.", "body.model"
        if self.model is None:
            self.model = body["model"]
        if body["model"] != self.model:
            message = f"The model '{body['model']}' differs from '{self.model}'; a batch must use one model."
            return "mismatched_model", message, "body.model"
        return None
