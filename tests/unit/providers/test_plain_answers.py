"""The short way to read a result line says what the long one says."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from batchwright.providers.openai import wire

LINE = {
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
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
    },
    "error": None,
}
PATHS = [
    ("custom_id",),
    ("response",),
    ("error",),
    *(("response", name) for name in ("status_code", "request_id", "body")),
    *(("response", "body", name) for name in ("id", "model", "choices", "usage", "error", "output")),
    ("response", "body", "choices", 0),
    *(("response", "body", "choices", 0, name) for name in ("message", "finish_reason")),
    *(("response", "body", "choices", 0, "message", name) for name in ("content", "refusal")),
    *(("response", "body", "usage", name) for name in ("prompt_tokens", "completion_tokens")),
    *(("response", "body", "usage", name) for name in ("prompt_tokens_details", "completion_tokens_details")),
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "stop", "length", "7", 200, 201, 2**53, 2**53 + 1, -1, {}, [], [1, 2], {"message": 1}]),
    st.text(max_size=3),
)


def put(place, path, value):
    """Set what stands at a path, unless an earlier change has cut it off."""
    for step in path[:-1]:
        if not isinstance(place, dict if isinstance(step, str) else list) or (
            isinstance(step, str) and step not in place
        ):
            return
        if not place:
            return
        place = place[step]
    if isinstance(place, dict) if isinstance(path[-1], str) else (isinstance(place, list) and place):
        place[path[-1]] = value


def test_a_usual_line_takes_the_short_way():
    assert wire._plain_answer(LINE) == wire._read_line(LINE)
    assert wire._plain_answer(LINE) is not None


@given(st.lists(st.tuples(st.sampled_from(PATHS), ODD), max_size=2))
def test_whatever_a_line_holds_both_ways_say_the_same(changes):
    line = copy.deepcopy(LINE)
    for path, value in changes:
        put(line, path, value)
    found = wire._plain_answer(line)
    assert found is None or found == wire._read_line(line)
