import pytest

from batchwright.batch.orchestrator import Look
from batchwright.batch.watcher import Pace
from batchwright.cli import fetching
from batchwright.cli.exits import ExitCode
from batchwright.cli.fetching import Findings, look_once, wait_for
from batchwright.errors import InputError, LLMProviderConfigurationError, LLMQuotaError
from batchwright.testing import FakeClock
from batchwright.tracking.codec import decode_first_generation

RECORD = decode_first_generation(
    "batches/abc",
    {
        "provider_name": "gemini",
        "subject": "Geography",
        "filename": "a.md",
        "batch_index": 0,
        "issue_ids": [0],
        "created_at": "2025-11-03T10:20:30",
        "status": "pending",
    },
)


class Polls:
    """Stands for the engine: what each look brings."""

    def __init__(self, error=None, task_error=None):
        self.clock = FakeClock()
        self.error = error
        self.task_error = task_error
        self.timeouts = []

    def task_of(self, _name):
        if self.task_error is not None:
            raise self.task_error

    def look_at_all(self, records, *, timeout=None):
        self.timeouts.append(timeout)
        for record in records:
            if self.error is not None:
                yield Look(record=record, error=self.error)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LLMQuotaError("no credit", provider_name="gemini"), ExitCode.ACCOUNT),
        (LLMProviderConfigurationError("bad key", provider_name="gemini"), ExitCode.KEY),
    ],
)
def test_trouble_with_the_account_ends_waiting_with_its_own_code(error, code):
    assert wait_for(Polls(error), [RECORD], pace=Pace(), timeout=None) == code
    assert look_once(Polls(error), [RECORD]).dead_end() == code


def test_a_job_that_was_not_looked_at_in_time_is_still_waited_for(capsys):
    engine = Polls()
    assert wait_for(engine, [RECORD], pace=Pace(), timeout=40.0) == ExitCode.TIMEOUT
    assert engine.timeouts[0] == 40.0
    assert engine.timeouts[-1] == fetching.SHORTEST_LOOK
    assert "Stopped waiting" in capsys.readouterr().err


def test_input_that_cannot_be_read_ends_both_before_the_first_look():
    engine = Polls(task_error=InputError("no report"))
    with pytest.raises(InputError):
        wait_for(engine, [RECORD], pace=Pace(), timeout=None)
    with pytest.raises(InputError):
        look_once(engine, [RECORD])
    assert engine.timeouts == []


def test_with_nothing_to_fetch_the_input_is_not_read():
    assert look_once(Polls(task_error=InputError("no report")), []) == Findings()
