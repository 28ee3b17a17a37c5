"""The short way to read a result line says what the long one says."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.providers.anthropic import wire as anthropic
from batchwright.providers.gemini import wire as gemini
from batchwright.providers.jsonl import read_line
from batchwright.providers.openai import wire as openai
from batchwright.result import Result
from batchwright.usage import Usage

OPENAI = {
    "id": "batch_req_1",
    "custom_id": "job-1-a1-0",
    "response": {
        "status_code": 200,
        "request_id": "req_1",
        "body": {
            "id": "chatcmpl-1",
            "model": "gpt-5.4-mini",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hi", "refusal": None},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 11,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
    },
    "error": None,
}
ANTHROPIC = {
    "custom_id": "job-1-a1-0",
    "result": {
        "type": "succeeded",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-6",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "stop_details": None,
            "usage": {
                "input_tokens": 11,
                "cache_creation_input_tokens": 1,
                "cache_read_input_tokens": 3,
                "output_tokens": 4,
                "output_tokens_details": {"thinking_tokens": 2},
            },
        },
    },
}
GEMINI = {
    "key": "job-1-a1-0",
    "response": {
        "candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "promptFeedback": {},
        "usageMetadata": {
            "promptTokenCount": 11,
            "toolUsePromptTokenCount": 1,
            "candidatesTokenCount": 4,
            "cachedContentTokenCount": 3,
            "thoughtsTokenCount": 2,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r_1",
    },
}
VENDORS = {"openai": (openai, OPENAI), "anthropic": (anthropic, ANTHROPIC), "gemini": (gemini, GEMINI)}
MORE = {
    "openai": [
        ("response", "body", "error"),
        ("response", "body", "output"),
        ("response", "body", "choices", 1),
        ("response", "error"),
        ("status",),
        ("failure",),
        ("position",),
        ("finish_reason",),
        ("check_0",),
    ],
    "anthropic": [
        ("result", "error"),
        ("result", "message", "content", 1),
        ("result", "message", "content", 0, "thinking"),
        ("status",),
    ],
    "gemini": [
        ("error",),
        ("metadata",),
        ("response", "candidates", 0, "content", "parts", 1),
        ("response", "candidates", 0, "content", "parts", 0, "thought"),
        ("response", "promptFeedback", "blockReason"),
        ("position",),
    ],
}
"""Places where a usual line has nothing."""
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "stop", "length", "STOP", "end_turn", "text", "succeeded", "errored", "7"]),
    st.sampled_from([200, 201, 200.0, 2**53, 2**53 + 1, -1, 0]),
    st.sampled_from([{}, [], [1, 2], {"message": 1}, {"type": "text", "text": "more"}, {"text": "more"}, {"code": 1}]),
    st.text(max_size=3),
)


def places_in(value, path=()):
    """Yield the path of everything in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield (*path, name)
        yield from places_in(one, (*path, name))


def put(place, path, value):
    """Set what stands at a path, unless an earlier change has cut it off; one behind a list's end is appended."""
    for step in path[:-1]:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(place, dict) and isinstance(path[-1], str):
        place[path[-1]] = value
    elif isinstance(place, list) and isinstance(path[-1], int):
        place[path[-1] : path[-1] + 1] = [value]


def drop(place, path):
    """Take away what stands at a path, if it is there."""
    for step in path[:-1]:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(place, dict):
        place.pop(path[-1], None)
    elif isinstance(place, list) and isinstance(path[-1], int):
        del place[path[-1] : path[-1] + 1]


def line_of(document):
    """Return a document as a line, surrogates and endless numbers included."""
    return json.dumps(document).encode()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_usual_line_takes_the_short_way(vendor):
    wire, document = VENDORS[vendor]
    line = line_of(document)
    found = wire.PLAIN.read(line)
    assert found == read_line(line, wire.decode_line)
    assert found.custom_id == "job-1-a1-0"
    assert found.text == "Hi"
    assert found.usage.reasoning_tokens == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_the_short_way_makes_is_a_result_like_any_other(vendor):
    wire, document = VENDORS[vendor]
    found = wire.PLAIN.read(line_of(document))
    assert (type(found), type(found.usage)) == (Result, Usage)
    assert hash(found) == hash(read_line(line_of(document), wire.decode_line))
    with pytest.raises(AttributeError):
        found.text = "other"


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
def test_whatever_a_line_holds_both_ways_say_the_same(vendor, data):
    wire, usual = VENDORS[vendor]
    document = copy.deepcopy(usual)
    places = st.sampled_from([*places_in(usual), *MORE[vendor]])
    for path, value in data.draw(st.lists(st.tuples(places, ODD), max_size=2)):
        put(document, path, value)
    for path in data.draw(st.lists(places, max_size=1)):
        drop(document, path)
    line = line_of(document)
    found = wire.PLAIN.read(line)
    assert found is None or found == read_line(line, wire.decode_line)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_name_that_stands_twice_counts_where_it_stands_last(vendor):
    wire, document = VENDORS[vendor]
    line = line_of(document)
    name = b'"key"' if vendor == "gemini" else b'"custom_id"'
    twice = line[:-1] + b", " + name + b': "other"}'
    assert wire.PLAIN.read(twice).custom_id == "other" == read_line(twice, wire.decode_line).custom_id


@pytest.mark.parametrize("line", [b"", b"{", b"null", b"[]", b'"text"', b"\xff", b'{"custom_id": "\\ud800"}'])
@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_no_line_takes_the_long_way(vendor, line):
    assert VENDORS[vendor][0].PLAIN.read(line) is None
