"""What headers say of rates: as the vendors write it, and as nobody should."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.providers.anthropic import wire as anthropic
from batchwright.providers.base import Rates
from batchwright.providers.openai import rates as openai

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


def of_openai(limit, remaining, reset, what="requests"):
    names = ("limit", "remaining", "reset")
    values = (limit, remaining, reset)
    return {f"x-ratelimit-{n}-{what}": value for n, value in zip(names, values, strict=True) if value is not None}


def test_openai_tells_requests_and_tokens():
    headers = of_openai("500", "499", "120ms") | of_openai("200000", "199984", "4ms", "tokens")
    assert openai.decode_rates(headers) == Rates(
        requests_per_minute=500,
        tokens_per_minute=200_000,
        remaining_requests=499,
        remaining_tokens=199_984,
        requests_reset=0.12,
        tokens_reset=0.004,
    )


@pytest.mark.parametrize(
    ("limit", "remaining", "reset"),
    [("200", "199", "7m12s"), ("10000", "9999", "8.64s"), ("14400", "14370", "2m59.56s"), ("200", "0", "24h0m0s")],
)
def test_a_limit_of_a_day_is_none_of_a_minute(limit, remaining, reset):
    rates = openai.decode_rates(of_openai(limit, remaining, reset))
    assert rates.requests_per_minute is None
    assert rates.remaining_requests == int(remaining)
    assert rates.requests_reset > 0


@pytest.mark.parametrize(
    ("limit", "remaining", "reset"),
    [("60", "59", "1s"), ("500", "0", "1m0s"), ("500", "500", "0s"), ("500", "499", None), ("500", None, "1s")],
)
def test_a_limit_of_a_minute_is_one_however_much_of_it_is_used(limit, remaining, reset):
    assert openai.decode_rates(of_openai(limit, remaining, reset)).requests_per_minute == int(limit)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6ms", 0.006),
        ("1s", 1),
        ("6m0s", 360),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400),
        ("", None),
        ("soon", None),
        ("1s later", None),
        ("-1s", None),
        ("5", None),
    ],
)
def test_a_reset_is_a_duration(text, seconds):
    rates = openai.decode_rates({"x-ratelimit-limit-requests": "5", "x-ratelimit-reset-requests": text})
    assert rates.requests_reset == pytest.approx(seconds) if seconds is not None else rates.requests_reset is None


def of_anthropic(kind, limit, remaining, reset):
    head = f"anthropic-ratelimit-{kind}"
    return {f"{head}-limit": limit, f"{head}-remaining": remaining, f"{head}-reset": reset}


def test_anthropic_tells_requests_and_the_tightest_limit_of_tokens():
    headers = (
        of_anthropic("requests", "1000", "999", "2026-11-01T12:00:06Z")
        | of_anthropic("tokens", "100000", "96000", "2026-11-01T12:00:02.5Z")
        | of_anthropic("input-tokens", "80000", "76000", "2026-11-01T12:00:03Z")
    )
    assert anthropic.decode_rates(headers, NOW) == Rates(
        requests_per_minute=1000,
        tokens_per_minute=100_000,
        remaining_requests=999,
        remaining_tokens=96_000,
        requests_reset=6.0,
        tokens_reset=2.5,
    )


def test_anthropics_input_tokens_stand_in_where_nothing_else_is_told():
    rates = anthropic.decode_rates(of_anthropic("input-tokens", "80000", "76000", "2026-11-01T11:59:00Z"), NOW)
    assert (rates.tokens_per_minute, rates.remaining_tokens, rates.tokens_reset) == (80_000, 76_000, 0.0)


def test_without_such_headers_nothing_is_told():
    assert openai.decode_rates({"content-type": "application/json"}) is None
    assert anthropic.decode_rates({"content-type": "application/json"}, NOW) is None


words = st.one_of(st.text(max_size=12), st.integers().map(str), st.floats().map(str), st.just("١٢"))
NAMES = [f"x-ratelimit-{n}-{what}" for n in ("limit", "remaining", "reset") for what in ("requests", "tokens")]
NAMES += [
    f"anthropic-ratelimit-{what}-{n}"
    for n in ("limit", "remaining", "reset")
    for what in ("requests", "tokens", "input-tokens")
]


@given(st.dictionaries(st.sampled_from(NAMES), words))
def test_no_header_can_make_reading_fail(headers):
    for rates in (openai.decode_rates(headers), anthropic.decode_rates(headers, NOW)):
        assert rates is None or all(
            value is None or value >= 0
            for value in (rates.requests_per_minute, rates.remaining_tokens, rates.requests_reset, rates.tokens_reset)
        )
