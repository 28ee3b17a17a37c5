"""A JSON Schema in the form Gemini's `responseSchema` takes. Pure.

`responseSchema` is a subset of OpenAPI 3.0 (the SDK's `types.Schema`): no references, no type lists, nullability as a
flag, enums of texts only. `responseJsonSchema` would take plain JSON Schema, but in batch it was seen to be silently
ignored, so it is never used. A list at the root is fine here.
"""

from collections.abc import Mapping
from typing import Any

from batchwright.errors import ConfigurationError
from batchwright.request import OutputSchema

_KEPT = frozenset(
    {
        "title",
        "description",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "required",
        "propertyOrdering",
    }
)
_FORMATS = {
    "STRING": frozenset({"enum", "date-time"}),
    "NUMBER": frozenset({"float", "double"}),
    "INTEGER": frozenset({"int32", "int64"}),
}
_REFERENCE_PREFIXES = ("#/$defs/", "#/definitions/")


def response_schema(schema: OutputSchema) -> dict[str, Any]:
    """Return the schema for `generationConfig.responseSchema`.

    Raises `ConfigurationError` for a schema that refers to itself or to something outside: there are no references.
    """
    root = schema.schema
    definitions = {**root.get("definitions", {}), **root.get("$defs", {})}
    return _Converter(schema.name, definitions).convert(root, ())


class _Converter:
    def __init__(self, name: str, definitions: Mapping[str, Any]) -> None:
        self._name = name
        self._definitions = definitions

    def convert(self, node: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        """Return `node` in OpenAPI words; `within` are the definitions it stands in, to find circles."""
        node, within = self._resolved(node, within)
        kinds, nullable = _kinds_of(node)
        open_api: dict[str, Any] = {key: value for key, value in node.items() if key in _KEPT}
        options = [option for option in (*node.get("anyOf", ()), *node.get("oneOf", ())) if option != {"type": "null"}]
        nullable = nullable or len(options) < len(node.get("anyOf", ())) + len(node.get("oneOf", ()))
        if len(kinds) > 1:
            options += [{**node, "type": kind} for kind in kinds]
            open_api.clear()
        elif kinds:
            open_api |= self._typed(kinds[0].upper(), node, within)
        if len(options) == 1 and not kinds:
            open_api = {**self.convert(options[0], within), **open_api}
        elif options:
            open_api["anyOf"] = [self.convert(option, within) for option in options]
        if nullable:
            open_api["nullable"] = True
        return open_api

    def _typed(self, kind: str, node: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        typed: dict[str, Any] = {"type": kind}
        allowed = [node["const"]] if "const" in node else [value for value in node.get("enum", ()) if value is not None]
        if node.get("format") in _FORMATS.get(kind, ()):
            typed["format"] = node["format"]
        if allowed and kind == "STRING":
            typed |= {"enum": [str(value) for value in allowed], "format": "enum"}
        elif allowed:
            listed = f"one of {', '.join(map(str, allowed))}"
            typed["description"] = "; ".join(filter(None, (node.get("description"), listed)))
        if isinstance(node.get("items"), Mapping):
            typed["items"] = self.convert(node["items"], within)
        if isinstance(node.get("properties"), Mapping):
            typed["properties"] = {name: self.convert(entry, within) for name, entry in node["properties"].items()}
            typed["propertyOrdering"] = list(node["properties"])
        return typed

    def _resolved(self, node: Mapping[str, Any], within: tuple[str, ...]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        while "$ref" in node or len(node.get("allOf", ())) == 1:
            if "$ref" not in node:
                node = {**{key: value for key, value in node.items() if key != "allOf"}, **node["allOf"][0]}
                continue
            reference = str(node["$ref"])
            name = next((reference.removeprefix(p) for p in _REFERENCE_PREFIXES if reference.startswith(p)), "")
            if name in within or name not in self._definitions:
                why = "refers to itself" if name in within else f"refers to {reference}"
                raise ConfigurationError(f"output schema {self._name} {why}, which Gemini's responseSchema cannot say")
            within = (*within, name)
            node = {**self._definitions[name], **{key: value for key, value in node.items() if key != "$ref"}}
        return node, within


def _kinds_of(node: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The types of a node without null, and whether null was among them."""
    stated = node.get("type")
    kinds = [str(kind) for kind in stated] if isinstance(stated, list) else [str(stated)] if stated else []
    if not kinds and "properties" in node:
        kinds = ["object"]
    elif not kinds and ("enum" in node or "const" in node):
        kinds = [_kind_of_value(node["const"] if "const" in node else next(iter(node["enum"]), ""))]
    real = [kind for kind in kinds if kind.lower() != "null"]
    return real, len(real) < len(kinds) or bool(node.get("nullable")) or None in node.get("enum", ())


def _kind_of_value(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"
