import hashlib
import hmac
import json

import pytest

from batchwright.emulator import CATEGORIES, Responder, verdict
from batchwright.emulator.asks import Ask
from batchwright.emulator.responders import find_issues, respond

ISSUES = [
    {"issue_id": 4, "issue": "teh", "highlighted_context": "teh [cat] {sat}"},
    {"issue_id": 5, "issue": "näive\n", "highlighted_context": 'a "quote" ]}'},
]
ROWS = {"type": "array", "items": {"type": "object"}}


def ask(text, schema=None):
    return Ask(model="m", prompt=f"system\n\n{text}", last_user_text=text, schema=schema)


def prompt(issues=ISSUES):
    page = 'Page {3}\n[1] see [{x}] and [ {"a": [1,2} ] "issue_id" ['
    return f"{page}\n```json\n{json.dumps(issues, indent=2)}\n```\nAnswer with [] brackets."


def test_the_verdict_is_the_documented_keyed_hash():
    digest = hmac.new(b"batchwright-emulator", b"teh\x1fteh [cat] {sat}", hashlib.sha256).digest()
    judged = verdict(ISSUES[0])
    assert judged.error_category == CATEGORIES[digest[0] % 6]
    assert judged.confidence_score == digest[1] % 101
    assert digest.hex()[:12] in judged.reasoning


def test_verdicts_spread_over_all_categories():
    seen = {verdict({"issue": str(n), "highlighted_context": ""}).error_category for n in range(100)}
    assert seen == set(CATEGORIES)


def test_issues_are_found_among_other_brackets():
    assert find_issues(prompt()) == ISSUES


def test_an_example_of_the_wanted_answer_is_not_taken_for_the_issues():
    example = '[{"issue_id": 1, "error_category": "SPELLING_ERROR"}]'
    assert find_issues(f"{prompt()} Answer like {example}") == ISSUES
    assert find_issues(example) is None


def test_each_issue_is_answered_with_its_verdict_as_a_bare_list():
    rows = json.loads(respond(ask(prompt()), Responder.AUTO))
    assert [row["issue_id"] for row in rows] == [4, 5]
    assert all(set(row) == {"issue_id", "error_category", "confidence_score", "reasoning"} for row in rows)
    assert rows[1]["reasoning"] == verdict(ISSUES[1]).reasoning


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"results": ROWS}},
        {"type": "OBJECT", "properties": {"results": {"type": "ARRAY", "items": {"type": "OBJECT"}}}},
        {"$ref": "#/$defs/R", "$defs": {"R": {"properties": {"results": {"$ref": "#/$defs/L"}}}, "L": ROWS}},
    ],
)
def test_the_list_is_wrapped_where_the_schema_has_one_property_that_is_an_array(schema):
    assert [row["issue_id"] for row in json.loads(respond(ask(prompt(), schema), Responder.AUTO))["results"]] == [4, 5]


@pytest.mark.parametrize("schema", [ROWS, {"type": "object", "properties": {"a": ROWS, "b": ROWS}}])
def test_the_list_stays_bare_with_any_other_schema(schema):
    assert isinstance(json.loads(respond(ask(prompt(), schema), Responder.AUTO)), list)


def test_auto_falls_back_to_the_schema_and_then_to_an_echo():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert set(json.loads(respond(ask("hello", schema), Responder.AUTO))) == {"n"}
    assert respond(ask("hello"), Responder.AUTO) == "hello"


def test_a_named_responder_is_used_whatever_the_prompt():
    assert respond(ask(prompt(), ROWS), Responder.ECHO) == prompt()
    assert respond(ask("no issues"), Responder.CATEGORISE) == "[]"
    assert json.loads(respond(ask(prompt(), {"type": "boolean"}), Responder.SCHEMA)) in (True, False)
