"""One JSON Schema in three vendors' dialects."""

import pytest
from anthropic import transform_schema
from google.genai import types
from pydantic import BaseModel, Field

from batchwright.errors import ConfigurationError
from batchwright.providers.anthropic.schema import response_schema as for_anthropic
from batchwright.providers.gemini.schema import response_schema as for_gemini
from batchwright.providers.openai.schema import response_schema as for_openai
from batchwright.request import OutputSchema


class Inner(BaseModel):
    kind: str = Field(pattern="^[a-z]+$", max_length=9)
    weight: float | None = None


class Outer(BaseModel):
    """What pydantic makes of a nested model with references, options and limits."""

    names: list[Inner] = Field(min_length=2)
    score: int = Field(ge=0, le=100, default=50)
    word: str | int = "x"


PYDANTIC = OutputSchema(name="outer", schema=Outer.model_json_schema())


def schema(**root):
    return OutputSchema(name="s", schema=root)


def objects(node):
    if isinstance(node, dict):
        if node.get("type") in ("object", "OBJECT"):
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def keys(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


def test_openais_strict_objects_are_closed_and_require_everything():
    made = for_openai(PYDANTIC)
    assert made["strict"] is True
    found = list(objects(made["schema"]))
    assert len(found) == 2
    for node in found:
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])


def test_what_was_optional_may_be_null_and_what_was_required_may_not():
    made = for_openai(
        schema(type="object", properties={"a": {"type": "string"}, "b": {"type": "string"}}, required=["a"])
    )["schema"]
    assert made["properties"]["a"] == {"type": "string"}
    assert made["properties"]["b"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_a_schema_open_to_any_property_is_sent_unstrict_and_unchanged():
    source = {"type": "object", "properties": {"a": {"type": "object"}}, "required": []}
    assert for_openai(schema(**source)) == {"name": "s", "schema": source, "strict": False}
    assert for_openai(schema(type="object", additionalProperties={"type": "string"}))["strict"] is False


@pytest.mark.parametrize("make", [for_openai, for_anthropic])
def test_a_root_that_is_neither_object_nor_list_is_refused(make):
    with pytest.raises(ConfigurationError, match="root must be an object or a list"):
        make(schema(type="string"))


def test_anthropic_gets_its_subset_and_the_rest_in_words():
    made = for_anthropic(PYDANTIC)
    assert set(keys(made["properties"])) <= {
        "type", "description", "title", "enum", "const", "$ref", "anyOf", "items", "properties", "required",
        "additionalProperties", "names", "score", "word", "kind", "weight", "minItems",
    }  # fmt: skip
    assert "maximum: 100" in made["properties"]["score"]["description"]
    assert "minItems: 2" in made["properties"]["names"]["description"]
    assert all(node["additionalProperties"] is False for node in objects(made))
    assert "$defs" in made


def test_anthropics_transform_agrees_with_the_sdks_own_on_a_model():
    theirs = transform_schema(Inner)
    ours = for_anthropic(OutputSchema(name="i", schema=Inner.model_json_schema()))
    assert ours["properties"].keys() == theirs["properties"].keys()
    assert ours["required"] == theirs["required"]
    assert ours["properties"]["weight"]["anyOf"] == theirs["properties"]["weight"]["anyOf"]


def test_gemini_gets_no_references_no_type_lists_and_capital_types():
    made = for_gemini(PYDANTIC)
    assert not {"$ref", "$defs", "additionalProperties", "default", "oneOf"} & set(keys(made))
    assert made["type"] == "OBJECT"
    assert made["properties"]["names"]["items"]["type"] == "OBJECT"
    assert made["properties"]["names"]["minItems"] == 2
    assert made["propertyOrdering"] == ["names", "score", "word"]
    assert {option["type"] for option in made["properties"]["word"]["anyOf"]} == {"STRING", "INTEGER"}
    weight = made["properties"]["names"]["items"]["properties"]["weight"]
    assert (weight["type"], weight["nullable"]) == ("NUMBER", True)


def test_gemini_keeps_a_list_at_the_root_and_enums_of_texts():
    made = for_gemini(schema(type="array", items={"enum": ["a", "b", None]}))
    assert made == {
        "type": "ARRAY",
        "items": {"type": "STRING", "enum": ["a", "b"], "format": "enum", "nullable": True},
    }


def test_gemini_says_other_enums_in_words():
    made = for_gemini(schema(type="object", properties={"n": {"type": "integer", "enum": [1, 2], "description": "d"}}))
    assert made["properties"]["n"] == {"type": "INTEGER", "description": "d; one of 1, 2"}


def test_gemini_takes_the_sdks_own_schema_type():
    for source in (PYDANTIC, schema(type=["string", "null"]), schema(type=["string", "integer"]), schema(const="x")):
        types.Schema.model_validate(for_gemini(source))


@pytest.mark.parametrize(
    "root",
    [
        {
            "$ref": "#/$defs/node",
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
        },
        {"type": "array", "items": {"$ref": "https://elsewhere.invalid/schema"}},
    ],
)
def test_gemini_refuses_what_it_has_no_words_for(root):
    with pytest.raises(ConfigurationError, match="refers to"):
        for_gemini(schema(**root))
