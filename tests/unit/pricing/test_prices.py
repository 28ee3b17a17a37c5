import decimal
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from batchwright.pricing.overrides import price_table
from batchwright.pricing.price_list import listed
from batchwright.pricing.prices import price_of, sheet_of
from batchwright.usage import Usage

HERE = Path(__file__).parent
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
THOUSAND_MILLION = 10**9
THOUSAND = Usage(input_tokens=1000)


def table(name):
    """The rows of a text table beside this file."""
    lines = (line.partition(" #")[0].split() for line in (HERE / name).read_text("utf-8").splitlines())
    return [line for line in lines if line and line[0] != "#"]


def rates(provider, entry, mode, input_tokens):
    """The line of the price list that holds for a request: the last whose threshold it is over."""
    return [
        line[4:]
        for line in table("price_list.txt")
        if line[:3] == [provider, entry, mode] and (line[3] == "0" or input_tokens > int(line[3]))
    ][-1]


def case_of(row):
    provider, model, entry, mode, *tokens, dollars = row
    kinds = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return provider, model, entry, mode, Usage(**dict(zip(kinds, map(int, tokens), strict=True))), dollars


CASES = [case_of(row) for row in table("usages.txt")]
IDS = [f"{n}-{model}-{mode}" for n, (_, model, _, mode, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("provider", "model", "entry", "mode", "usage", "dollars"), CASES, ids=IDS)
def test_a_request_costs_exactly_what_the_vendors_list_makes_it(provider, model, entry, mode, usage, dollars):
    cost = price_of(usage, provider_name=provider, model=model, batch=mode == "batch", at=AT)
    assert cost == (None if dollars == "unknown" else Decimal(dollars))


@pytest.mark.parametrize(("provider", "model", "entry", "mode", "usage", "dollars"), CASES, ids=IDS)
def test_the_dollars_of_the_table_follow_from_the_price_list_beside_it(provider, model, entry, mode, usage, dollars):
    if dollars == "unknown":
        return
    per_million = rates(provider, entry, mode, usage.input_tokens)
    fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    tokens = (fresh, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens)
    parts = [count * Fraction(rate) for count, rate in zip(tokens, per_million, strict=True) if count]
    assert sum(parts) / 1_000_000 == Fraction(dollars)


def test_there_are_a_hundred_of_every_sort():
    assert len(CASES) >= 100
    assert {provider for provider, *_ in CASES} == {"openai", "anthropic", "gemini"}
    usages = [usage for *_, usage, _ in CASES]
    assert any(usage.input_tokens > THOUSAND_MILLION for usage in usages)
    assert all(any(getattr(u, f"{kind}_tokens") for u in usages) for kind in ("cached", "cache_write", "reasoning"))


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5-mini", "o3"])
def test_a_batch_before_somebody_looked_its_price_up_is_not_priced_as_live(model):
    before = datetime(2026, 9, 1, tzinfo=UTC)
    batch = price_of(THOUSAND, provider_name="openai", model=model, batch=True, at=before)
    assert batch == price_of(THOUSAND, provider_name="openai", model=model, batch=True, at=AT)
    assert batch < price_of(THOUSAND, provider_name="openai", model=model, at=before)


def test_a_batch_from_before_a_price_cut_has_no_price_where_no_rule_gives_it():
    before_cut = datetime(2026, 7, 1, tzinfo=UTC)
    live = price_of(THOUSAND, provider_name="openai", model="gpt-5.6-luna", at=before_cut)
    assert live == Decimal("0.001")
    assert price_of(THOUSAND, provider_name="openai", model="gpt-5.6-luna", batch=True, at=before_cut) is None


def test_a_batch_at_anthropic_is_half_of_what_was_the_price_then_its_long_prompts_included():
    long = Usage(input_tokens=200_001, output_tokens=1000)
    then = datetime(2026, 1, 1, tzinfo=UTC)
    assert price_of(long, provider_name="anthropic", model="claude-opus-4-6", at=then) == Decimal("2.03751")
    assert price_of(long, provider_name="anthropic", model="claude-opus-4-6", batch=True, at=then) == Decimal(
        "1.018755"
    )


def test_a_price_that_changes_changes_at_midnight_utc():
    last_night = datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert price_of(THOUSAND, provider_name="gemini", model="gemini-4-argon", at=last_night) == Decimal("0.002")
    morning = datetime(2026, 12, 1, 0, 30)  # noqa: DTZ001  (a time without a zone is UTC)
    assert price_of(THOUSAND, provider_name="gemini", model="gemini-4-argon", at=morning) == Decimal("0.004")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gemini", "gemini-1.5-flash-8b"),
        ("gemini", "gemini-2.5-pro-ultra"),
        ("gemini", "gemini-3.6-flash-lite"),
        ("anthropic", "claude-haiku-4-50"),
        ("anthropic", "claude-3-opus-mini"),
        ("openai", "ft:gpt-4-0613:acme::x"),
        ("openai", "my-gpt-4.1"),
        ("my-openai-router", "gpt-4.1"),
        ("openai", ""),
    ],
)
def test_a_name_that_only_begins_or_ends_like_a_listed_one_has_no_price(provider, model):
    assert sheet_of(provider_name=provider, model=model, at=AT) is None


