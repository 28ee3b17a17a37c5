import decimal
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from batchwright.pricing.budget import Allowance, Budget, Refusal
from batchwright.pricing.estimate import Dollars

BUDGET = Budget(limit=Decimal("1.00"))
CENTS = st.integers(0, 300).map(lambda cents: Decimal(cents) / 100)


def expected(low, high):
    return Dollars(low=Decimal(low), high=Decimal(high))


def test_a_batch_is_refused_when_it_may_cost_too_much_for_it_is_paid_once_sent():
    assert BUDGET.refusal(expected("0.10", "1.01"), can_stop=False) == Refusal(amount=Decimal("1.01"))
    assert BUDGET.refusal(expected("0.10", "1.00"), can_stop=False) is None


def test_a_live_run_is_refused_only_when_it_is_bound_to_cost_too_much():
    assert BUDGET.refusal(expected("0.10", "5.00"), can_stop=True) is None
    assert BUDGET.refusal(expected("1.01", "5.00"), can_stop=True) == Refusal(amount=Decimal("1.01"))


def test_what_has_no_price_is_refused_either_way():
    assert BUDGET.refusal(None, can_stop=True) == Refusal(amount=None)
    assert BUDGET.refusal(None, can_stop=False) == Refusal(amount=None)


def test_what_is_in_flight_counts_until_it_is_settled():
    allowance = Allowance(budget=BUDGET, request=Decimal("0.40"))
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    allowance.settle(Decimal("0.10"))
    assert allowance.take()
    assert not allowance.take()


def test_a_request_that_never_ran_gives_back_what_was_set_aside():
    allowance = Allowance(budget=BUDGET, request=Decimal(1))
    assert allowance.take()
    allowance.settle(Decimal(0))
    assert allowance.take()


def test_a_dearer_answer_than_expected_makes_the_next_requests_count_as_dear():
    allowance = Allowance(budget=BUDGET, request=Decimal("0.01"))
    assert allowance.take()
    allowance.settle(Decimal("0.60"))
    assert not allowance.take()


def test_an_answer_of_unknown_cost_counts_as_the_dearest():
    allowance = Allowance(budget=BUDGET, request=Decimal("0.30"))
    assert allowance.take()
    allowance.settle(None)
    assert allowance.spent == Decimal("0.30")


@given(limit=CENTS, request=CENTS, costs=st.lists(CENTS, max_size=30), at_once=st.integers(1, 5))
def test_a_run_whose_requests_cost_no_more_than_expected_never_exceeds_its_budget(limit, request, costs, at_once):
    allowance = Allowance(budget=Budget(limit=limit), request=request)
    flying, paid = [], Decimal(0)
    for cost in costs:
        if allowance.take():
            flying.append(min(cost, request))
        if len(flying) == at_once:
            settled = flying.pop(0)
            paid += settled
            allowance.settle(settled)
    assert paid + sum(flying) <= limit


def test_no_decimals_of_a_program_let_a_run_spend_more():
    allowance = Allowance(budget=BUDGET, request=Decimal("0.104"))
    with decimal.localcontext(decimal.Context(prec=1)):
        allowed = 0
        while allowance.take():
            allowed += 1
        for _ in range(allowed):
            allowance.settle(Decimal("0.104"))
    assert (allowed, allowance.spent) == (9, Decimal("0.936"))
