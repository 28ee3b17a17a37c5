"""Results as lines of `results.jsonl`. Whatever bytes are handed in, the answer is a result or a `TrackingError`."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from batchwright.errors import TrackingError
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.tracking.json_text import to_line
from batchwright.usage import Usage

_USAGE: Final = {
    "in": "input_tokens",
    "out": "output_tokens",
    "cached": "cached_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
_STATUSES: Final = {str(status): status for status in ResultStatus}
_REASONS: Final = {str(reason): reason for reason in FinishReason}
_KINDS: Final = {str(kind): kind for kind in FailureKind}


def encode_result(result: Result) -> bytes:
    """Return one line of JSON, its line end included. What is None, or zero tokens, is left out."""
    failure = result.failure
    value = {
        "id": result.custom_id,
        "position": result.position,
        "status": str(result.status),
        "text": result.text,
        "finish": str(result.finish_reason),
        "usage": {short: tokens for short, name in _USAGE.items() if (tokens := getattr(result.usage, name))} or None,
        "model": result.model,
        "request_id": result.request_id,
        "failure": None if failure is None else _encode_failure(failure),
    }
    return to_line({name: field for name, field in value.items() if field is not None}) + b"\n"


def decode_result(line: bytes) -> Result:
    """Return the result of one line. Raises `TrackingError` saying what is wrong with it."""
    try:
        return _decode(_object(from_json(line)))
    except (ValueError, KeyError, TypeError) as exc:
        reason = f"{exc.args[0]!r} is missing or unknown" if isinstance(exc, KeyError) else str(exc)
        raise TrackingError(f"not a result: {reason}") from exc


def _encode_failure(failure: Failure) -> dict[str, str | int]:
    value = {
        "kind": str(failure.kind),
        "message": failure.message,
        "code": failure.code,
        "status_code": failure.status_code,
    }
    return {name: field for name, field in value.items() if field is not None}


def _decode(value: Mapping[str, Any]) -> Result:
    usage = _object(value.get("usage", {}))
    return Result(
        custom_id=_optional(value, "id", str),
        position=_optional(value, "position", int),
        status=_STATUSES[_text(value, "status")],
        text=_optional(value, "text", str),
        finish_reason=_REASONS[_text(value, "finish")],
        usage=Usage(**{name: _optional(usage, short, int) or 0 for short, name in _USAGE.items()}),
        model=_optional(value, "model", str),
        request_id=_optional(value, "request_id", str),
        failure=None if value.get("failure") is None else _decode_failure(_object(value["failure"])),
    )


def _decode_failure(value: Mapping[str, Any]) -> Failure:
    return Failure(
        kind=_KINDS[_text(value, "kind")],
        message=_text(value, "message"),
        code=_optional(value, "code", str),
        status_code=_optional(value, "status_code", int),
    )


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("there is something other than an object")
    return value


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise TypeError(f"{name} is not text")
    return text


def _optional(value: Mapping[str, Any], name: str, kind: type) -> Any:
    field = value.get(name)
    if field is not None and type(field) is not kind:
        raise TypeError(f"{name} is not {'text' if kind is str else 'a whole number'}")
    return field
