import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.errors import AnswerError
from batchwright.tasks.categorise.verdicts import OUTPUT_SCHEMA, Category, clean_line, read_verdicts


def entry(issue_id=1, category="SPELLING_ERROR", confidence=80, reasoning="Because."):
    return {
        "issue_id": issue_id,
        "error_category": category,
        "confidence_score": confidence,
        "reasoning": reasoning,
    }


def read(*entries, ids=(1, 2, 3)):
    return read_verdicts(list(entries), frozenset(ids))


def confidences(*given):
    verdicts = read(*(entry(number, confidence=value) for number, value in enumerate(given, 1)))
    return [
        verdicts.by_id[number].confidence if number in verdicts.by_id else None for number in range(1, len(given) + 1)
    ]


def test_a_verdict_has_what_the_entry_says():
    verdicts = read(entry())
    assert verdicts.warnings == ()
    assert verdicts.by_id[1].category is Category.SPELLING_ERROR
    assert verdicts.by_id[1].confidence == 80
    assert verdicts.by_id[1].reasoning == "Because."


def test_the_schema_asks_for_exactly_what_is_read():
    items = OUTPUT_SCHEMA.schema["items"]
    assert set(items["required"]) == set(items["properties"]) == set(entry())
    assert items["properties"]["error_category"]["enum"] == [category.value for category in Category]


@pytest.mark.parametrize("issue_id", [1, "1", " 1 ", 1.0])
def test_an_id_in_another_form_is_the_same_id(issue_id):
    assert list(read(entry(issue_id)).by_id) == [1]


def test_an_id_that_is_not_in_the_batch_is_warned_about_in_the_guides_words():
    verdicts = read(entry(999), entry(1))
    assert verdicts.warnings == ("Issue ID 999 not in batch, skipping",)
    assert list(verdicts.by_id) == [1]


@pytest.mark.parametrize(
    "issue_id",
    [
        True,
        None,
        1.5,
        "one",
        "\x1b[31m1",
        [1],
        {},
        pytest.param(10**5_000, id="huge"),
        float("nan"),
        float("inf"),
        "1" * 5_000,
    ],
)
def test_what_is_no_id_is_skipped_and_shown_safely(issue_id):
    verdicts = read(entry(issue_id))
    (warning,) = verdicts.warnings
    assert warning.startswith("Issue ID ")
    assert warning.endswith(" not in batch, skipping")
    assert warning.isprintable()
    assert len(warning) < 80


@pytest.mark.parametrize("field", ["error_category", "confidence_score", "reasoning"])
@pytest.mark.parametrize("value", [..., None, "", "  ", [], {}, True])
def test_a_missing_or_unusable_field_is_warned_about_in_the_guides_words(field, value):
    broken = entry()
    if value is ...:
        del broken[field]
    else:
        broken[field] = value
    verdicts = read(broken, entry(2))
    assert verdicts.warnings == ("Issue 1 missing required fields",)
    assert list(verdicts.by_id) == [2]


@pytest.mark.parametrize(
    "value", ["spelling_error", "Spelling Error", " SPELLING-ERROR ", "Spelling  error", "spelling - error"]
)
def test_a_category_matches_in_any_case_and_with_other_separators(value):
    assert read(entry(category=value)).by_id[1].category is Category.SPELLING_ERROR


@pytest.mark.parametrize("value", ["SPELLING", "OTHER", "SPELLINGERROR", 1, ["SPELLING_ERROR"]])
def test_an_unknown_category_is_never_guessed(value):
    assert read(entry(category=value)).warnings == ("Issue 1 missing required fields",)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([0, 80, 100], [0, 80, 100]),
        ([0.0, 0.5, 1.0], [0, 50, 100]),
        ([0.9, 1], [90, 100]),
        ([0, 1], [0, 1]),
        ([1.0, 80.0], [1, 80]),
        ([0.93, 80], [93, 80]),
        (["85", "85%", "85.5"], [85, 85, 86]),
        (["0.9", "1.0"], [90, 100]),
        (["1%", "0.5%"], [1, 1]),
        ([-5, 150, 1e300], [0, 100, 100]),
        ([84.5, 84.4], [85, 84]),
        ([float("nan"), float("inf"), 10**400], [None, None, None]),
        (["high", "8_0", "٨٠"], [None, None, None]),
    ],
)
def test_confidence_is_brought_to_0_to_100(given, wanted):
    assert confidences(*given) == wanted


def test_the_first_usable_of_two_verdicts_counts():
    verdicts = read(entry(reasoning=""), entry(reasoning="One."), entry(reasoning="Two."))
    assert verdicts.by_id[1].reasoning == "One."
    assert verdicts.warnings == (
        "Issue 1 missing required fields",
        "Issue 1 answered more than once, keeping the first",
    )


@pytest.mark.parametrize(
    "value",
    [
        [entry(1), entry(2)],
        {"items": [entry(1), entry(2)]},
        {"results": [entry(1), entry(2)], "summary": "two"},
        {"1": entry(None), "2": entry(None)},
        {"1": {**entry(), "issue_id": 1}, "2": {**entry(), "issue_id": 2}},
        [entry(1), "and", entry(2)],
    ],
)
def test_lists_are_found_in_the_forms_models_give_them(value):
    verdicts = read_verdicts(value, frozenset({1, 2}))
    assert set(verdicts.by_id) == {1, 2}
    assert verdicts.warnings == ()


def test_one_verdict_by_itself_is_a_list_of_one():
    assert set(read_verdicts(entry(), frozenset({1})).by_id) == {1}


@pytest.mark.parametrize(
    "value", [None, 1, "text", True, {}, {"a": 1}, {"a": [], "b": []}, ["a"], [1, 2], [[entry()]], {"x": {"y": 1}}]
)
def test_json_of_another_shape_is_an_answer_error(value):
    with pytest.raises(AnswerError):
        read_verdicts(value, frozenset({1}))


def test_an_empty_list_answers_nothing():
    assert read_verdicts([], frozenset({1})).by_id == {}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("one\n\n two\tthree\u2028four\u00a0five", "one two three four five"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07plain\x1bM \x9b2Jx", "red plain x"),
        ("a\x00b\x07c\x7fd", "abcd"),
        ("\u202eevil\u2069\ufeff", "evil"),
        ("\ud800lone", "lone"),
        ("naïve “ok” 日本 👍🏽 e\u0301", "naïve “ok” 日本 👍🏽 e\u0301"),
    ],
)
def test_reasoning_is_one_line_without_control_characters(text, clean):
    assert clean_line(text) == clean


def test_a_reasoning_without_end_is_cut():
    assert len(read(entry(reasoning="word " * 10_000)).by_id[1].reasoning) <= 1_001


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*entry(), "1", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_json_raises_anything_but_an_answer_error(value):
    try:
        verdicts = read_verdicts(value, frozenset({0, 1}))
    except AnswerError:
        return
    assert all(0 <= verdict.confidence <= 100 and verdict.reasoning for verdict in verdicts.by_id.values())
