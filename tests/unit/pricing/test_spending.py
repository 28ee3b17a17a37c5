import decimal
from datetime import date
from decimal import Decimal

from batchwright.pricing.overrides import price_table
from batchwright.pricing.prices import price_of
from batchwright.pricing.spending import Bill, summed
from batchwright.usage import Usage

DAY = date(2026, 11, 25)


def billed(usages, *, model="claude-haiku-5-5", provider_name="anthropic", batch=True, **more):
    bill = Bill(batch=batch, **more)
    for usage in usages:
        bill.add(usage, provider_name=provider_name, model=model, day=DAY)
    return bill.lines


def test_every_request_is_priced_on_its_own_and_never_their_sum():
    long, short = Usage(input_tokens=100_001, output_tokens=10), Usage(input_tokens=60_000, output_tokens=10)
    (line,) = billed([long, short, short])
    alone = [
        price_of(usage, provider_name="anthropic", model="claude-haiku-5-5", batch=True)
        for usage in (long, short, short)
    ]
    assert line.cost == sum(alone) == Decimal("0.03101775")
    assert line.usage == long + short + short


def test_what_a_batch_saves_is_what_it_would_have_cost_live_besides():
    (line,) = billed([Usage(input_tokens=1000, output_tokens=100)] * 3, model="gpt-4.1", provider_name="openai")
    assert (line.cost, line.saved) == (Decimal("0.0042"), Decimal("0.0042"))
    (live,) = billed([Usage(input_tokens=1000)], model="gpt-4.1", provider_name="openai", batch=False)
    assert (live.cost, live.saved) == (Decimal("0.002"), 0)


def test_a_request_without_a_price_is_counted_and_adds_nothing():
    usages = [Usage(input_tokens=1000), Usage(input_tokens=1000, cached_tokens=1)]
    (line,) = billed(usages, model="gemini-3.5-flash", provider_name="gemini")
    assert (line.requests, line.unpriced, line.cost) == (2, 1, Decimal("0.00075"))
    assert summed([line]).known_cost is None
    (unknown,) = billed(usages, model="nobody-knows", provider_name="gemini")
    assert (unknown.requests, unknown.unpriced, unknown.cost, unknown.saved) == (2, 2, 0, 0)


def test_an_answer_without_a_usage_has_an_unknown_price_and_a_request_that_never_ran_has_none():
    bill = Bill(batch=True)
    bill.add(Usage(), provider_name="openai", model="gpt-4.1", day=DAY, answered=False)
    assert bill.lines == ()
    bill.add(Usage(), provider_name="openai", model="gpt-4.1", day=DAY)
    (line,) = bill.lines
    assert (line.requests, line.unpriced) == (1, 1)


def test_days_models_and_providers_are_kept_apart():
    bill = Bill(batch=False)
    one = Usage(input_tokens=1)
    for day in (DAY, date(2026, 12, 1)):
        for model in ("gemini-4-argon", "gemini-2.5-flash"):
            bill.add(one, provider_name="gemini", model=model, day=day)
    assert [(line.model, line.day.day, line.cost * 1_000_000) for line in bill.lines] == [
        ("gemini-4-argon", 25, 2),
        ("gemini-2.5-flash", 25, Decimal("0.3")),
        ("gemini-4-argon", 1, 4),
        ("gemini-2.5-flash", 1, Decimal("0.3")),
    ]


def test_what_a_person_set_goes_before_the_lists():
    table = price_table({"openai": {"gpt-4.1": {"input": 100, "output": 100, "batch": 0.1}}}, source="mine")
    (line,) = billed([Usage(input_tokens=1000)], model="gpt-4.1", provider_name="openai", overrides=table)
    assert (line.cost, line.saved) == (Decimal("0.01"), Decimal("0.09"))


def test_a_program_with_coarse_decimals_gets_exact_sums():
    with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.Inexact])):
        lines = billed([Usage(input_tokens=1_234_567), Usage(input_tokens=89)])
        total = summed([*lines, *lines]).cost
    assert total == Decimal("0.6172924")
