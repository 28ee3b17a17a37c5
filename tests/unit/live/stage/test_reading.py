import pytest
from pydantic import BaseModel

from batchwright.live.stage.reading import read, without_added_nulls
from batchwright.request import OutputSchema
from batchwright.result import FinishReason, Result, ResultStatus


def answer(text, finish_reason=FinishReason.STOP):
    return Result(custom_id="page-1", status=ResultStatus.SUCCEEDED, text=text, finish_reason=finish_reason)


class Inner(BaseModel):
    label: str
    score: float = 0.5


class Outer(BaseModel):
    title: str
    note: str | None
    hint: str | None = "none"
    inner: Inner | None = None
    pages: list[Inner] = []
    kind: str = "plain"


SCHEMA = OutputSchema(name="outer", schema=Outer.model_json_schema())


def test_json_is_parsed_only_where_it_was_asked_for():
    assert read(answer('{"a": 1}'), as_json=True, schema=None).value == {"a": 1}
    assert read(answer('{"a": 1}'), as_json=False, schema=None).value is None
    assert read(answer("prose"), as_json=False, schema=None).error is None


@pytest.mark.parametrize("as_json", [True, False])
def test_an_answer_that_was_cut_short_cannot_be_used(as_json):
    reading = read(answer('{"a": 1}', FinishReason.LENGTH), as_json=as_json, schema=None)
    assert "cut short" in reading.error
    assert reading.text == '{"a": 1}'


def test_prose_where_json_was_asked_for_is_an_error():
    assert read(answer("I am sorry."), as_json=True, schema=SCHEMA).error == "the answer is not JSON"


def test_a_null_for_what_was_left_out_gives_way_to_the_models_own_default():
    text = (
        '{"title": "T", "note": null, "hint": null, "kind": null, "inner": {"label": "l", "score": null}, '
        '"pages": [{"label": "m", "score": null}, {"label": "n", "score": 1}]}'
    )
    value = read(answer(text), as_json=True, schema=SCHEMA).value
    assert Outer(**value) == Outer(
        title="T",
        note=None,
        hint=None,
        inner=Inner(label="l"),
        pages=[Inner(label="m"), Inner(label="n", score=1)],
    )
    assert value["note"] is None
    assert "kind" not in value


@pytest.mark.parametrize(
    ("value", "schema", "kept"),
    [
        ({"a": None}, {"properties": {"a": {"type": ["string", "null"]}}}, {"a": None}),
        ({"a": None}, {"properties": {"a": {"enum": ["x", None]}}}, {"a": None}),
        ({"a": None}, {"properties": {"a": True}}, {"a": None}),
        ({"a": None}, {"properties": {"a": {}}}, {"a": None}),
        ({"a": None}, {"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": None}),
        ({"a": None}, {"properties": {"a": {"type": "string"}}}, {}),
        ({"b": None}, {"properties": {"a": {"type": "string"}}}, {"b": None}),
        ({"a": None}, {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}, {}),
        ({"a": None}, {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "object"}}}, {}),
        ({"a": None}, {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}, {"a": None}),
        ([{"a": None}], {"type": "array", "items": {"properties": {"a": {"type": "string"}}}}, [{}]),
        ("text", {"type": "object", "properties": {}}, "text"),
    ],
)
def test_only_what_cannot_be_null_loses_its_null(value, schema, kept):
    assert without_added_nulls(value, schema) == kept
