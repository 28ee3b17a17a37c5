"""What is spent and what will be: `estimate`, `costs`, the budget, and the cost beside what was collected."""

import json
import os
import pty
import subprocess
import sys
from decimal import Decimal

import pytest

MILLION = 1_000_000
GEMINI = ("--provider", "gemini", "--model", "gemini-2.5-flash")
BATCH_RATES = {"input_tokens": Decimal("0.15"), "output_tokens": Decimal("1.25")}
"""Dollars per million tokens of gemini-2.5-flash in a batch; https://ai.google.dev/gemini-api/docs/pricing."""


def by_hand(usage):
    return sum(usage[kind] * rate for kind, rate in BATCH_RATES.items()) / MILLION


def costs(workspace, *words, **options):
    return json.loads(workspace.run("costs", *words, "--json", check=0, **options).stdout)


def listed(workspace):
    return json.loads(workspace.run("batch-list", "--json", check=0).stdout)["jobs"]


def estimates(workspace, *words, **options):
    return json.loads(workspace.run("estimate", *words, "--json", check=0, **options).stdout)["estimates"]


@pytest.fixture(scope="module")
def paid(open_workspace, tmp_path_factory):
    """Two jobs of two batches and three, collected."""
    with open_workspace(tmp_path_factory.mktemp("paid")) as workspace:
        workspace.run("batch-create", *GEMINI, "--limit", "2", check=0)
        workspace.first = workspace.run("batch-fetch", "--wait", check=0)
        workspace.run("batch-create", *GEMINI, check=0)
        workspace.run("batch-fetch", "--wait", check=0)
        yield workspace


def test_a_job_says_what_its_answers_used_and_cost(paid):
    for job in listed(paid):
        answers = (paid.folder / "data/batch_jobs" / job["job_id"] / "results.jsonl").read_bytes().splitlines()
        used = [json.loads(line)["usage"] for line in answers]
        assert job["usage"]["input_tokens"] == sum(usage["in"] for usage in used) > 0
        assert job["usage"]["output_tokens"] == sum(usage["out"] for usage in used) > 0
        assert Decimal(job["cost_usd"]) == by_hand(job["usage"])
        shown = paid.run("batch-show", job["job_id"], check=0).stdout
        assert f"{job['usage']['input_tokens']:,} in" in shown


def test_fetching_says_what_it_brought(paid):
    first = listed(paid)[0]
    tokens, cost = paid.first.stdout.splitlines()[-2:]
    assert tokens.startswith(f"  Tokens: {first['usage']['input_tokens']:,} in, ")
    assert cost.startswith("  Cost: $0.00")


def test_costs_add_up_to_what_the_jobs_cost_whatever_they_are_told_apart_by(paid):
    spent = sum(Decimal(job["cost_usd"]) for job in listed(paid))
    for by in ("day", "model", "provider", "run", "task", "mode"):
        found = costs(paid, "--by", by)
        assert Decimal(found["total"]["cost_usd"]) == spent
        assert sum(Decimal(group["cost_usd"]) for group in found["groups"]) == spent
        assert Decimal(found["total"]["saved_usd"]) == spent  # a batch is half of the live price
    assert [group["name"] for group in costs(paid, "--by", "run")["groups"]] == sorted(paid.jobs)
    assert [group["name"] for group in costs(paid, "--by", "model")["groups"]] == ["gemini-2.5-flash"]


def test_the_table_has_a_line_each_and_a_total(paid):
    head, *lines, total = paid.run("costs", "--by", "run", check=0).stdout.splitlines()
    assert head.split()[:2] == ["run", "requests"]
    assert [line.split()[:2] for line in lines] == [[job, n] for job, n in zip(sorted(paid.jobs), "23", strict=True)]
    assert total.split()[:2] == ["total", "5"]


def test_days_outside_of_what_is_asked_for_do_not_count(paid):
    assert costs(paid, "--since", "2999-01-01")["groups"] == []
    assert costs(paid, "--until", "2999-01-01")["total"]["requests"] == 5


