import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.emulator.sampling import sample

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": float, "boolean": bool}


def satisfies(value, schema):  # noqa: PLR0911 - one return per word of the schema language
    """A small validator, written apart from the sampler; it knows what `schemas` draws."""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(satisfies(value, option) for option in schema["anyOf"])
    if schema["type"] == "null":
        return value is None
    if type(value) is not TYPES[schema["type"].lower()]:
        return False
    if schema["type"] == "object":
        known = all(name in schema["properties"] for name in value)
        wanted = all(name in value for name in schema["required"])
        return known and wanted and all(satisfies(v, schema["properties"][k]) for k, v in value.items())
    if schema["type"] == "array":
        fits = schema["minItems"] <= len(value) <= schema["maxItems"]
        return fits and all(satisfies(item, schema["items"]) for item in value)
    if schema["type"] in {"integer", "number"}:
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if schema["type"] == "string":
        return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1000)
    return True


names = st.text("abcdef", min_size=1, max_size=4)
bounds = st.integers(-1000, 1000)
leaves = st.one_of(
    st.sampled_from([{"type": "string"}, {"type": "boolean"}, {"type": "null"}, {"enum": ["a", 2, None]}]),
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, bounds, st.integers(0, 9)),
    st.builds(lambda low: {"type": "number", "minimum": low}, bounds),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, *[st.integers(0, 40)] * 2
    ),
)


def nested(inner):
    objects = st.dictionaries(names, inner, max_size=3).flatmap(
        lambda properties: st.builds(
            lambda required: {"type": "object", "properties": properties, "required": required},
            st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([]),
        )
    )
    arrays = st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        inner,
        st.integers(0, 4),
        st.integers(0, 3),
    )
    return st.one_of(
        objects, arrays, st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3))
    )


schemas = st.recursive(leaves, nested, max_leaves=12)


@given(schemas, st.text())
def test_every_sample_satisfies_its_schema_and_is_reproducible(schema, seed):
    value = sample(schema, seed=seed)
    assert satisfies(value, schema), (value, schema)
    assert sample(schema, seed=seed) == value


def test_different_prompts_get_different_samples():
    schema = {"type": "integer", "minimum": 0, "maximum": 10**9}
    assert len({sample(schema, seed=str(n)) for n in range(20)}) == 20


def test_a_recursive_schema_comes_to_an_end():
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["name", "next"],
    }
    for seed in range(20):
        value = sample({"$ref": "#/$defs/node", "$defs": {"node": node}}, seed=str(seed))
        while value is not None:
            assert isinstance(value["name"], str)
            value = value["next"]


@pytest.mark.parametrize(
    ("schema", "good"),
    [
        ({"const": "x"}, lambda v: v == "x"),
        ({"type": "STRING", "enum": ["A", "B"]}, lambda v: v in {"A", "B"}),
        ({"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": 3, "maxItems": 3}, lambda v: len(v) == 3),
        ({"type": ["string", "null"]}, lambda v: isinstance(v, str)),
        ({"type": "integer", "exclusiveMinimum": 4, "maximum": 5}, lambda v: v == 5),
        ({"type": "integer", "multipleOf": 7, "minimum": 8, "maximum": 15}, lambda v: v == 14),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, lambda v: 0 < v < 1),
        ({"type": "string", "format": "date"}, lambda v: v.startswith("2026-01-")),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, lambda v: v == {"a": 1}),
        ({"type": "string", "maxLength": 3}, lambda v: len(v) == 3),
        ({"$ref": "#/nowhere"}, lambda v: isinstance(v, str)),
    ],
)
def test_the_words_of_the_schema_languages_are_understood(schema, good):
    assert all(good(sample(schema, seed=str(seed))) for seed in range(20))
