"""A JSON Schema in the form OpenAI's strict mode takes. Pure.

Strict mode wants an object at the root, every property required and no others allowed; what was optional may be null
instead (as the vendor's structured-outputs guide advises). A schema that cannot be said so is sent as it is, unstrict.
"""

from collections.abc import Mapping
from typing import Any

from batchwright.answer import wrap_list_root
from batchwright.errors import ConfigurationError
from batchwright.request import OutputSchema

_NULL = {"type": "null"}


def response_schema(schema: OutputSchema) -> dict[str, Any]:
    """Return name, schema and strictness for `response_format` or `text.format`.

    Raises `ConfigurationError` when the root is neither an object nor a list.
    """
    wrapped = wrap_list_root(schema).schema
    if wrapped.get("type", "object") != "object":
        raise ConfigurationError(f"output schema {schema.name}: the root must be an object or a list")
    if _is_open(wrapped):
        return {"name": schema.name, "schema": dict(wrapped), "strict": False}
    return {"name": schema.name, "schema": _strict(wrapped), "strict": True}


def _is_open(node: object) -> bool:
    """Whether some object in the schema takes properties nobody named, which strict mode has no words for."""
    if isinstance(node, list):
        return any(_is_open(entry) for entry in node)
    if not isinstance(node, Mapping):
        return False
    if "patternProperties" in node or node.get("additionalProperties") not in (None, False):
        return True
    if node.get("type") == "object" and not node.get("properties"):
        return True
    inner = [node.get(key) for key in ("items", "anyOf", "oneOf", "allOf")]
    named = [*_values(node.get("properties")), *_values(node.get("$defs")), *_values(node.get("definitions"))]
    return any(_is_open(entry) for entry in (*inner, *named))


def _values(value: object) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else []


def _strict(node: Mapping[str, Any]) -> dict[str, Any]:
    strict: dict[str, Any] = {}
    for key, value in node.items():
        match key:
            case "default" | "oneOf" | "required" | "additionalProperties":
                continue
            case "$defs" | "definitions" | "properties" if isinstance(value, Mapping):
                strict[key] = {name: _strict(entry) for name, entry in value.items()}
            case "items" if isinstance(value, Mapping):
                strict[key] = _strict(value)
            case "anyOf" | "allOf" if isinstance(value, list):
                strict[key] = [_strict(entry) for entry in value]
            case _:
                strict[key] = value
    if "oneOf" in node:
        strict["anyOf"] = [_strict(entry) for entry in node["oneOf"]]
    if "properties" in strict:
        required = set(node.get("required", ()))
        properties = strict["properties"]
        strict["properties"] = {
            name: entry if name in required else _nullable(entry) for name, entry in properties.items()
        }
        strict |= {"required": list(properties), "additionalProperties": False}
    return strict


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    kinds = node.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or _NULL in node.get("anyOf", ()):
        return node
    return {"anyOf": [node, _NULL]}
