from types import SimpleNamespace

import pytest

from batchwright.plugins.llm.reading import finish_reason_of, result_of, usage_of
from batchwright.result import FailureKind, FinishReason
from batchwright.usage import Usage


def response(text="good", *, used=(0, 0), details=None, body=None, resolved=None):
    """A finished response, as far as anybody looks at it."""
    return SimpleNamespace(
        text=lambda: text,
        input_tokens=used[0],
        output_tokens=used[1],
        token_details=details,
        response_json=body,
        resolved_model=resolved,
    )


@pytest.mark.parametrize(
    ("used", "details", "usage"),
    [
        ((10, 5), None, Usage(input_tokens=10, output_tokens=5)),
        ((None, None), None, Usage()),
        (
            (10, 5),
            {"prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 4}},
            Usage(input_tokens=10, output_tokens=5, cached_tokens=8, reasoning_tokens=4),
        ),
        (
            (10, 5),
            {"input_tokens_details": {"cached_tokens": 8}, "output_tokens_details": {"reasoning_tokens": 4}},
            Usage(input_tokens=10, output_tokens=5, cached_tokens=8, reasoning_tokens=4),
        ),
        (
            (10, 5),
            {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            Usage(input_tokens=130, output_tokens=5, cached_tokens=100, cache_write_tokens=20),
        ),
        (
            (10, 9),
            {"candidatesTokenCount": 5, "thoughtsTokenCount": 4, "cachedContentTokenCount": 6},
            Usage(input_tokens=10, output_tokens=9, cached_tokens=6, reasoning_tokens=4),
        ),
    ],
    ids=["plain", "none", "openai chat", "openai responses", "anthropic", "gemini"],
)
def test_tokens_are_read_in_every_plugins_form(used, details, usage):
    assert usage_of([response(used=used, details=details)]) == usage


def test_the_tokens_of_a_chain_add_up_and_its_last_response_answers():
    result = result_of("row", [response("first", used=(1, 2)), response("last", used=(10, 20), resolved="m-1")])
    assert (result.text, result.model) == ("last", "m-1")
    assert result.usage == Usage(input_tokens=11, output_tokens=22)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"choices": [{"finish_reason": "length"}]}, FinishReason.LENGTH),
        ({"finish_reason": "stop"}, FinishReason.STOP),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, FinishReason.LENGTH),
        ({"status": "completed"}, FinishReason.STOP),
        ({"stop_reason": "max_tokens"}, FinishReason.LENGTH),
        ({"candidates": [{"finishReason": "SAFETY"}]}, FinishReason.BLOCKED),
        ({"choices": []}, FinishReason.OTHER),
        ({}, FinishReason.OTHER),
    ],
)
def test_why_a_model_stopped_is_read_in_every_vendors_form(body, reason):
    assert finish_reason_of(body) is reason


def test_an_answer_without_text_has_failed_and_keeps_what_it_used():
    result = result_of("row", [response("", used=(10, 0))])
    assert not result.succeeded
    assert result.failure.kind is FailureKind.MALFORMED
    assert result.usage.input_tokens == 10


def test_a_refusal_is_told_in_the_models_words():
    body = {"choices": [{"finish_reason": "stop", "message": {"refusal": "I cannot help with that."}}]}
    result = result_of("row", [response("", body=body)])
    assert (result.failure.kind, result.failure.message) == (FailureKind.BLOCKED, "I cannot help with that.")


def test_an_answer_that_was_cut_off_before_it_began_says_so_by_its_reason():
    result = result_of("row", [response("", body={"choices": [{"finish_reason": "length"}]})])
    assert (result.succeeded, result.finish_reason) == (True, FinishReason.LENGTH)
