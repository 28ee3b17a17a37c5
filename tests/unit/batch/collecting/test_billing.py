from dataclasses import replace
from decimal import Decimal

import pytest

from batchwright.batch.collecting.billing import Billing
from batchwright.job import JobStatus, status_of
from batchwright.pricing.ledger import Ledger
from batchwright.pricing.overrides import price_table
from batchwright.result import Failure, FailureKind, ResultStatus
from batchwright.testing import FakeProvider
from batchwright.usage import Usage

USED = Usage(input_tokens=1000, output_tokens=100, cached_tokens=200)


class PaidProvider(FakeProvider):
    """Answers with a usage, under the model's dated name, some twice; may block what mentions `blocked`."""

    usage = USED
    answers_as = "gpt-4.1-2025-04-14"
    duplicated = False
    blocked = ()

    def results(self, job):
        for result in super().results(job):
            paid = replace(result, usage=self.usage, model=self.answers_as)
            if any(result.custom_id.endswith(f"-{number}") for number in self.blocked):
                failure = Failure(kind=FailureKind.BLOCKED, message="refused")
                paid = replace(paid, status=ResultStatus.ERRORED, text=None, failure=failure)
            yield paid
            if self.duplicated:
                yield paid


@pytest.fixture
def ledger(tmp_path):
    return Ledger.beside(tmp_path / "data" / "jobs.json")


@pytest.fixture
def paid(house, ledger):
    house.provider = PaidProvider(str.upper, name="openai", model="gpt-4.1", clock=house.clock)
    collector = replace(house.engine.collector, billing=Billing(ledger=ledger))
    house.engine = replace(house.engine, collector=collector, provider_of=lambda _name, _model: house.provider)
    return house


def collected(house):
    house.create()
    (look,) = house.look()
    return look


def test_a_collected_job_says_what_its_answers_used_and_cost(paid, ledger):
    record = collected(paid).record
    assert record.request_count == 3
    assert record.usage == USED + USED + USED
    assert record.cost == 3 * Decimal("0.0013")
    ((spending,), _) = ledger.load()
    (line,) = spending.lines
    assert (spending.run, spending.task, spending.estimated_tokens) == (record.job_id, "echo", record.input_tokens)
    assert (line.model, line.batch, line.requests, line.cost) == ("gpt-4.1-2025-04-14", True, 3, record.cost)
    assert line.saved == 3 * Decimal("0.0012")


def test_collecting_again_counts_once(paid, ledger):
    record = collected(paid).record
    again = paid.engine.collector.collect(record, paid.provider.jobs[record.job_name], paid.provider, paid.task)
    assert again.record.cost == record.cost
    ((spending,), _) = ledger.load()
    assert spending.lines[0].requests == 3


def test_a_second_answer_to_the_same_request_is_not_paid_twice(paid):
    paid.provider.duplicated = True
    record = collected(paid).record
    assert record.tally.duplicates == 3
    assert record.cost == 3 * Decimal("0.0013")


def test_a_refused_answer_that_used_tokens_is_paid_for(paid):
    paid.provider.blocked = (0,)
    record = collected(paid).record
    assert status_of(record) is JobStatus.FAILED
    assert record.cost == 3 * Decimal("0.0013")


def test_the_cost_is_unknown_where_one_answer_has_no_usage_or_no_price(paid):
    paid.provider.usage = Usage()
    record = collected(paid).record
    assert (record.usage, record.cost) == (Usage(), None)
    paid.provider.usage, paid.provider.answers_as = USED, "gpt-4.1-enormous"
    again = paid.engine.collector.collect(record, paid.provider.jobs[record.job_name], paid.provider, paid.task)
    assert (again.record.usage.total_tokens, again.record.cost) == (3300, None)


def test_a_dated_edition_that_no_list_has_yet_costs_what_was_asked_for(paid):
    paid.provider.answers_as = "gpt-4.1-2027-01-31"
    assert collected(paid).record.cost == 3 * Decimal("0.0013")


def test_a_price_set_for_the_name_that_was_asked_for_counts_for_what_answered(paid):
    table = price_table({"openai": {"gpt-4.1": {"input": 1, "output": 1, "cached": 1, "batch": 1}}}, source="mine")
    collector = replace(paid.engine.collector, billing=Billing(prices=table))
    paid.engine = replace(paid.engine, collector=collector)
    assert collected(paid).record.cost == 3 * Decimal("0.0011")


def test_a_ledger_that_cannot_be_written_is_a_warning_and_the_answers_are_kept(paid, ledger):
    ledger.path.mkdir(parents=True)
    look = collected(paid)
    assert status_of(look.record) is JobStatus.COMPLETED
    assert look.record.cost == 3 * Decimal("0.0013")
    assert any("cannot note what was spent" in warning for warning in look.collection.warnings)


def test_what_an_emulator_answered_is_marked(paid, ledger):
    collector = replace(paid.engine.collector, billing=Billing(ledger=ledger, emulated=True))
    paid.engine = replace(paid.engine, collector=collector)
    collected(paid)
    ((spending,), _) = ledger.load()
    assert spending.emulated
