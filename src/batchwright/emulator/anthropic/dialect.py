"""Anthropic's batches: what is checked at create, how a request is read, how a result line is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from batchwright.emulator.anthropic.bodies import ask_of, complaint, message_of
from batchwright.emulator.anthropic.errors import invalid, out_of_credit
from batchwright.emulator.json_members import members
from batchwright.emulator.vendor import Vendor
from batchwright.emulator.work import Examination, Fate, Outcome, Part, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from batchwright.emulator.store import Job, StoredFile

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class AnthropicDialect:
    """See `batchwright.emulator.work.Dialect`."""

    vendor = Vendor.ANTHROPIC
    ends_with_newline = False
    keeps_partial_results = True
    out_of_credit = out_of_credit().body["error"]["message"]

    def examine(self, job: Job, lines: Iterable[bytes]) -> Examination:
        """Nothing is refused after create."""
        del job
        return Examination(total=sum(1 for _ in lines), errors=[])

    def read(self, job: Job, line: bytes) -> Reading:
        """A request of the list; its parameters are looked at only now."""
        document = from_json(line)
        message = complaint(document["params"], version=job.spec["version"], in_batch=True)
        if message is not None:
            return Reading(key=document["custom_id"], refusal=message)
        return Reading(key=document["custom_id"], ask=ask_of(document["params"]))

    def write(self, job: Job, outcome: Outcome, at: float) -> tuple[Part, Any]:
        """A line of the results."""
        del at
        return Part.OUTPUT, {"custom_id": outcome.reading.key, "result": self._result(job, outcome)}

    @staticmethod
    def _result(job: Job, outcome: Outcome) -> dict[str, Any]:
        ask = outcome.reading.ask
        if outcome.fate is Fate.CANCELLED:
            return {"type": "canceled"}
        if outcome.fate is Fate.EXPIRED:
            return {"type": "expired"}
        if outcome.fate is Fate.REFUSED:
            return _errored("invalid_request_error", outcome.reading.refusal)
        if ask is None or outcome.text is None:
            return _errored("api_error", "Internal server error")
        seed = f"{job.id}/{outcome.position}"
        return {
            "type": "succeeded",
            "message": message_of(ask, outcome.text, seed=seed, service_tier="batch", cut=outcome.cut),
        }

    def result_files(self, job: Job, sizes: Mapping[str, int], at: float) -> list[StoredFile]:
        """Results are not files at Anthropic."""
        del job, sizes, at
        return []


def _errored(kind: str, message: str) -> dict[str, Any]:
    error = {"details": None, "type": kind, "message": message}
    return {"type": "errored", "error": {"type": "error", "error": error, "request_id": None}}


def split_requests(body: Path, target: Path, *, most: int) -> int:
    """Write the requests of a create body as lines to `target`, and count them.

    Raises `RefusedError` with Anthropic's own words where the list is wrong; parameters are not looked at.
    """
    seen: set[str] = set()
    named = False
    with target.open("wb", buffering=1 << 20) as file:
        try:
            for name, value, is_item in members(body, by_item="requests"):
                if name != "requests":
                    raise invalid(f"{name}: Extra inputs are not permitted")
                if not is_item:
                    named = True
                    if not isinstance(value, list):
                        raise invalid("requests: Input should be a valid list")
                    continue
                _check_item(value, seen)
                if most and len(seen) > most:
                    raise invalid(f"requests: List should have at most {most} items after validation")
                file.write(to_json(value) + b"\n")
        except ValueError as exc:
            raise invalid(f"The request body is not valid JSON: {exc}") from exc
    if not named:
        raise invalid("requests: Field required")
    if not seen:
        raise invalid("requests: List should have at least 1 item after validation, not 0")
    return len(seen)


def _check_item(item: Any, seen: set[str]) -> None:
    where = f"requests.{len(seen)}"
    if not isinstance(item, dict):
        raise invalid(f"{where}: Input should be a valid dictionary or object to extract fields from")
    for name in ("custom_id", "params"):
        if name not in item:
            raise invalid(f"{where}.{name}: Field required")
    if unknown := next((name for name in item if name not in {"custom_id", "params"}), None):
        raise invalid(f"{where}.{unknown}: Extra inputs are not permitted")
    custom_id = item["custom_id"]
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        raise invalid(f"{where}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if custom_id in seen:
        raise invalid(f"{where}.custom_id: custom_ids must be unique within a batch, found duplicate '{custom_id}'")
    seen.add(custom_id)
