from datetime import date
from decimal import Decimal

from batchwright.pricing.spending import Line, Spending, summed
from batchwright.pricing.totals import By, grouped
from batchwright.usage import Usage


def line(day, provider, model, cost, *, batch=True, unpriced=0):
    return Line(
        day=date(2026, 11, day),
        provider_name=provider,
        model=model,
        batch=batch,
        requests=1,
        usage=Usage(input_tokens=10),
        cost=Decimal(cost),
        unpriced=unpriced,
    )


RUNS = (
    Spending(run="job-2", task="rows", lines=(line(3, "openai", "gpt-4.1", "1"), line(4, "openai", "o3", "2"))),
    Spending(run="job-1", task="categorise", lines=(line(3, "gemini", "gemini-2.5-pro", "4", batch=False),)),
    Spending(run="job-1", part="2", task="categorise", lines=(line(5, "gemini", "gemini-2.5-pro", "8", unpriced=1),)),
)


def costs(by, **days):
    return {name: int(spent.cost) for name, spent in grouped(RUNS, by, **days)}


def test_spending_is_told_apart_by_whatever_is_asked_for():
    assert costs(By.DAY) == {"2026-11-03": 5, "2026-11-04": 2, "2026-11-05": 8}
    assert costs(By.PROVIDER) == {"gemini": 12, "openai": 3}
    assert costs(By.MODEL) == {"gemini-2.5-pro": 12, "gpt-4.1": 1, "o3": 2}
    assert costs(By.RUN) == {"job-1": 12, "job-2": 3}
    assert costs(By.TASK) == {"categorise": 12, "rows": 3}
    assert costs(By.MODE) == {"batch": 11, "live": 4}


def test_every_way_of_telling_apart_has_the_same_total():
    everything = summed(line for run in RUNS for line in run.lines)
    for by in By:
        groups = [spent for _, spent in grouped(RUNS, by)]
        assert sum(groups[1:], start=groups[0]) == everything


def test_the_groups_are_in_the_order_of_their_names():
    for by in By:
        names = [name for name, _ in grouped(RUNS, by)]
        assert names == sorted(names)


def test_days_are_chosen_with_both_ends():
    assert costs(By.DAY, since=date(2026, 11, 4)) == {"2026-11-04": 2, "2026-11-05": 8}
    assert costs(By.DAY, until=date(2026, 11, 4)) == {"2026-11-03": 5, "2026-11-04": 2}
    assert costs(By.DAY, since=date(2026, 11, 6)) == {}


def test_one_unknown_price_makes_a_groups_cost_unknown_and_no_others():
    known = {name: spent.known_cost for name, spent in grouped(RUNS, By.PROVIDER)}
    assert known == {"gemini": None, "openai": Decimal(3)}
