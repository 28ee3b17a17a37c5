import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchwright.checker import AnswerChecker
from batchwright.errors import AnswerError
from batchwright.request import OutputSchema
from batchwright.result import FinishReason, Result, ResultStatus

REVIEW = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["praise", "complaint"]},
        "score": {"type": "integer", "minimum": 0, "maximum": 100},
        "urgent": {"type": "boolean"},
        "reason": {"type": ["string", "null"]},
    },
    "required": ["label", "score"],
    "additionalProperties": False,
}


def checker(schema):
    return AnswerChecker(None if schema is None else OutputSchema(name="answer", schema=schema))


def result(text, finish=FinishReason.STOP):
    return Result(custom_id="x", status=ResultStatus.SUCCEEDED, text=text, finish_reason=finish)


@pytest.mark.parametrize(
    "text",
    [
        '{"label": "praise", "score": 3}',
        '{"label": "praise", "score": 3.0, "urgent": true, "reason": null}',
        'Here it is:\n```json\n{"label": "complaint", "score": 100, "reason": "late"}\n```',
    ],
)
def test_an_answer_that_fits_is_read(text):
    value = checker(REVIEW).read(result(text))
    assert value["label"] in {"praise", "complaint"}
    assert value["score"] in {3, 100}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"label": "rant", "score": 3}', "label"),
        ('{"label": "praise"}', "score"),
        ('{"label": "praise", "score": "3"}', "score"),
        ('{"label": "praise", "score": 3.5}', "score"),
        ('{"label": "praise", "score": 101}', "score"),
        ('{"label": "praise", "score": 3, "urgent": 1}', "urgent"),
        ('{"label": "praise", "score": 3, "mood": "good"}', "mood"),
        ('["praise", 3]', "the whole"),
    ],
)
def test_an_answer_of_another_shape_is_refused_with_the_place(text, where):
    with pytest.raises(AnswerError, match=f"not what the schema asks for: {where}: "):
        checker(REVIEW).read(result(text))


def test_an_answer_that_was_cut_short_is_never_read():
    with pytest.raises(AnswerError, match="cut short"):
        checker(REVIEW).read(result('{"label": "praise", "score": 3}', FinishReason.LENGTH))


def test_without_a_schema_any_json_will_do():
    assert checker(None).read(result("[1, 2]")) == [1, 2]
    with pytest.raises(AnswerError, match="not JSON"):
        checker(None).read(result("so be it"))


def test_a_list_at_the_root_is_unwrapped_and_checked():
    schema = {"type": "array", "items": REVIEW, "minItems": 1}
    assert checker(schema).read(result('{"items": [{"label": "praise", "score": 1}]}')) == [
        {"label": "praise", "score": 1}
    ]
    with pytest.raises(AnswerError, match=r"0\.label"):
        checker(schema).read(result('[{"label": "x", "score": 1}]'))


def test_references_and_unions_are_followed():
    schema = {
        "$defs": {
            "leaf": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]}},
                "required": ["next"],
            }
        },
        "$ref": "#/$defs/leaf",
    }
    assert checker(schema).read(result('{"next": {"next": null}}')) == {"next": {"next": None}}
    with pytest.raises(AnswerError, match="next"):
        checker(schema).read(result('{"next": {"next": 3}}'))


def test_true_is_not_one():
    assert checker({"enum": [1, "a", None]}).read(result("1")) == 1
    with pytest.raises(AnswerError, match="one of the values"):
        checker({"enum": [1, "a", None]}).read(result("true"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "enum", "anyOf", "$ref", "$defs", "required", "minimum", "a"]
            ),
            inner | st.sampled_from(["object", "array", "string", "integer", "#/$defs/a"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    schema=st.dictionaries(
        st.sampled_from(["type", "properties", "items", "enum", "$defs", "$ref", "required"]), anything
    )
)
@example(schema={"properties": {"a": {}}, "required": [[]]})
def test_whatever_calls_itself_a_schema_ends_in_a_value_or_our_error(schema):
    checked = checker(schema)
    for text in ('{"a": 1}', "[1]", "1", "no"):
        try:
            checked.read(result(text))
        except AnswerError:
            continue
