"""Whatever JSON a request body is: it is answered, or refused in the vendor's words. Nothing else may happen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from batchwright.emulator import Scenario, Vendor
from batchwright.emulator.anthropic.dialect import AnthropicDialect
from batchwright.emulator.engine import History
from batchwright.emulator.gemini.dialect import GeminiDialect
from batchwright.emulator.openai.dialect import OpenAIDialect
from batchwright.emulator.responders import respond
from batchwright.emulator.store import Job
from batchwright.emulator.work import Fate, Outcome

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "integer"}, "minItems": 1}, "b": {"$ref": "#/$defs/c"}},
    "required": ["a", "b"],
    "additionalProperties": False,
    "$defs": {"c": {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]}},
}
OPENAPI = {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING", "maxLength": "3"}}}}
TURN = {"role": "user", "content": [{"type": "text", "text": '[{"issue_id": 1, "issue": "x"}]'}]}
CHAT = {
    "model": "m",
    "messages": [{"role": "system", "content": "s"}, TURN],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}},
}
RESPONSES = {
    "model": "m",
    "input": [TURN],
    "instructions": "i",
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
}
MESSAGE = {
    "model": "m",
    "max_tokens": 3,
    "system": [{"type": "text", "text": "s"}],
    "messages": [TURN],
    "output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "properties": {}}}},
}
GENERATE = {
    "contents": [{"role": "user", "parts": [{"text": "t"}]}],
    "systemInstruction": {"parts": [{"text": "s"}]},
    "generationConfig": {"responseSchema": OPENAPI, "temperature": 0.2},
}


def job(vendor, **spec):
    history = History(created_at=0)
    return Job(id="j", vendor=vendor, history=history, settings=Scenario().of(vendor), spec=spec)


CASES = {
    "chat": (OpenAIDialect(), job(Vendor.OPENAI, endpoint="/v1/chat/completions"), "body", CHAT),
    "responses": (OpenAIDialect(), job(Vendor.OPENAI, endpoint="/v1/responses"), "body", RESPONSES),
    "message": (AnthropicDialect(), job(Vendor.ANTHROPIC, version="2026-10-21"), "params", MESSAGE),
    "generate": (GeminiDialect(), job(Vendor.GEMINI, model="models/m"), "request", GENERATE),
}
anything = st.recursive(
    st.sampled_from([None, True, 0, -1, 2.5, 10**6, "", "x", "object", "#", [], {}]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def paths(value, before=()):
    yield before
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*before, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def outcome_of(name, body):
    dialect, job, field, _ = CASES[name]
    line = to_json({"custom_id": "1", "key": "1", field: body})
    reading = dialect.read(job, line)
    outcome = Outcome(position=0, reading=reading, fate=Fate.REFUSED)
    if reading.ask is not None:
        outcome = replace(outcome, fate=Fate.ANSWERED, text=respond(reading.ask, job.settings.responder))
    to_json(dialect.write(job, outcome, 0.0)[1])
    return outcome


@pytest.mark.parametrize("name", CASES)
def test_the_good_body_is_answered(name):
    assert outcome_of(name, CASES[name][3]).fate is Fate.ANSWERED


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_a_body_with_one_value_replaced_is_answered_or_refused(name, data):
    body = CASES[name][3]
    path = data.draw(st.sampled_from(list(paths(body))))
    outcome = outcome_of(name, replaced(body, path, data.draw(anything)))
    assert (outcome.reading.ask is None) != (outcome.reading.refusal is None)
