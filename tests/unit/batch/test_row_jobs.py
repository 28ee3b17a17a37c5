"""What may become of a job with rows: halved, given back, cancelled, lost from the records, asked again."""

from dataclasses import replace

from batchwright.batch.collecting.row_runs import settled_items
from batchwright.batch.resolving.rebuilding import lost_records
from batchwright.batch.retrying import Retrying, RetryWish
from batchwright.batch.sending.assembler import Assembly
from batchwright.batch.sending.planner import JobsPer
from batchwright.errors import LLMRequestTooLargeError
from batchwright.job import JobState, JobStatus, status_of
from batchwright.result import FailureKind
from batchwright.run import RunStatus

ANSWERS = ["MOOD OF GOOD", "MOOD OF BAD", "MOOD OF LATE"]


def answers(rows):
    return [row["response"] for row in rows.output]


def retrying(rows, parent, **wish):
    house, document = rows.house, rows.task.document("reviews")
    return Retrying(
        parent=parent,
        assembly=Assembly(
            task=rows.task,
            provider=house.provider,
            jobs_per=JobsPer.RUN,
            batch_size=parent.batch_size,
            parent=parent,
            open_payload=lambda job_id, suffix: house.folders.writer(house.folders.requests_path(job_id, suffix)),
            new_job_id=house.job_ids,
            now=house.clock.now,
        ),
        folders=house.folders,
        wish=RetryWish(**wish),
        settled={("reviews", "reviews.csv"): settled_items(rows.task, document, house.store.load())},
    )


def retry(rows, parent, **wish):
    """Plan, send and collect a retry; return what was left."""
    again = retrying(rows, parent, **wish)
    jobs = list(again.write_jobs())
    rows.house.store.add(jobs)
    list(rows.house.engine.submit_all(jobs))
    rows.house.look()
    return jobs, again.left


def test_a_job_refused_as_too_large_is_halved_and_every_answer_finds_its_row(rows):
    submit = rows.house.provider.submit

    def small_only(payload, *, tag, before_create):
        if payload.read_bytes().count(b"\n") > 1:
            raise LLMRequestTooLargeError("413")
        return submit(payload, tag=tag, before_create=before_create)

    rows.house.provider.submit = small_only
    rows.begin()
    sent = rows.send()
    assert sorted(item for one in sent for batch in one.record.batches for item in batch.item_ids) == [0, 1, 2]
    rows.house.look()
    assert answers(rows) == ANSWERS
    assert {status_of(record) for record in rows.house.store.load()} == {JobStatus.COMPLETED}


def test_a_job_of_scattered_rows_is_halved_between_them(rows):
    submit = rows.house.provider.submit

    def small_only(payload, *, tag, before_create):
        if payload.read_bytes().count(b"\n") > 2:
            raise LLMRequestTooLargeError("413")
        return submit(payload, tag=tag, before_create=before_create)

    rows.house.provider.submit = small_only
    rows.begin(("good", "good", "bad", "bad", "late"))
    sent = rows.send()
    assert sorted(tuple(batch.item_ids) for one in sent for batch in one.record.batches) == [(0,), (2, 4)]
    rows.house.look()
    assert answers(rows) == ["MOOD OF GOOD", "MOOD OF GOOD", "MOOD OF BAD", "MOOD OF BAD", "MOOD OF LATE"]


def test_a_job_given_back_for_its_tokens_is_sent_again_later(rows):
    rows.begin()
    rows.send()
    (record,) = rows.house.store.load()
    job = rows.house.provider.jobs[record.job_name]
    rows.house.provider.jobs[record.job_name] = replace(job, state=JobState.FAILED, error="limit", over_quota=True)
    (look,) = rows.house.look()
    assert look.record.state is JobState.PLANNED
    assert rows.plan() == []
    for _ in range(10):
        rows.house.look()
    assert answers(rows) == ANSWERS
    assert {status_of(record) for record in rows.house.store.load()} == {JobStatus.COMPLETED}


