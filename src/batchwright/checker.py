"""Whether an answer is what its JSON Schema asks for.

The schema is compiled once into a validator of pydantic's core, which reads and checks an answer's JSON in one pass;
only an answer that is not plain JSON goes up the ladder of `batchwright.answer`. Checked are types, properties,
required ones and others, items, enums and constants, unions, references, lengths and bounds. What a schema says beyond
that (`format`, `if`, `patternProperties`, ...) is between the model and the vendor, and is not checked here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import PydanticCustomError, SchemaError, SchemaValidator, ValidationError, core_schema

from batchwright.answer import parse_answer, parse_result
from batchwright.errors import AnswerError
from batchwright.request import OutputSchema
from batchwright.result import FinishReason, Result

_STRICT = True
"""A number in quotes is no number: the vendors' own schema modes would not have let it pass."""


class AnswerChecker:
    """Reads answers that must satisfy one schema; with None, any JSON will do."""

    def __init__(self, schema: OutputSchema | None) -> None:
        self._schema = schema
        self._validator = None if schema is None else _compile(schema.schema)

    def read(self, result: Result) -> Any:
        """Return a succeeded result's value. Raises `AnswerError` for one cut short, no JSON, or of another shape."""
        if result.finish_reason is not FinishReason.LENGTH and self._validator is not None:
            try:
                return self._validator.validate_json(result.text or "", strict=_STRICT)
            except ValidationError:
                pass  # in a fence, wrapped or really wrong: the ladder finds out
        return self._checked(parse_result(result, self._schema).value)

    def read_text(self, text: str) -> Any:
        """Return the value of an answer's text. Raises `AnswerError`."""
        return self._checked(parse_answer(text, self._schema).value)

    def _checked(self, value: Any) -> Any:
        if self._validator is None:
            return value
        try:
            return self._validator.validate_python(value, strict=_STRICT)
        except ValidationError as exc:
            raise AnswerError(f"the answer is not what the schema asks for: {_first(exc)}") from exc


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(str(part) for part in found[0]["loc"]) or "the whole"
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{where}: {found[0]['msg']}{more}"


def _compile(schema: Mapping[str, Any]) -> SchemaValidator:
    definitions = {
        f"#/{place}/{name}": found
        for place in ("$defs", "definitions")
        for name, found in _object(schema.get(place)).items()
        if isinstance(found, Mapping)
    }
    whole = _core(schema, frozenset(definitions))
    if definitions:
        whole = core_schema.definitions_schema(
            whole, [_named(_core(found, frozenset(definitions)), ref) for ref, found in definitions.items()]
        )
    try:
        return SchemaValidator(whole)
    except SchemaError:  # a definition that is nothing but itself, say: nobody can check that
        return SchemaValidator(core_schema.any_schema())


def _named(schema: core_schema.CoreSchema, ref: str) -> core_schema.CoreSchema:
    named: Any = {**schema, "ref": ref}
    if schema["type"] == "definition-ref":  # a name for another name
        named = core_schema.chain_schema([schema], ref=ref)
    found: core_schema.CoreSchema = named
    return found


def _core(node: Any, known: frozenset[str]) -> core_schema.CoreSchema:
    """Return a node of a JSON Schema as pydantic's core says it; what it cannot say is anything."""
    if not isinstance(node, Mapping):
        return core_schema.any_schema()
    if "$ref" in node:
        target = node["$ref"]
        is_known = isinstance(target, str) and target in known
        return core_schema.definition_reference_schema(target) if is_known else core_schema.any_schema()
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list):
        return _one_of(values)
    choices = node.get("anyOf") or node.get("oneOf")
    if isinstance(choices, list):
        return core_schema.union_schema([_core(choice, known) for choice in choices], mode="left_to_right")
    kinds = node.get("type")
    if isinstance(kinds, list) and kinds:
        return core_schema.union_schema([_of_type(kind, node, known) for kind in kinds], mode="left_to_right")
    return _of_type(kinds if isinstance(kinds, str) else _guessed(node), node, known)


def _guessed(node: Mapping[str, Any]) -> str | None:
    if "properties" in node:
        return "object"
    return "array" if "items" in node else None


def _of_type(kind: Any, node: Mapping[str, Any], known: frozenset[str]) -> core_schema.CoreSchema:
    found: core_schema.CoreSchema
    match kind:
        case "object":
            found = _object_schema(node, known)
        case "array":
            shortest, longest = _count(node.get("minItems")), _count(node.get("maxItems"))
            items = _core(node.get("items"), known)
            found = core_schema.list_schema(items, min_length=shortest, max_length=longest)
        case "string":
            shortest, longest = _count(node.get("minLength")), _count(node.get("maxLength"))
            found = core_schema.str_schema(min_length=shortest, max_length=longest)
        case "integer":
            found = core_schema.no_info_before_validator_function(_without_fraction, _bounded("int", node))
        case "number":
            found = _bounded("float", node)
        case "boolean":
            found = core_schema.bool_schema()
        case "null":
            found = core_schema.none_schema()
        case _:
            found = core_schema.any_schema()
    return found


def _object_schema(node: Mapping[str, Any], known: frozenset[str]) -> core_schema.CoreSchema:
    listed = node.get("required")
    required = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
    others = node.get("additionalProperties")
    properties = _object(node.get("properties"))
    if not properties and not required:
        return core_schema.dict_schema(core_schema.str_schema(), _core(others, known))
    fields = {
        name: core_schema.typed_dict_field(_core(properties.get(name), known), required=name in required)
        for name in dict.fromkeys([*properties, *required])
    }
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid" if others is False else "allow")


def _without_fraction(value: Any) -> Any:
    """Let 3.0 be a whole number: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_of(values: Sequence[Any]) -> core_schema.CoreSchema:
    if values and all(isinstance(value, str) for value in values):
        return core_schema.literal_schema(list(values))
    allowed = list(values)

    def check(value: Any) -> Any:
        if any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed):
            return value
        raise PydanticCustomError("enum", "Input should be one of the values that the schema lists")

    return core_schema.no_info_plain_validator_function(check)


def _bounded(kind: str, node: Mapping[str, Any]) -> core_schema.CoreSchema:
    names = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
    wanted = (int, float) if kind == "float" else int
    bounds = {
        short: node[name]
        for name, short in names.items()
        if isinstance(node.get(name), wanted) and not isinstance(node[name], bool)
    }
    found: Any = {"type": kind, **bounds}
    schema: core_schema.CoreSchema = found
    return schema


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
