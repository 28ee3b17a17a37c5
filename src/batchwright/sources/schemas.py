"""The shape an answer must have: a JSON Schema from a file or as text, or the llm tool's short form."""

import re
from pathlib import Path
from typing import Any, Final

import pydantic_core

from batchwright.errors import ConfigurationError
from batchwright.request import OutputSchema

TYPES: Final = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}
"""The short form's words for types."""
DEFAULT_NAME: Final = "answer"
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME: Final = 64


def read_schema(given: str, *, several: bool = False) -> OutputSchema:
    """Return the schema that a person gave: a path, JSON, or the short form `name, age int, bio: a text`.

    With `several` the answer is a list of such objects. Raises `ConfigurationError` saying what is wrong with it.
    """
    text = given.strip()
    name = DEFAULT_NAME
    if not text.startswith("{") and _is_file(text):
        name = _UNFIT.sub("_", Path(text).stem)[:_LONGEST_NAME] or DEFAULT_NAME
        try:
            text = Path(text).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigurationError(f"--schema: {given} cannot be read: {exc}") from exc
        schema = _from_json(text, given)
    elif text.startswith("{"):
        schema = _from_json(text, "the JSON Schema")
    else:
        if text.endswith(".json"):
            raise ConfigurationError(f"--schema: no such file: {text}")
        schema = short_form(text)
    return OutputSchema(name=name, schema={"type": "array", "items": schema} if several else schema)


def short_form(text: str) -> dict[str, Any]:
    """Return the JSON Schema that the llm tool's short form means.

    Fields are separated by commas, or by line ends where there are any; each is a name, perhaps a type (`int`,
    `float`, `bool`, `str`), perhaps a description after a colon. All are required. Raises `ConfigurationError`.
    """
    properties: dict[str, dict[str, str]] = {}
    for field in filter(None, map(str.strip, text.split("\n" if "\n" in text else ","))):
        head, _, description = field.partition(":")
        match head.split():
            case [name]:
                kind = "str"
            case [name, kind] if kind in TYPES:
                pass
            case _:
                raise ConfigurationError(
                    f"--schema: {field!r} is no field; write a name, a name and one of {', '.join(TYPES)}, "
                    "or either with a description after a colon"
                )
        if name in properties:
            raise ConfigurationError(f"--schema: the field {name!r} is there twice")
        properties[name] = {"type": TYPES[kind]}
        if description.strip():
            properties[name]["description"] = description.strip()
    if not properties:
        raise ConfigurationError("--schema: it names no field")
    return {"type": "object", "properties": properties, "required": list(properties)}


def field_names(schema: OutputSchema | None) -> tuple[str, ...]:
    """Return the fields of an answer that is an object: the columns it makes in a table; none for any other answer."""
    if schema is None:
        return ()
    properties = schema.schema.get("properties")
    return tuple(properties) if isinstance(properties, dict) and schema.schema.get("type") != "array" else ()


def _is_file(text: str) -> bool:
    try:
        return "\n" not in text and Path(text).is_file()
    except OSError:  # a short form may be longer than a name can be
        return False


def _from_json(text: str, what: str) -> dict[str, Any]:
    try:
        schema = pydantic_core.from_json(text)
    except ValueError as exc:
        raise ConfigurationError(f"--schema: {what} is no JSON: {exc}") from exc
    if not isinstance(schema, dict) or not schema:
        raise ConfigurationError(f"--schema: {what} is no JSON Schema: it must be an object that says something")
    return schema
