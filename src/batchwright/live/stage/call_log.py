"""What was asked and answered, a JSON file for each request: for a person who wants to know why page 12 went wrong.

Texts are kept as they are. Pictures and documents are kept as their digest and size; keys and `metadata` not at all.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from batchwright.live.stage.nouns import LLMResult
from batchwright.request import Part, Request, TextPart

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100


class CallLog:
    """Writes `<folder>/<request id>.json`; asked again, in this run or a later one, a request's file is replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, stage: str, request: Request, result: LLMResult) -> Path:
        """Write what was sent and what came of it, and return where. Raises `OSError`."""
        path = self.folder / file_name(result.request.id)
        text = json.dumps(_document(stage, request, result), ensure_ascii=False, indent=2, default=str)
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(text.encode("utf-8", "replace") + b"\n")
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return path


def file_name(request_id: str) -> str:
    """Return a name that any file system takes, and that no other request has."""
    safe = _UNSAFE.sub("_", request_id).lstrip(".")[:_LONGEST_NAME]
    if safe and safe == request_id:
        return f"{safe}.json"
    digest = hashlib.sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe or 'request'}-{digest}.json"


def _document(stage: str, request: Request, result: LLMResult) -> dict[str, Any]:
    schema = request.output_schema
    return {
        "id": result.request.id,
        "stage": stage,
        "provider": result.provider_name,
        "model": result.model,
        "request": {
            "params": {name: value for name, value in asdict(request.params).items() if value is not None},
            "system": request.system,
            "messages": [
                {"role": message.role.value, "parts": list(_parts(message.parts))} for message in request.messages
            ],
            "schema": None if schema is None else {"name": schema.name, "schema": schema.schema},
        },
        "success": result.success,
        "answer": result.text,
        "error": result.error,
        "finish_reason": result.finish_reason.value,
        "usage": asdict(result.usage),
        "cost_usd": result.cost_usd,
        "attempts": result.attempts,
        "seconds": round(result.seconds, 3),
    }


def _parts(parts: tuple[Part, ...]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, TextPart):
            yield {"text": part.text}
        else:
            digest = hashlib.sha256(part.data).hexdigest()
            yield {"media_type": part.media_type, "bytes": len(part.data), "sha256": digest}
