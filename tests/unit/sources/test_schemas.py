import json

import pytest
from llm import schema_dsl

from batchwright.errors import ConfigurationError
from batchwright.sources.schemas import field_names, read_schema, short_form

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    "text",
    ["name, age int, bio: text, with no comma after", "name\nage int: in years\nok bool\n\nx float: a, b", "a str"],
)
def test_the_short_form_means_what_it_means_to_the_llm_tool(text):
    try:
        expected = schema_dsl(text)
    except ValueError:
        with pytest.raises(ConfigurationError):
            short_form(text)
    else:
        assert short_form(text) == expected


@pytest.mark.parametrize("text", ["name, age number", "a b c", "name, name", ": x", ","])
def test_a_short_form_nobody_understands_is_refused(text):
    with pytest.raises(ConfigurationError, match="--schema: "):
        short_form(text)


def test_a_schema_is_a_file_or_json_or_the_short_form(tmp_path):
    path = tmp_path / "my person.json"
    path.write_text(json.dumps(PERSON))
    assert read_schema(str(path)).schema == PERSON
    assert read_schema(str(path)).name == "my_person"
    assert read_schema(json.dumps(PERSON)).schema == PERSON
    assert read_schema("name").schema == PERSON
    assert read_schema("name", several=True).schema == {"type": "array", "items": PERSON}
    assert read_schema("name, " + "x" * 5000).schema["required"] == ["name", "x" * 5000]


@pytest.mark.parametrize("text", ["no.json", "{broken", "{}"])
def test_a_schema_nobody_can_read_is_refused(text):
    with pytest.raises(ConfigurationError, match="--schema: "):
        read_schema(text)


def test_the_fields_of_an_object_are_columns():
    assert field_names(read_schema("name, age int")) == ("name", "age")
    assert field_names(read_schema("name", several=True)) == ()
    assert field_names(None) == ()