def test_rows_of_a_cancelled_job_say_so_and_can_be_asked_again(rows):
    rows.begin()
    rows.send()
    list(rows.house.engine.cancel_all(rows.house.store.load()))
    rows.house.provider.results = lambda _job: iter(())
    rows.house.look()
    assert {row["error"] for row in rows.output} == {"cancelled: the job was cancelled before this request was run"}
    del rows.house.provider.results
    (record,) = rows.house.store.load()
    jobs, left = retry(rows, record)
    assert (len(jobs), left) == (1, [])
    assert answers(rows) == ANSWERS


def test_jobs_of_a_lost_tracking_file_are_found_again_and_their_rows_collected(rows):
    rows.begin()
    jobs = rows.plan()
    for record in jobs:
        rows.house.folders.keep(record)
    list(rows.house.engine.submit_all(jobs))
    rows.house.store._records.clear()
    rows.house.store.add(list(lost_records(rows.house.folders, set(), {"fake": "fake-account"})))
    rows.house.look()
    rows.house.look()
    assert answers(rows) == ANSWERS
    assert len(rows.house.provider.jobs) == 1
    assert rows.runs.get("reviews").status is RunStatus.COMPLETED


def test_a_retry_asks_only_what_is_open(rows):
    rows.begin()
    rows.fail({1})
    rows.send()
    rows.house.look()
    del rows.house.provider.results
    (record,) = rows.house.store.load()
    (job,), left = retry(rows, record)
    assert (list(job.batches[0].item_ids), job.parent, job.retries) == ([1], record.job_id, 1)
    assert left == []
    assert answers(rows) == ANSWERS
    assert {status_of(record) for record in rows.house.store.load()} == {JobStatus.COMPLETED}


def test_a_retry_leaves_what_would_fail_again_unless_it_is_wanted(rows):
    rows.begin()
    rows.fail({0, 2}, FailureKind.INVALID_REQUEST)
    rows.send()
    rows.house.look()
    del rows.house.provider.results
    (record,) = rows.house.store.load()
    jobs, left = retry(rows, record)
    assert jobs == []
    assert [tuple(one.batch.item_ids) for one in left] == [(0,), (2,)]
    assert "would fail again unchanged: The server had an error." in left[0].reason
    retry(rows, record, include_invalid=True)
    assert answers(rows) == ANSWERS


def test_a_retry_does_not_ask_what_a_job_is_already_asking(rows):
    rows.begin()
    rows.fail({1})
    rows.send()
    rows.house.look()
    (record,) = rows.house.store.load()
    again = list(retrying(rows, record).write_jobs())
    rows.house.store.add(again)
    assert list(retrying(rows, record).write_jobs()) == []


def test_a_repair_tells_the_model_what_was_wrong(rows):
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    rows.begin(("good", "bad"), schema=schema)
    rows.house.provider._answer = lambda text: '{"mood": "x"}' if "good" in text or "could not be used" in text else "?"
    rows.send()
    rows.house.look()
    (record,) = rows.house.store.load()
    retry(rows, record, repair=True)
    assert rows.prompts()[-1].startswith(
        "An earlier answer to this request could not be used: malformed: the answer is"
    )
    assert [row["mood"] for row in rows.output] == ["x", "x"]


def test_two_fetches_of_one_job_keep_every_row_once(rows):
    rows.begin()
    rows.send()
    records = rows.house.store.load()
    list(rows.house.engine.look_at_all(records))
    list(rows.house.engine.look_at_all(records))
    assert answers(rows) == ANSWERS
    assert rows.runs.get("reviews").completed == 3


def test_what_is_kept_of_a_job_tells_each_rows_outcome(rows):
    rows.begin(("good", "bad", "good", "late"))
    rows.fail({1})
    rows.send()
    rows.house.look()
    (record,) = rows.house.store.load()
    kept = [(one.item, one.result.text, one.error) for one in rows.task.kept(record.batches[0])]
    assert kept == [
        (0, "MOOD OF GOOD", None),
        (1, None, "server: The server had an error."),
        (3, "MOOD OF LATE", None),
    ]
