"""A live answer under every fault it can have: an answer, or the one of our errors that says what helps."""

import pytest

from batchwright.emulator.faults import FAULTS, Operation, Scope
from batchwright.errors import (
    LLMConnectionError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
)

CALLS = {
    "drop_before": LLMConnectionError,
    "drop_after": LLMConnectionError,
    "drop_during": LLMConnectionError,
    "body_cut": LLMConnectionError,
    "hang": LLMConnectionError,
    "rate_limit": LLMRateLimitError,
    "rate_limit_seconds": LLMRateLimitError,
    "rate_limit_date": LLMRateLimitError,
    "rate_limit_ms": LLMRateLimitError,
    "rate_limit_info": LLMRateLimitError,
    "server_error": LLMServerError,
    "unavailable": LLMServerError,
    "overloaded": LLMServerError,
    "gateway_error": LLMServerError,
    "credit_exhausted": LLMQuotaError,
}
ANSWERS = [name for name, kind in FAULTS.items() if kind.scope is Scope.ANSWER]
CALL_CELLS = [(name, str(vendor), error) for name, error in CALLS.items() for vendor in FAULTS[name].vendors]
ANSWER_CELLS = [(name, str(vendor)) for name in ANSWERS for vendor in FAULTS[name].vendors]


def test_every_fault_of_a_live_call_is_tried():
    assert set(CALLS) == {
        name for name, kind in FAULTS.items() if kind.scope is Scope.CALL and Operation.LIVE in kind.where
    }


@pytest.mark.parametrize(("name", "provider", "error"), CALL_CELLS)
def test_a_live_call_that_fails_says_what_helps(name, provider, error, open_desk):
    desk = open_desk(provider, hangs=name == "hang")
    desk.strike({"name": name, "on": "live"})
    with pytest.raises(error) as raised:
        desk.ask("Is anybody there?")
    assert provider in str(raised.value)
    assert desk.struck == 1, "the request was sent again"
    if FAULTS[name].parameters.keys() & {"seconds"} and error is LLMRateLimitError:
        assert raised.value.retry_after == pytest.approx(7, abs=2)


@pytest.mark.parametrize(("name", "provider"), ANSWER_CELLS)
def test_a_live_answer_that_is_wrong_is_given_as_it_is_or_refused_by_name(name, provider, open_desk):
    desk = open_desk(provider)
    desk.strike({"name": name, "on": "live"})
    try:
        text = desk.ask("Is anybody there?").text
    except LLMProviderError as exc:
        assert provider in str(exc)  # noqa: PT017  (an empty answer is none at some vendors)
        assert name == "empty_answer"
    else:
        assert text != "Is anybody there?" or name in {"trailing_commas", "wrong_shape"}
    desk.strike()
    assert desk.ask("Is anybody there?").text == "Is anybody there?"
