import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchwright.answer import Rung, parse_answer, parse_result, wrap_list_root
from batchwright.errors import AnswerError
from batchwright.request import OutputSchema
from batchwright.result import FinishReason, Result, ResultStatus

LIST = OutputSchema(name="rows", schema={"type": "array", "items": {"type": "object"}})
OBJECT = OutputSchema(name="row", schema={"type": "object"})
ROWS = [{"id": 1, "text": 'a "quoted" [word] {here}\u2028and on'}, {"id": 2, "text": "```"}]
TEXT = json.dumps(ROWS, ensure_ascii=False)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        (TEXT, Rung.PLAIN),
        (f"\n {json.dumps(ROWS, indent=2)}\n", Rung.PLAIN),
        ("\ufeff" + TEXT, Rung.EXTRACTED),
        (f"```json\n{TEXT}\n```", Rung.EXTRACTED),
        (f"```\n{TEXT}\n```\n", Rung.EXTRACTED),
        (f"Here you are:\n\n```json\n{TEXT}\n```\nAnything else?", Rung.EXTRACTED),
        (f"<think>[1] or {{}}?</think>\n{TEXT}", Rung.EXTRACTED),
        (f"\ufeff<thinking>\nwell\n</thinking>```json\n{TEXT}\n```", Rung.EXTRACTED),
        (f"Sure! {TEXT} That is all {{I think}}.", Rung.EXTRACTED),
        (f"As [1] says, a {{brace}} is no object: {TEXT}", Rung.EXTRACTED),
        (f'As "{{ this }}" says: {TEXT}', Rung.EXTRACTED),
        (json.dumps({"items": ROWS}), Rung.PLAIN),
        (json.dumps({"answer": {"items": ROWS}}), Rung.PLAIN),
        ("\n".join(json.dumps(row) for row in ROWS), Rung.EXTRACTED),
        (f"{TEXT}\n\n{TEXT}", Rung.EXTRACTED),
        (TEXT.replace("}]", "},]"), Rung.REPAIRED),
        (TEXT.replace("}, {", "} {"), Rung.REPAIRED),
    ],
)
def test_a_list_is_read_in_every_form_that_models_give_it(text, rung):
    answer = parse_answer(text, LIST)
    assert answer.value == ROWS
    assert answer.rung is rung


@pytest.mark.parametrize("text", ["[{'id': 1, 'ok': True, 'none': None,},]", '[{"id": 1, "ok": true, none: null}]'])
def test_python_and_unquoted_keys_are_mended_and_said_so(text):
    answer = parse_answer(text, LIST)
    assert answer.rung is Rung.REPAIRED
    assert answer.value[0]["id"] == 1
    assert answer.value[0]["ok"] is True


def test_of_several_different_answers_the_longest_is_taken_as_a_guess():
    answer = parse_answer('{"a": 1} no, rather {"a": 2, "b": 3}', OBJECT)
    assert answer.value == {"a": 2, "b": 3}
    assert answer.rung is Rung.REPAIRED


def test_a_broken_answer_is_not_passed_over_for_a_whole_footnote():
    answer = parse_answer('See {"note": 1}. [{"id": 1,}, {"id": 2,}]', LIST)
    assert answer.value == [{"id": 1}, {"id": 2}]
    assert answer.rung is Rung.REPAIRED


@pytest.mark.parametrize("end", range(1, len(TEXT)))
def test_an_answer_cut_anywhere_is_never_mended(end):
    with pytest.raises(AnswerError):
        parse_answer(TEXT[:end], LIST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "\ufeff",
        "I cannot help with that.",
        "<think>perhaps [1]",
        "<think>done</think>",
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 20_000 + "1" + "}" * 20_000,
        "{" * 3_000 + '"' + "}" * 3_000,
        '"no end',
        "```json\n```",
        '[{"id": 1, "text": "no end]',
    ],
)
def test_what_is_no_whole_json_is_an_answer_error(text):
    with pytest.raises(AnswerError):
        parse_answer(text, LIST)


def test_lone_surrogates_do_not_stop_an_answer():
    assert parse_answer('\ud800[{"id": 1}]\udfff', LIST).value == [{"id": 1}]


def test_a_cut_off_result_is_refused_even_where_it_is_json():
    result = Result(custom_id="a", status=ResultStatus.SUCCEEDED, text="[]", finish_reason=FinishReason.LENGTH)
    with pytest.raises(AnswerError, match="output limit"):
        parse_result(result, LIST)


def test_a_result_without_text_is_refused():
    with pytest.raises(AnswerError):
        parse_result(Result(custom_id="a", status=ResultStatus.SUCCEEDED), LIST)


def test_objects_are_left_as_they_are_where_no_list_was_asked_for():
    assert parse_answer('{"items": [1]}', OBJECT).value == {"items": [1]}
    assert parse_answer('{"items": [1]}').value == {"items": [1]}


def test_a_list_root_is_wrapped_with_its_definitions_beside_it():
    schema = OutputSchema(name="x", schema={"type": "array", "items": {"$ref": "#/$defs/row"}, "$defs": {"row": {}}})
    wrapped = wrap_list_root(schema).schema
    assert wrapped["type"] == "object"
    assert wrapped["properties"] == {"items": {"type": "array", "items": {"$ref": "#/$defs/row"}}}
    assert wrapped["$defs"] == {"row": {}}
    assert wrap_list_root(OBJECT) is OBJECT


@given(json_values)
def test_whatever_is_json_is_read_back_unchanged(value):
    answer = parse_answer(json.dumps(value))
    assert answer.value == value
    assert answer.rung is Rung.PLAIN


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text()), min_size=1), st.text(alphabet="abc .,\n"))
def test_json_in_prose_is_found(rows, prose):
    assert parse_answer(f"{prose}\n{json.dumps(rows)}\n{prose}", LIST).value == rows


@settings(max_examples=300)
@given(st.text() | st.text(alphabet="[]{}\",:\\\n `x1-'<think>/\ufeff\ud800"))
def test_no_text_raises_anything_but_an_answer_error(text):
    for schema in (None, LIST, OBJECT):
        try:
            parse_answer(text, schema)
        except AnswerError as exc:
            assert str(exc)  # noqa: PT017  (either outcome is right; only another exception is wrong)
