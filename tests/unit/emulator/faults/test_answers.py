"""What strikes the text of an answer, in a job and live."""

import json

import pytest

from batchwright.emulator import Vendor, parse_fault
from batchwright.emulator.faults.answers import answer_under

ISSUES = [{"issue_id": n, "issue": "teh", "highlighted_context": "teh cat"} for n in (1, 2)]
PROMPT = f"Judge these: {json.dumps(ISSUES)}"
STOPPED_SHORT = {Vendor.OPENAI: "length", Vendor.ANTHROPIC: "max_tokens", Vendor.GEMINI: "MAX_TOKENS"}


def bent(name, text, **parameters):
    (fault,) = parse_fault({"name": name, "provider": "openai", **parameters})
    return answer_under([fault], text).text


@pytest.fixture(params=["job", "live"])
def answers(request, clock):
    """The first two answers of the vendor: of one job, or live."""

    def ask(api, *texts):
        if request.param == "live":
            return [api.answer_in(api.live(text).json()) for text in texts]
        job = api.made(*texts)
        clock.advance(60)
        return [api.answer_in(document) for _, document in api.results(job)]

    ask.kind = request.param
    return ask


def test_an_answer_can_be_cut_at_the_token_limit(api, answers, faults):
    faults("cut_answer", api.vendor, share=1, fraction=0.25)
    assert answers(api, "12345678") == [("12", STOPPED_SHORT[api.vendor])]


def test_openais_responses_endpoint_says_so_in_its_own_way(openai, faults):
    faults("cut_answer", Vendor.OPENAI)
    response = openai.responses.create(model="m", input="12345678")
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output_text == "1234"


def test_an_answer_can_be_empty(api, answers, faults):
    faults("empty_answer", api.vendor)
    ((text, _why),) = answers(api, "hello")
    assert text == ""


def test_only_the_chosen_answers_are_struck(api, answers, faults):
    how = {"positions": [1]} if answers.kind == "job" else {"after": 1}
    faults("empty_answer", api.vendor, **how)
    assert [text for text, _why in answers(api, "one", "two")] == ["one", ""]


@pytest.mark.parametrize("on", ["download", "live"])
def test_a_fault_can_be_for_jobs_or_live_alone(api, answers, faults, on):
    faults("empty_answer", api.vendor, on=on)
    ((text, _why),) = answers(api, "hello")
    assert (text == "") == (answers.kind == ("live" if on == "live" else "job"))


def test_a_categorised_answer_can_be_in_a_fence_in_prose_or_with_commas_too_many(api, answers, faults, http):
    ((plain, _why),) = answers(api, PROMPT)
    rows = json.loads(plain)
    for name in ("fenced_answer", "prose_answer", "trailing_commas"):
        http.delete("/_emulator/faults")
        faults(name, api.vendor)
        ((text, _why),) = answers(api, PROMPT)
        with pytest.raises(ValueError, match=r"Expecting|Illegal"):
            json.loads(text)
        assert "".join(text.split()).count('"issue_id"') == 2
    http.delete("/_emulator/faults")
    faults("wrong_shape", api.vendor)
    ((text, _why),) = answers(api, PROMPT)
    assert json.loads(text) == rows[0]


def test_the_separator_arrives_unescaped_inside_a_string(api, faults, clock):
    faults("line_separator", api.vendor)
    job = api.made(PROMPT, "plain")
    clock.advance(60)
    assert "\u2028".encode() in api.download(job).content
    lines = api.lines(job)
    assert len([line for line in lines if line]) == 2
    text, _why = api.answer_in(api.results(job)[0][1])
    assert json.loads(text)[1]["reasoning"].endswith("\u2028")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain\u2028"),
        ('["a","b"]', '["a","b\u2028"]'),
        ('{"a":{"b":"x"},"c":3}', '{"a":{"b":"x\u2028"},"c":3}'),
        ("[1,2]", "[1,2]"),
        ("3", "3\u2028"),
    ],
)
def test_the_separator_goes_into_the_last_string(text, expected):
    assert bent("line_separator", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "[]"),
        ('{"a":[1,2]}', '{"a":[1,2,],}'),
        ('["]",{}]', '["]",{},]'),
        ('["\\"]"]', '["\\"]",]'),
        ("plain", "plain"),
    ],
)
def test_trailing_commas_stand_before_every_closing_bracket_outside_strings(text, expected):
    assert bent("trailing_commas", text) == expected


@pytest.mark.parametrize(
    ("shape", "text", "expected"),
    [
        ("object", '[{"a":1},{"a":2}]', {"a": 1}),
        ("object", '{"rows":[{"a":1}]}', {"a": 1}),
        ("object", "[1,2]", {"result": [1, 2]}),
        ("object", '{"a":1,"b":2}', {"result": {"a": 1, "b": 2}}),
        ("object", "plain", {"result": "plain"}),
        ("fields", '[{"a":1,"b":2},{"a":3,"b":4}]', [{"a": 1}, {"a": 3}]),
        ("fields", '{"rows":[{"a":1,"b":2}]}', {"rows": [{"a": 1}]}),
        ("fields", '{"a":1,"b":2}', {"a": 1}),
    ],
)
def test_a_wrong_shape_is_valid_json_of_another_form(shape, text, expected):
    assert json.loads(bent("wrong_shape", text, shape=shape)) == expected


def test_prose_can_take_the_place_of_the_answer():
    assert '{"a":1}' in bent("prose_answer", '{"a":1}')
    assert '{"a":1}' not in bent("prose_answer", '{"a":1}', only=True)


def test_the_log_tells_what_was_answered_not_what_was_meant(api, answers, faults, log):
    faults("empty_answer", api.vendor)
    answers(api, "hello")
    assert [entry["text"] for entry in log(kind="answer")] == [""]