@pytest.mark.parametrize("model", ["gemini-2.5-flash-image", "gpt-image-1", "gpt-realtime", "whisper-1", "tts-1"])
def test_a_model_that_charges_for_what_a_usage_does_not_tell_apart_has_no_price(model):
    provider = "gemini" if model.startswith("gemini") else "openai"
    assert sheet_of(provider_name=provider, model=model, at=AT) is None


def test_a_model_listed_without_any_price_is_unknown_and_not_free():
    assert price_of(THOUSAND, provider_name="gemini", model="gemma-3-27b-it", at=AT) is None


def test_a_kind_of_token_without_a_price_makes_the_request_unknown_only_where_it_was_used():
    cached = Usage(input_tokens=1000, cached_tokens=1)
    assert price_of(cached, provider_name="openai", model="gpt-5-pro", at=AT) is None
    assert price_of(THOUSAND, provider_name="openai", model="gpt-5-pro", at=AT) == Decimal("0.015")


def test_more_cached_than_read_is_no_usage_to_price():
    nonsense = Usage(input_tokens=10, cached_tokens=8, cache_write_tokens=3)
    assert price_of(nonsense, provider_name="openai", model="gpt-6-luna", at=AT) is None


def test_nothing_used_costs_nothing_where_the_price_is_known():
    assert price_of(Usage(), provider_name="openai", model="gpt-4.1", at=AT) == 0
    assert price_of(Usage(), provider_name="openai", model="gpt-7-nova", at=AT) is None


def test_a_program_with_coarse_decimals_gets_exact_prices():
    usage = Usage(input_tokens=1_234_567_891, output_tokens=7)
    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.Inexact])):
        cost = price_of(usage, provider_name="openai", model="gpt-5-nano", batch=True, at=AT)
    assert cost == Decimal("30.864198675")


def test_no_decimals_of_a_program_round_a_price_that_is_made_of_another():
    usage = Usage(input_tokens=1_234_567, output_tokens=7)
    listed.cache_clear()
    with decimal.localcontext(decimal.Context(prec=1)):
        halved = price_of(usage, provider_name="anthropic", model="claude-3-haiku-20240307", batch=True, at=AT)
        table = price_table({"openai": {"m": {"input": "0.123", "output": "4.56", "batch": "0.55"}}}, source="a file")
        own = price_of(usage, provider_name="openai", model="m", batch=True, at=AT, overrides=table)
    listed.cache_clear()
    assert halved == Decimal(1_234_567 * 125 + 7 * 625) / 10**9
    assert own == Decimal(1_234_567 * 6765 + 7 * 250_800) / 10**11


def test_without_a_time_the_price_is_todays():
    assert price_of(THOUSAND, provider_name="openai", model="gpt-4.1") == Decimal("0.002")


class TestOverrides:
    TABLE = price_table(
        {
            "openai": {
                "gpt-4.1": {"input": 1.5, "output": "6", "batch": {"input": Decimal("0.1")}},
                "ft:gpt-4.1-*": {"input": 0.8, "output": 3.2, "cached": 0.2, "batch": 0.5},
                "ft:gpt-4.1-mini-*": {"input": 0.4},
            }
        },
        source="batchwright.toml",
    )

    def price(self, model, usage=THOUSAND, **more):
        return price_of(usage, provider_name="openai", model=model, at=AT, overrides=self.TABLE, **more)

    def test_they_go_before_the_lists(self):
        assert self.price("gpt-4.1") == Decimal("0.0015")
        assert sheet_of(provider_name="openai", model="gpt-4.1", overrides=self.TABLE).source == "batchwright.toml"

    def test_what_they_leave_out_is_unknown_and_not_filled_up_from_the_lists(self):
        assert self.price("gpt-4.1", Usage(input_tokens=1000, cached_tokens=1)) is None
        assert self.price("gpt-4.1", Usage(input_tokens=1000, output_tokens=1), batch=True) is None
        assert self.price("ft:gpt-4.1-mini-2025-04-14:acme::x", batch=True) is None

    def test_a_batch_has_prices_of_its_own_or_a_part_of_the_live_ones(self):
        assert self.price("gpt-4.1", batch=True) == Decimal("0.0001")
        usage = Usage(input_tokens=1000, cached_tokens=500, output_tokens=100)
        assert self.price("ft:gpt-4.1-2025-04-14:acme::x", usage, batch=True) == Decimal("0.00041")

    def test_the_longest_pattern_that_fits_counts(self):
        assert self.price("ft:gpt-4.1-mini-2025-04-14:acme::x") == Decimal("0.0004")

    def test_other_models_are_priced_by_the_lists(self):
        assert self.price("gpt-4.1-mini") == Decimal("0.0004")