def test_what_an_emulator_answered_is_no_money_where_none_is_in_use(paid):
    real = {"BATCHWRIGHT_EMULATOR_URL": None}
    assert costs(paid, env=real)["total"]["requests"] == 0
    assert "2 run(s) that an emulator answered are not counted" in paid.run("costs", env=real, check=0).stderr
    assert costs(paid, "--emulated", env=real)["total"]["requests"] == 5


def test_finished_runs_narrow_the_next_estimate(paid):
    (known,) = estimates(paid, *GEMINI, "--force")
    usage = costs(paid)["total"]["usage"]
    for kind in ("input_tokens", "output_tokens"):
        low, high = known[kind]
        assert low <= usage[kind] <= high
    assert known["rests_on"] == ["2 finished run(s) of this model and task"]
    low, high = map(Decimal, known["batch_usd"])
    assert low <= sum(Decimal(job["cost_usd"]) for job in listed(paid)) <= high


def test_collecting_again_costs_nothing_more(workspace):
    workspace.run("batch-create", *GEMINI, check=0)
    workspace.run("batch-fetch", "--wait", check=0)
    before = costs(workspace)
    workspace.run("batch-fetch", "--job-names", workspace.only_job["job_id"], check=0)
    assert len((workspace.folder / "data/spending.jsonl").read_bytes().splitlines()) == 2
    assert costs(workspace) == before


def test_an_estimate_needs_no_key_and_sends_and_writes_nothing(workspace, emulator):
    before = workspace.tree()
    done = workspace.run("estimate", *GEMINI, env={"BATCHWRIGHT_EMULATOR_URL": None}, check=0)
    assert done.stdout.startswith("Estimate for 5 request(s) to gemini, model gemini-2.5-flash:\n")
    assert "an assumption" in done.stdout
    assert workspace.tree() == before
    assert emulator.total("creates") == 0


def test_what_is_answered_is_not_estimated_again(workspace):
    workspace.run("batch-create", *GEMINI, "--limit", "2", check=0)
    workspace.run("batch-fetch", "--wait", check=0)
    assert [one["requests"] for one in estimates(workspace, *GEMINI)] == [3]
    workspace.run("batch-create", *GEMINI, check=0)
    assert (
        workspace.run("estimate", *GEMINI, check=0).stdout
        == "There is nothing to ask gemini, model gemini-2.5-flash.\n"
    )


def test_an_estimate_before_creating_sends_nothing_until_somebody_says_yes(workspace, emulator):
    shown = workspace.run("batch-create", *GEMINI, "--estimate", check=0)
    assert shown.stdout.startswith("Estimate for 5 request(s)")
    assert "--yes" in shown.stderr
    assert (workspace.jobs, emulator.total("creates")) == ({}, 0)
    workspace.run("batch-create", *GEMINI, "--estimate", "--yes", check=0)
    assert emulator.total("creates") == 1


@pytest.mark.parametrize(("answer", "created"), [(b"n\n", 0), (b"y\n", 1)])
def test_on_a_terminal_the_person_is_asked(workspace, emulator, answer, created):
    controller, terminal = pty.openpty()
    os.write(controller, answer)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "batchwright", "batch-create", *GEMINI, "--estimate"],
            cwd=workspace.folder,
            env=workspace.environment(),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(controller)
    assert done.returncode == 0
    assert emulator.total("creates") == created


def test_a_budget_that_may_be_exceeded_sends_and_writes_nothing(workspace, emulator):
    before = workspace.tree()
    refused = workspace.run("batch-create", *GEMINI, "--max-cost", "0.001", check=6)
    assert "may cost up to $0.0" in refused.stderr
    assert "--max-cost is $0.001" in refused.stderr
    assert workspace.tree() == before
    assert emulator.total("creates") == 0


