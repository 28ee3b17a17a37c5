"""What comes after a failed attempt, as a pure decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.live.processor.retry import Next, Step, next_step, wait_after
from batchwright.live.processor.settings import RetryConfig
from batchwright.providers.classifiers import CONNECTION, INVALID, QUOTA, RATE_LIMIT, TIMEOUT, ErrorInfo

STEADY = RetryConfig(max_attempts=3, initial_wait=1, max_wait=60, exponential_base=2, jitter=False)


def after(info, *, attempt=1, cooldowns=0, max_cooldowns=10, retry=STEADY):
    return next_step(info, attempt=attempt, cooldowns=cooldowns, retry=retry, max_cooldowns=max_cooldowns)


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_rate_limit_is_waited_out_even_at_the_last_attempt(attempt):
    assert after(RATE_LIMIT, attempt=attempt) == Next(step=Step.COOL_DOWN)


def test_an_item_waits_for_no_more_cooldowns_than_allowed():
    assert after(RATE_LIMIT, cooldowns=9).step is Step.COOL_DOWN
    assert after(RATE_LIMIT, cooldowns=10).step is Step.FAIL


@pytest.mark.parametrize("info", [QUOTA, INVALID])
def test_what_asking_again_cannot_mend_fails(info):
    assert after(info).step is Step.FAIL


@pytest.mark.parametrize("info", [CONNECTION, TIMEOUT])
def test_what_asking_again_may_mend_is_asked_again_until_the_last_attempt(info):
    assert after(info, attempt=1) == Next(step=Step.ASK_AGAIN, wait=1)
    assert after(info, attempt=2) == Next(step=Step.ASK_AGAIN, wait=2)
    assert after(info, attempt=3).step is Step.FAIL


def test_a_provider_that_asks_for_more_time_gets_it():
    assert after(ErrorInfo(True, suggested_wait=300.0)).wait == 300
    assert after(ErrorInfo(True, suggested_wait=0.1)).wait == 1


def test_a_classifier_that_calls_a_rate_limit_final_is_not_believed_about_the_attempt():
    assert after(ErrorInfo(False, is_rate_limit=True)).step is Step.COOL_DOWN


@given(
    st.integers(1, 5000),
    st.floats(0, 100),
    st.floats(1, 10),
    st.floats(0, 1, exclude_max=True),
    st.booleans(),
)
def test_no_wait_is_longer_than_the_longest_nor_shorter_than_half_of_what_is_due(attempt, first, base, drawn, jitter):
    retry = RetryConfig(initial_wait=first, max_wait=100, exponential_base=base, jitter=jitter)
    steady = RetryConfig(initial_wait=first, max_wait=100, exponential_base=base, jitter=False)
    due = wait_after(attempt, steady)
    assert due / 2 <= wait_after(attempt, retry, lambda: drawn) <= due <= 100
