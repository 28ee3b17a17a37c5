"""What OpenAI checks at once when a file is uploaded or a batch is created. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchwright.emulator.openai.bodies import CHAT, RESPONSES
from batchwright.emulator.openai.errors import missing_parameter, refused, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchwright.emulator.http import Receipt, RefusedError

_REQUIRED = ("input_file_id", "endpoint", "completion_window")
_OPTIONAL = ("metadata", "output_expires_after")
_ALLOWED = {"endpoint": (RESPONSES, CHAT), "completion_window": ("24h",)}
_PURPOSES = {"assistants", "batch", "fine-tune", "vision", "user_data", "evals"}
_EXPIRY_S = (3600, 30 * 86_400)
_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 16, 64, 512


def check_upload(receipt: Receipt) -> None:
    """The form of an upload. Raises `RefusedError`."""
    if receipt.filename is None:
        raise missing_parameter("file")
    purpose = receipt.fields.get("purpose")
    if not purpose:
        raise missing_parameter("purpose")
    if purpose not in _PURPOSES:
        raise refused(f"'{purpose}' is not one of {sorted(_PURPOSES)} - 'purpose'", param="purpose")
    seconds = receipt.fields.get("expires_after[seconds]", str(_EXPIRY_S[0]))
    if not seconds.isdecimal() or not _is_expiry(int(seconds)):
        raise _wrong_type("expires_after.seconds", "a number of seconds between 3600 and 2592000")
    if purpose == "batch" and not receipt.filename.endswith(".jsonl"):
        raise refused("Invalid file format for Batch API. Must be .jsonl", param="file")


def check_create(body: Mapping[str, Any]) -> None:
    """The body that creates a batch. Raises `RefusedError`."""
    for name in body:
        if name not in _REQUIRED and name not in _OPTIONAL:
            raise unknown_parameter(name)
    for name in _REQUIRED:
        _check_required(name, body.get(name))
    for name in _OPTIONAL:
        if not isinstance(body.get(name) or {}, dict):
            raise _wrong_type(name, "an object")
    expiry = body.get("output_expires_after")
    if expiry and (expiry.get("anchor") != "created_at" or not _is_expiry(expiry.get("seconds"))):
        raise _wrong_type("output_expires_after.seconds", "a number of seconds between 3600 and 2592000")
    _check_metadata(body.get("metadata") or {})


def _check_required(name: str, value: Any) -> None:
    if not value:
        raise missing_parameter(name)
    if not isinstance(value, str):
        raise _wrong_type(name, "a string")
    if value not in _ALLOWED.get(name, (value,)):
        known = ", ".join(f"'{allowed}'" for allowed in _ALLOWED[name])
        message = f"Invalid value: '{value}'. Supported values are: {known}."
        raise refused(message, param=name, code="invalid_value")


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    if len(metadata) > _METADATA_PAIRS:
        raise refused("Invalid 'metadata': too many properties. Expected at most 16.", param="metadata")
    for key, value in metadata.items():
        if not isinstance(value, str) or len(key) > _METADATA_KEY or len(value) > _METADATA_VALUE:
            message = f"Invalid 'metadata.{key}': keys have at most 64 characters, values are strings of at most 512."
            raise refused(message, param=f"metadata.{key}")


def _is_expiry(seconds: Any) -> bool:
    return isinstance(seconds, int) and _EXPIRY_S[0] <= seconds <= _EXPIRY_S[1]


def _wrong_type(param: str, wanted: str) -> RefusedError:
    return refused(f"Invalid type for '{param}': expected {wanted}.", param=param, code="invalid_type")
