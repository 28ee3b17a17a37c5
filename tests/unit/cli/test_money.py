from decimal import Decimal

import pytest

from batchwright.cli.money import amount_as_json, cost, dollars, tokens, usage_as_json
from batchwright.pricing.spending import Sum
from batchwright.usage import Usage


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("0.00000000", "$0.00"),
        ("1234567.891", "$1,234,567.89"),
        ("1.005", "$1.01"),
        ("0.0999", "$0.10"),
        ("0.00312", "$0.0031"),
        ("0.000000049", "$0.000000049"),
        ("-0.5", "-$0.50"),
        (None, "price unknown"),
    ],
)
def test_an_amount_is_shown_to_the_cent_or_to_two_digits(amount, shown):
    assert dollars(None if amount is None else Decimal(amount)) == shown


def test_what_has_no_known_price_never_looks_like_a_small_sum():
    assert cost(Sum(requests=3, unpriced=3)) == "price unknown"
    assert cost(Sum(requests=3, unpriced=1, cost=Decimal(2))) == "$2.00 and 1 request(s) with an unknown price"
    assert cost(Sum(requests=3, cost=Decimal(2))) == "$2.00"


def test_what_batching_saved_stands_beside_the_cost():
    assert cost(Sum(requests=3, cost=Decimal(2), saved=Decimal("1.5"))) == (
        "$2.00 (live it would have been $1.50 more)"
    )


def test_tokens_that_vendors_count_apart_are_named_where_there_are_any():
    assert tokens(Usage(input_tokens=1200, output_tokens=7)) == "1,200 in, 7 out"
    usage = Usage(input_tokens=12, cached_tokens=3, cache_write_tokens=4, output_tokens=7, reasoning_tokens=5)
    assert tokens(usage) == "12 in (3 cached, 4 written to the cache), 7 out (5 reasoning)"


def test_programs_get_amounts_exactly_and_every_count():
    assert amount_as_json(Decimal("1E-9")) == "0.000000001"
    assert (amount_as_json(None), usage_as_json(None)) == (None, None)
    assert usage_as_json(Usage(input_tokens=2))["input_tokens"] == 2
