"""A JSON Schema in the form Anthropic's `output_config.format` takes. Pure.

The supported subset is the one of the SDK's own `transform_schema` (anthropic 1.15 and 2.11): objects are closed, a few
string formats, `minItems` of 0 or 1; whatever else a schema says is moved into the description, where the model may
still follow it.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from batchwright.answer import wrap_list_root
from batchwright.errors import ConfigurationError
from batchwright.request import OutputSchema

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # transform_schema's SupportedStringFormats
_KEPT = frozenset({"type", "description", "title", "enum", "const", "$ref"})
_UNIONS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def response_schema(schema: OutputSchema) -> dict[str, Any]:
    """Return the schema to send, its root an object. Raises `ConfigurationError` when that cannot be."""
    wrapped = wrap_list_root(schema).schema
    if wrapped.get("type", "object") != "object":
        raise ConfigurationError(f"output schema {schema.name}: the root must be an object or a list")
    return _supported(wrapped)


def _supported(node: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for key, value in node.items():
        if key in {"$defs", "definitions", "properties"} and isinstance(value, Mapping):
            known[key] = {name: _supported(entry) for name, entry in value.items()}
        elif key == "items" and isinstance(value, Mapping):
            known[key] = _supported(value)
        elif key in _UNIONS and isinstance(value, list):
            known[_UNIONS[key]] = [_supported(entry) for entry in value]
        elif key in _KEPT or (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1)):
            known[key] = value
        elif key == "required":
            known[key] = list(value)
        elif key != "additionalProperties":
            left[key] = value
    if node.get("type") == "object":
        known.setdefault("properties", {})
        known["additionalProperties"] = False
    if left:
        said = ", ".join(f"{key}: {to_json(value).decode()}" for key, value in left.items())
        known["description"] = "\n\n".join(filter(None, (known.get("description"), f"{{{said}}}")))
    return known
