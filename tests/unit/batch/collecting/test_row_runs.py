import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest

from batchwright.errors import ChangedInputError, InputError, LLMConnectionError
from batchwright.job import JobState, JobStatus, status_of
from batchwright.providers.base import Limits
from batchwright.result import FinishReason, Result, ResultStatus
from batchwright.run import RunStatus
from batchwright.spans import Spans
from batchwright.tasks.rows import WAITING
from batchwright.tracking.run_claims import RunClaims
from batchwright.usage import Usage

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}


def test_every_row_is_asked_once_and_answered_in_the_inputs_order(rows):
    rows.begin()
    rows.send()
    rows.house.look()
    assert rows.prompts() == ["Mood of good", "Mood of bad", "Mood of late"]
    assert [row["response"] for row in rows.output] == ["MOOD OF GOOD", "MOOD OF BAD", "MOOD OF LATE"]
    assert [row["text"] for row in rows.output] == ["good", "bad", "late"]
    run = rows.runs.get("reviews")
    assert (run.status, run.completed, run.failed) == (RunStatus.COMPLETED, 3, 0)
    (record,) = rows.house.store.load()
    assert status_of(record) is JobStatus.COMPLETED
    assert record.batches[0].item_ids == range(3)
    assert record.tally.succeeded == 3


def test_a_run_fills_as_many_jobs_as_the_limits_ask_for(rows):
    rows.house.provider.limits = Limits(max_requests=2, max_bytes=1_000_000)
    rows.begin(tuple(f"text {number}" for number in range(5)))
    jobs = rows.plan()
    assert [list(job.batches[0].item_ids) for job in jobs] == [[0, 1], [2, 3], [4]]
    assert [job.request_count for job in jobs] == [2, 2, 1]


def test_a_job_never_holds_more_bytes_than_it_may(rows):
    rows.begin(tuple(f"{number}" * 40 for number in range(6)))
    rows.house.provider.limits = Limits(max_requests=100, max_bytes=250)
    jobs = rows.plan()
    sizes = [rows.house.folders.requests_path(job.job_id).stat().st_size for job in jobs]
    assert len(jobs) > 1
    assert max(sizes) <= 250
    assert sum(job.request_count for job in jobs) == 6


def test_a_row_that_no_job_can_hold_is_named(rows):
    rows.begin(("short", "x" * 400))
    rows.house.provider.limits = Limits(max_requests=100, max_bytes=250)
    with pytest.raises(InputError, match=r"reviews\.csv row 1 .* is larger than fake takes .*; shorten it"):
        rows.plan()


def test_what_is_answered_or_waits_in_a_job_is_not_planned_again(rows):
    rows.begin()
    rows.send()
    assert rows.plan() == []
    rows.house.look()
    assert rows.plan() == []


def test_a_row_that_failed_is_marked_and_asked_again(rows):
    rows.begin()
    rows.fail({1})
    rows.send()
    rows.house.look()
    assert [row.get("error") for row in rows.output] == ["", "server: The server had an error.", ""]
    (record,) = rows.house.store.load()
    assert record.batches[0].unanswered == (1,)
    assert status_of(record) is JobStatus.FAILED
    (again,) = rows.plan()
    assert again.batches[0].item_ids == range(1, 2)


def test_rows_between_answered_ones_are_remembered_by_their_numbers(rows):
    rows.begin(tuple(f"text {number}" for number in range(5)))
    rows.fail({0, 2, 3})
    rows.send()
    rows.house.look()
    (again,) = rows.plan()
    assert again.batches[0].item_ids == Spans([0, 2, 3])
    del rows.house.provider.results
    list(rows.house.engine.submit_all([again]))
    rows.house.look()
    assert [row["response"] for row in rows.output] == [f"MOOD OF TEXT {number}" for number in range(5)]
    assert {status_of(record) for record in rows.house.store.load()} == {JobStatus.COMPLETED}


def test_an_answer_must_be_what_the_schema_asks_for(rows):
    rows.begin(schema=SCHEMA)
    answers = iter(['{"mood": "good"}', "no idea", '{"mood": 3}'])
    rows.house.provider._answer = lambda _text: next(answers)
    rows.send()
    rows.house.look()
    moods = {row["id"]: (row["mood"], row["error"]) for row in rows.output}
    # The fake provider answers from the last request to the first.
    assert moods["2"] == ("good", "")
    assert moods["1"][1] == "malformed: the answer is not JSON"
    assert moods["0"][1].startswith("malformed: the answer is not what the schema asks for: mood")


def test_a_download_that_breaks_keeps_what_came_and_comes_again_whole(rows):
    rows.begin()
    rows.send()
    results = rows.house.provider.results

    def broken(job):
        stream = results(job)
        yield next(stream)
        raise LLMConnectionError("cut", provider_name="fake", retryable=False)

    rows.house.provider.results = broken
    (look,) = rows.house.look()
    assert look.error is not None
    assert status_of(look.record) is JobStatus.PENDING
    assert rows.runs.get("reviews").completed == 1
    del rows.house.provider.results
    rows.house.look()
    assert len(rows.output) == 3
    assert rows.runs.get("reviews").completed == 3


