import pytest

from batchwright.batch.patience import Patience, patiently
from batchwright.errors import LLMConnectionError, LLMInvalidRequestError, LLMRateLimitError, LLMServerError
from batchwright.testing import FakeClock

CALM = Patience(tries=4, first=1.0, longest=3.0, ceiling=60.0, draw=lambda: 1.0)


def failing(*errors):
    """A call that fails with each error in turn, then returns."""
    left = list(errors)

    def call():
        if left:
            raise left.pop(0)
        return "answer"

    return call


def test_a_call_that_comes_back_is_tried_again_with_growing_waits():
    clock = FakeClock()
    errors = [LLMServerError("500"), LLMConnectionError("reset"), LLMServerError("503")]
    assert patiently(failing(*errors), clock=clock, patience=CALM) == "answer"
    assert clock.naps == [1.0, 2.0, 3.0]


def test_a_call_that_stays_down_fails_with_its_last_error():
    clock = FakeClock()
    with pytest.raises(LLMServerError, match="fourth"):
        patiently(failing(*map(LLMServerError, ["a", "b", "c", "fourth"])), clock=clock, patience=CALM)
    assert len(clock.naps) == 3


def test_what_waiting_does_not_mend_is_not_tried_again():
    clock = FakeClock()
    with pytest.raises(LLMInvalidRequestError):
        patiently(failing(LLMInvalidRequestError("bad")), clock=clock, patience=CALM)
    assert clock.naps == []


def test_retry_after_is_obeyed():
    clock = FakeClock()
    patiently(failing(LLMRateLimitError("slow", retry_after=17.0)), clock=clock, patience=CALM)
    assert clock.naps == [17.0]


def test_a_provider_that_asks_for_too_long_is_left_for_a_later_look():
    clock = FakeClock()
    with pytest.raises(LLMRateLimitError):
        patiently(failing(LLMRateLimitError("slow", retry_after=130.0)), clock=clock, patience=CALM)
    assert clock.naps == []


def test_jitter_shortens_a_wait_by_half_at_most():
    assert Patience(draw=lambda: 0.0).wait(1, None) == 0.5