def test_a_budget_that_is_enough_lets_the_work_be_done(workspace, emulator):
    workspace.run("batch-create", *GEMINI, "--max-cost", "$5", check=0)
    assert emulator.total("creates") == 1


def test_a_budget_counts_the_jobs_planned_before_that_would_be_sent_along(workspace, emulator):
    workspace.variables["BATCHWRIGHT_GEMINI_MAX_CONCURRENT_JOBS"] = "1"
    workspace.run("batch-create", *GEMINI, "--jobs-per", "document", check=0)
    del workspace.variables["BATCHWRIGHT_GEMINI_MAX_CONCURRENT_JOBS"]
    waiting = sum(job["state"] == "planned" for job in workspace.jobs.values())
    assert waiting
    (left,) = estimates(workspace, *GEMINI)  # everything is planned, so it is about these alone
    most = Decimal(left["batch_usd"][1])
    refused = workspace.run("batch-create", *GEMINI, "--max-cost", f"{most * Decimal('0.9'):f}", check=6)
    assert "may cost up to" in refused.stderr
    assert emulator.total("creates") == 1
    workspace.run("batch-create", *GEMINI, "--max-cost", f"{most:f}", check=0)
    assert emulator.total("creates") == 1 + waiting


def test_what_has_no_price_is_within_no_budget(workspace, emulator):
    refused = workspace.run("batch-create", "--provider", "gemini", "--model", "gemini-9", "--max-cost", "99", check=6)
    assert "what it costs is unknown" in refused.stderr
    (unknown,) = estimates(workspace, "--provider", "gemini", "--model", "gemini-9")
    assert (unknown["batch_usd"], unknown["live_usd"]) == (None, None)
    assert emulator.total("creates") == 0


@pytest.mark.parametrize("amount", ["much", "-1", "nan"])
def test_what_is_no_amount_is_a_mistake_in_the_command_line(workspace, amount):
    assert "no amount of dollars" in workspace.run("batch-create", "--max-cost", amount, check=2).stderr


def test_a_price_that_a_person_set_is_the_price(workspace):
    settings = workspace.folder / "batchwright.toml"
    settings.write_text('[prices.gemini."gemini-2.5-flash"]\ninput = 1000\noutput = 0\nbatch = 0.1\n')
    workspace.run("batch-create", *GEMINI, check=0)
    workspace.run("batch-fetch", "--wait", check=0)
    (job,) = listed(workspace)
    assert Decimal(job["cost_usd"]) == job["usage"]["input_tokens"] * Decimal(100) / MILLION
    settings.write_text("[prices]\ngemini = 3\n")
    assert "prices.gemini" in workspace.run("batch-fetch", "--check-all-pending", check=2).stderr


def test_a_model_without_a_price_never_costs_nothing(workspace):
    workspace.run("batch-create", "--provider", "gemini", "--model", "gemini-9", check=0)
    fetched = workspace.run("batch-fetch", "--wait", check=0)
    assert "  Cost: price unknown" in fetched.stdout
    (job,) = listed(workspace)
    assert job["cost_usd"] is None
    assert job["usage"]["input_tokens"] > 0
    total = costs(workspace)["total"]
    assert (total["cost_usd"], total["unpriced_requests"]) == (None, 5)
    assert "price unknown" in workspace.run("costs", check=0).stdout


def test_a_damaged_line_is_told_and_the_others_count(workspace):
    workspace.run("batch-create", *GEMINI, check=0)
    workspace.run("batch-fetch", "--wait", check=0)
    with (workspace.folder / "data/spending.jsonl").open("ab") as file:
        file.write(b'{"run": "job-')
    done = workspace.run("costs", check=0)
    assert "1 line(s) of data/spending.jsonl cannot be read" in done.stderr
    assert done.stdout.splitlines()[-1].split()[:2] == ["total", "5"]


def test_nothing_spent_is_said_beside_the_data(bare):
    done = bare.run("costs", check=0)
    assert done.stdout == ""
    assert "Nothing spent so far" in done.stderr
