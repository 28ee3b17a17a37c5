"""The minute's limits of live calls: nobody gets more than the limit, and what is used comes back evenly."""

import pytest
from anthropic import RateLimitError as AnthropicRateLimitError
from google.genai.errors import ClientError
from hypothesis import given
from hypothesis import strategies as st
from openai import RateLimitError

from batchwright.emulator import Scenario
from batchwright.emulator.rates import Allowances


def take(allowances, now, *, tokens=1, requests_per_minute=0, tokens_per_minute=0):
    return allowances.take(
        requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, tokens=tokens, now=now
    )


def test_without_limits_nothing_is_counted():
    assert take(Allowances(), 0.0) is None


def test_what_is_used_comes_back_evenly():
    allowances = Allowances()
    waits = [take(allowances, 0.0, requests_per_minute=60).wait_s for _ in range(61)]
    assert waits == [0.0] * 60 + [1.0]
    assert take(allowances, 1.0, requests_per_minute=60).wait_s == 0.0
    assert take(allowances, 1.5, requests_per_minute=60).wait_s == pytest.approx(0.5)


def test_a_refused_call_takes_nothing():
    allowances = Allowances()
    assert take(allowances, 0.0, tokens=90, requests_per_minute=10, tokens_per_minute=100).wait_s == 0.0
    refused = take(allowances, 0.0, tokens=50, requests_per_minute=10, tokens_per_minute=100)
    assert (refused.short_of, refused.wait_s, refused.requests.remaining) == ("tokens", pytest.approx(24.0), 9)


def test_a_call_larger_than_a_minutes_tokens_is_taken_when_all_are_there():
    allowances = Allowances()
    assert take(allowances, 0.0, tokens=500, tokens_per_minute=100).wait_s == 0.0
    assert take(allowances, 0.0, tokens=1, tokens_per_minute=100).wait_s == pytest.approx(0.6)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 40)), max_size=120))
def test_a_minute_never_gives_more_than_the_limit_and_what_was_there(calls):
    allowances, now, taken = Allowances(), 0.0, []
    for pause, tokens in calls:
        now += pause
        if not take(allowances, now, tokens=tokens, requests_per_minute=30, tokens_per_minute=200).wait_s:
            taken.append((now, tokens))
    for start, _ in taken:
        within = [tokens for at, tokens in taken if start <= at < start + 60]
        assert len(within) <= 60
        assert sum(within) <= 400


@pytest.fixture
def scenario():
    return Scenario.everywhere(limits={"requests_per_minute": 2})


def test_every_vendor_refuses_in_its_own_words_and_takes_the_call_later(apis, clock):
    for ask, kind in apis:
        ask()
        ask()
        with pytest.raises(kind) as caught:
            ask()
        assert "429" in str(caught.value)
    clock.advance(30)
    for ask, _ in apis:
        ask()


@pytest.fixture
def apis(openai, anthropic, gemini):
    hello = [{"role": "user", "content": "hi"}]
    return [
        (lambda: openai.chat.completions.create(model="m", messages=hello), RateLimitError),
        (lambda: anthropic.messages.create(model="m", messages=hello, max_tokens=9), AnthropicRateLimitError),
        (lambda: gemini.models.generate_content(model="m", contents="hi"), ClientError),
    ]