def test_rows_whose_job_is_not_done_yet_wait_in_the_output(rows):
    rows.house.provider.limits = Limits(max_requests=2, max_bytes=1_000_000)
    rows.begin()
    first, _second = rows.plan()
    list(rows.house.engine.submit_all([first]))
    list(rows.house.engine.look_at_all([rows.house.store.get(first.job_id)]))
    assert [row["error"] for row in rows.output] == ["", "", WAITING]
    assert rows.runs.get("reviews").status is RunStatus.RUNNING
    rows.house.look()
    rows.house.look()
    assert "error" not in rows.output[0]
    assert rows.runs.get("reviews").status is RunStatus.COMPLETED


def test_answers_do_not_land_on_rows_that_changed(rows):
    rows.begin()
    rows.send()
    rows.source.write_text("id,text\n0,bad\n1,good\n2,late\n", encoding="utf-8")
    (look,) = rows.house.look()
    assert status_of(look.record) is JobStatus.FAILED
    assert "changed since it was sent" in look.record.error_message
    assert rows.runs.get("reviews").completed == 0


def test_an_expired_job_says_so_in_its_rows(rows):
    rows.begin()
    rows.send()
    (name,) = rows.house.provider.jobs
    rows.house.provider.jobs[name] = replace(rows.house.provider.jobs[name], state=JobState.EXPIRED)
    rows.house.provider.results = lambda _job: iter(())
    rows.house.look()
    assert {row["error"] for row in rows.output} == {"expired: the job expired before this request was run"}


def test_what_an_answer_cost_is_kept_with_it(rows):
    rows.house.provider.name = "openai"  # whose prices are known
    rows.begin(("good",))
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    rows.house.provider.results = lambda job: iter(
        [
            Result(
                custom_id=rows.house.provider.sent[job.job_name][0]["id"],
                status=ResultStatus.SUCCEEDED,
                text="fine",
                finish_reason=FinishReason.STOP,
                usage=usage,
                model="gpt-5.4-mini",
            )
        ]
    )
    rows.send()
    rows.house.look()
    (answer,) = rows.runs.answers(rows.runs.get("reviews"))
    (record,) = rows.house.store.load()
    assert answer.usage == usage
    assert answer.cost == Decimal("0.375")
    assert record.usage == usage
    assert record.cost == answer.cost


def test_equal_prompts_are_sent_once_and_the_answer_goes_to_all_their_rows(rows):
    rows.house.provider.name = "openai"
    rows.begin(("good", "bad", "good", "good", "late"))
    (job,) = rows.send()
    assert rows.prompts() == ["Mood of good", "Mood of bad", "Mood of late"]
    assert job.record.batches[0].item_ids == Spans([0, 1, 4])
    assert rows.plan() == []
    rows.house.look()
    assert [row["response"] for row in rows.output] == [
        f"MOOD OF {text}" for text in ("GOOD", "BAD", "GOOD", "GOOD", "LATE")
    ]
    run = rows.runs.get("reviews")
    assert (run.status, run.completed, run.failed) == (RunStatus.COMPLETED, 5, 0)
    assert rows.plan() == []
    (record,) = rows.house.store.load()
    assert rows.runs.spent(run)[0] == record.usage
    assert status_of(record) is JobStatus.COMPLETED


def test_rows_are_all_sent_where_a_person_wants_it(rows):
    rows.begin(("good", "good"), dedupe=False)
    rows.send()
    assert rows.prompts() == ["Mood of good", "Mood of good"]


def test_copies_of_a_row_that_failed_fail_with_it_and_are_answered_with_it(rows):
    rows.begin(("good", "bad", "good"))
    rows.fail({0})
    rows.send()
    rows.house.look()
    assert [row["error"] for row in rows.output] == [
        "server: The server had an error.",
        "",
        "server: The server had an error.",
    ]
    (again,) = rows.plan()
    assert again.batches[0].item_ids == range(1)
    del rows.house.provider.results
    list(rows.house.engine.submit_all([again]))
    rows.house.look()
    assert [row["response"] for row in rows.output] == ["MOOD OF GOOD", "MOOD OF BAD", "MOOD OF GOOD"]
    assert {status_of(record) for record in rows.house.store.load()} == {JobStatus.COMPLETED}


def test_a_copy_of_a_row_that_is_answered_or_waits_is_never_asked(rows):
    rows.begin(("good", "bad", "good"))
    rows.send()
    forget_copies(rows)  # as a process that was killed while it planned
    assert rows.plan() == []
    rows.house.look()
    assert rows.runs.get("reviews").completed == 3
    with sqlite3.connect(rows.runs.path) as db:
        db.execute("DELETE FROM batch_items WHERE key & 0xffff = 2")
    forget_copies(rows)
    assert rows.plan() == []
    assert rows.runs.get("reviews").completed == 3


def forget_copies(rows):
    with sqlite3.connect(rows.runs.path) as db:
        db.execute("DELETE FROM batch_copies")


def test_equal_prompts_with_other_files_are_asked_each(rows):
    for name, end in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (rows.folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + end)
    rows.begin(("a.png", "b.png", "c.png"), attachment_column="text")
    rows.source.write_text("id,text\n0,a.png\n0,b.png\n0,c.png\n", encoding="utf-8")
    rows.took_up("Mood of {id}", attachment_column="text")
    (job,) = rows.plan()
    assert [item for batch in job.batches for item in batch.item_ids] == [0, 1]


def test_nothing_is_planned_over_an_input_that_changed_since_the_run_began(rows):
    rows.begin()
    rows.source.write_text("id,text\n0,bad\n1,good\n2,late\n", encoding="utf-8")
    with pytest.raises(ChangedInputError, match=r"reviews\.csv changed since the run began"):
        rows.plan()


def test_rows_with_files_of_their_own_are_encoded_one_by_one(rows):
    (rows.folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n1234")
    (rows.folder / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n5678")
    rows.begin(("a.png", "b.png"), attachment_column="text")
    (job,) = rows.plan()
    assert job.request_count == 2
    assert [list(batch.item_ids) for batch in job.batches] == [[0, 1]]


def end(rows, job, state):
    """Let the provider say that a job has ended so."""
    rows.house.provider.jobs[job.job_name] = rows.house.provider._job(job.job_name, state, tag=job.tag)


def test_a_run_whose_jobs_all_failed_has_failed_whoever_looks(rows):
    rows.house.provider.limits = Limits(max_requests=2, max_bytes=1_000_000)
    rows.begin()
    rows.send()
    first, second = rows.house.store.load()
    end(rows, first, JobState.FAILED)
    list(rows.house.engine.look_at_all([first]))
    assert rows.runs.get("reviews").status is RunStatus.RUNNING, "the other may still bring something"
    end(rows, second, JobState.FAILED)
    rows.house.look()
    run = rows.runs.get("reviews")
    assert (run.status, run.message) == (RunStatus.FAILED, "3 rows are in no job any more and have no answer")
    assert run.ended_at is not None


def test_a_run_keeps_what_one_job_brought_where_another_failed(rows):
    rows.house.provider.limits = Limits(max_requests=2, max_bytes=1_000_000)
    rows.begin()
    rows.send()
    _, second = rows.house.store.load()
    end(rows, second, JobState.FAILED)
    rows.house.look()
    run = rows.runs.get("reviews")
    assert (run.status, run.completed, run.failed) == (RunStatus.FAILED, 2, 0)
    assert [row.get("error") for row in rows.output] == ["", "", WAITING]


def test_a_run_whose_unsent_job_is_dropped_has_failed(rows):
    rows.begin()
    list(rows.house.engine.cancel_all(rows.plan()))
    assert rows.runs.get("reviews").status is RunStatus.FAILED


def test_a_run_that_its_command_works_on_is_left_to_that(rows):
    rows.begin()
    rows.send()
    (record,) = rows.house.store.load()
    end(rows, record, JobState.FAILED)
    with RunClaims(rows.runs.path).claim("reviews"):
        rows.house.look()
    assert rows.runs.get("reviews").status is RunStatus.RUNNING


@pytest.fixture
def unwritten(rows, monkeypatch):
    """A run whose last answers were collected by a command that was killed before it wrote them."""

    def killed(_run):
        raise KeyboardInterrupt

    rows.begin()
    rows.send()
    with monkeypatch.context() as dying:
        dying.setattr(rows.task, "write_output", killed)
        with pytest.raises(KeyboardInterrupt):
            rows.house.look()
    run = rows.runs.get("reviews")
    assert (run.status, run.completed) == (RunStatus.RUNNING, 3)
    return run


@pytest.mark.parametrize("way", ["a look at nothing", "its own command"])
def test_what_a_killed_command_did_not_write_is_written_by_whoever_comes_next(rows, unwritten, way):
    if way == "its own command":
        assert rows.task.settle(unwritten).status is RunStatus.COMPLETED
    else:
        assert list(rows.house.engine.look_at_all([])) == []
    assert [row["response"] for row in rows.output] == ["MOOD OF GOOD", "MOOD OF BAD", "MOOD OF LATE"]
    assert rows.runs.get("reviews").status is RunStatus.COMPLETED


@pytest.mark.usefixtures("unwritten")
def test_an_output_that_cannot_be_written_any_more_is_not_the_trouble_of_who_comes_by(rows, caplog):
    rows.source.write_text("id,text\n0,another\n", encoding="utf-8")
    assert list(rows.house.engine.look_at_all([])) == []
    assert "the output of run reviews was not written" in caplog.text
