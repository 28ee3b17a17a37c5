"""One job from end to end, the same on every provider."""

import importlib
from datetime import timedelta

import pytest

from batchwright.answer import parse_result
from batchwright.errors import JobNotReadyError, LLMNotFoundError
from batchwright.job import JobState
from batchwright.request import DocumentPart, ImagePart, Message, OutputSchema, Params, Request, TextPart
from batchwright.result import FailureKind, FinishReason, ResultStatus

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc33"
    "0000000049454e44ae426082"
)
LIST_SCHEMA = OutputSchema(
    name="verdicts",
    schema={
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": {
                "word": {"type": "string", "enum": ["yes", "no"]},
                "note": {"type": "string"},
                "score": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            },
            "required": ["word"],
        },
    },
)


def by_id(results):
    found = list(results)
    assert len({result.custom_id for result in found}) == len(found)
    return {result.custom_id: result for result in found}


def test_every_request_is_answered_under_its_own_id(emulate, name, make_request):
    emulated = emulate(responder="echo", shuffle=True, seed=3)
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, f"prompt {n}") for n in range(20)])
    emulated.finish()
    done = provider.get_batch_job(job.job_name)
    results = by_id(provider.results(done))
    assert {key: result.text for key, result in results.items()} == {f"job-01-a1-{n}": f"prompt {n}" for n in range(20)}
    assert all(result.finish_reason is FinishReason.STOP for result in results.values())
    assert all(result.usage.input_tokens > 0 and result.usage.output_tokens > 0 for result in results.values())
    assert all(result.model for result in results.values())


def test_a_job_passes_from_submitted_to_completed_and_counts_its_requests(emulate, name, make_request):
    emulated = emulate(validating_s=10, in_progress_s=10, finalizing_s=10)
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, "hello") for n in range(3)])
    assert job.job_name
    assert job.provider_name == name
    assert not job.done
    assert job.created_at is not None
    assert job.expires_at is not None
    emulated.time.seconds += 15
    assert provider.get_batch_job(job.job_name).state is JobState.IN_PROGRESS
    emulated.time.seconds += 60
    done = provider.get_batch_job(job.job_name)
    assert done.state is JobState.COMPLETED
    assert (done.counts.total, done.counts.succeeded, done.counts.errored) == (3, 3, 0)
    assert done.ended_at is not None


def test_results_of_an_unfinished_job_are_refused_as_not_ready(emulate, name, make_request):
    emulated = emulate(in_progress_s=1000)
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(0, "hello")])
    with pytest.raises(JobNotReadyError, match=job.job_name):
        provider.results(job)


def test_a_failed_request_is_a_result_and_the_others_are_kept(emulate, name, make_request):
    emulated = emulate(responder="echo", fail_positions=[1])
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, "hello") for n in range(3)])
    emulated.finish()
    results = by_id(provider.results(provider.get_batch_job(job.job_name)))
    failed = results["job-01-a1-1"]
    assert failed.status is ResultStatus.ERRORED
    assert failed.text is None
    assert failed.failure is not None
    assert failed.failure.kind is FailureKind.SERVER
    assert failed.failure.retryable
    assert [results[f"job-01-a1-{n}"].text for n in (0, 2)] == ["hello", "hello"]


def test_a_job_where_every_request_failed_still_gives_all_results(emulate, name, make_request):
    emulated = emulate(fail_every=1)
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, "hello") for n in range(3)])
    emulated.finish()
    results = list(provider.results(provider.get_batch_job(job.job_name)))
    assert [result.status for result in results] == [ResultStatus.ERRORED] * 3


def test_line_separators_of_unicode_survive_the_way_there_and_back(emulate, name, make_request):
    text = 'one\u2028two\u2029three\x85four\nfive \U0001f600 “é” \\ " \x0b'
    emulated = emulate(responder="echo")
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(0, text), make_request(1, "after")])
    emulated.finish()
    results = by_id(provider.results(provider.get_batch_job(job.job_name)))
    assert results["job-01-a1-0"].text == text
    assert results["job-01-a1-1"].text == "after"


def test_a_list_schema_is_asked_for_in_the_vendors_form_and_comes_back_as_a_list(emulate, name, make_request):
    emulated = emulate(responder="schema")
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, f"judge {n}", output_schema=LIST_SCHEMA) for n in range(8)])
    emulated.finish()
    for result in provider.results(provider.get_batch_job(job.job_name)):
        answer = parse_result(result, LIST_SCHEMA).value
        assert isinstance(answer, list)
        assert answer
        assert all(entry["word"] in {"yes", "no"} for entry in answer)


def test_images_and_documents_are_accepted_beside_text(emulate, name):
    parts = (
        TextPart(text="what is this?"),
        ImagePart(data=PNG, media_type="image/png"),
        DocumentPart(data=b"%PDF-1.4 tiny", media_type="application/pdf"),
    )
    emulated = emulate(responder="echo")
    provider = emulated.provider(name)
    job = emulated.submit(provider, [Request(custom_id="job-01-a1-0", messages=(Message(parts=parts),))])
    emulated.finish()
    (result,) = provider.results(provider.get_batch_job(job.job_name))
    assert result.succeeded, result.failure
    assert "what is this?" in (result.text or "")


def test_a_requests_own_system_text_replaces_the_providers(emulate, name, make_request):
    emulated = emulate(responder="echo")
    provider = emulated.provider(name, system_prompt="Answer in Welsh.")
    job = emulated.submit(provider, [make_request(0, "hello"), make_request(1, "hi", system="Answer in Latin.")])
    emulated.finish()
    assert len(list(provider.results(provider.get_batch_job(job.job_name)))) == 2
    sent = [str(entry) for entry in emulated.log("request")]
    assert "Answer in Welsh." in sent[0]
    assert "Answer in Latin." in sent[1]
    assert "Answer in Welsh." not in sent[1]


def test_the_tag_comes_back_where_the_vendor_carries_one(emulate, name, make_request):
    emulated = emulate()
    provider = emulated.provider(name)
    emulated.submit(provider, [make_request(0, "hello")], tag="job-77-a2")
    (listed,) = provider.list_jobs(emulated.time.now() - timedelta(minutes=5))
    assert listed.tag == (None if name == "anthropic" else "job-77-a2")
    assert emulated.uploads == [listed.input_file_id]


def test_listing_pages_through_all_jobs_newest_first_and_stops_at_the_given_time(emulate, name, make_request):
    emulated = emulate()
    provider = emulated.provider(name)
    made = []
    for number in range(7):
        emulated.time.seconds += 3600
        made.append(emulated.submit(provider, [make_request(0, "hello")], tag=f"job-{number}").job_name)
        emulated.finish()
    since = emulated.time.now() - timedelta(hours=4, minutes=30)
    assert [job.job_name for job in provider.list_jobs(since)] == made[:1:-1]
    everything = emulated.time.now() - timedelta(days=1)
    assert [job.job_name for job in provider.list_jobs(everything)] == made[::-1]


def test_listing_goes_on_to_the_next_page(emulate, name, make_request, monkeypatch):
    monkeypatch.setattr(importlib.import_module(f"batchwright.providers.{name}.adapter"), "_PAGE", 2)
    emulated = emulate()
    provider = emulated.provider(name)
    made = set()
    for number in range(5):
        emulated.time.seconds += 3600
        made.add(emulated.submit(provider, [make_request(0, "hello")], tag=f"job-{number}").job_name)
    assert {job.job_name for job in provider.list_jobs(emulated.time.now() - timedelta(days=1))} == made


def test_a_job_made_within_the_second_of_since_is_listed(emulate, name, make_request):
    emulated = emulate()
    provider = emulated.provider(name)
    emulated.time.seconds += 0.9
    emulated.submit(provider, [make_request(0, "hello")])
    assert len(list(provider.list_jobs(emulated.time.now() - timedelta(milliseconds=1)))) == 1


def test_a_cancelled_job_ends_as_cancelled_and_its_results_can_be_read(emulate, name, make_request):
    emulated = emulate(in_progress_s=1000, validating_s=1, cancelling_s=5)
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, "hello") for n in range(4)])
    emulated.time.seconds += 2
    cancelling = provider.cancel_batch_job(job.job_name)
    # Gemini has no word for a cancel on its way.
    assert cancelling.state is (JobState.IN_PROGRESS if name == "gemini" else JobState.CANCELLING)
    emulated.finish()
    done = provider.get_batch_job(job.job_name)
    assert done.state is JobState.CANCELLED
    assert all(
        result.status in {ResultStatus.SUCCEEDED, ResultStatus.CANCELLED, ResultStatus.ERRORED}
        for result in provider.results(done)
    )


def test_an_expired_job_says_so_and_what_was_answered_is_kept(emulate, name, make_request):
    emulated = emulate(stuck=True, stuck_fraction=0.5)
    provider = emulated.provider(name)
    job = emulated.submit(provider, [make_request(n, "hello") for n in range(4)])
    emulated.time.seconds += 49 * 3600
    done = provider.get_batch_job(job.job_name)
    assert done.state is JobState.EXPIRED
    results = list(provider.results(done))
    if name == "gemini":
        assert results == []
        return
    statuses = [result.status for result in results]
    assert statuses.count(ResultStatus.SUCCEEDED) == 2
    assert statuses.count(ResultStatus.EXPIRED) == 2
    assert all(r.failure.kind is FailureKind.EXPIRED for r in results if r.status is ResultStatus.EXPIRED)


@pytest.mark.parametrize("call", ["get_batch_job", "cancel_batch_job"])
def test_an_unknown_job_is_not_found(emulate, name, call):
    unknown = {"openai": "batch_nope", "anthropic": "msgbatch_nope", "gemini": "batches/nope"}[name]
    provider = emulate().provider(name)
    with pytest.raises(LLMNotFoundError) as caught:
        getattr(provider, call)(unknown)
    assert caught.value.status_code == 404
    assert caught.value.provider_name == name


def test_two_submits_of_one_file_are_two_jobs_and_nothing_is_sent_twice(emulate, name, make_request):
    emulated = emulate()
    provider = emulated.provider(name)
    names = {emulated.submit(provider, [make_request(0, "hello")]).job_name for _ in range(2)}
    assert len(names) == 2
    assert emulated.stats(name)["creates"] == 2


def test_a_health_check_passes_against_a_working_service(emulate, name):
    assert emulate().provider(name).health_check() is True


def test_one_model_a_job_is_used_for_all_its_requests(emulate, name, make_request):
    emulated = emulate(responder="echo")
    model = {"openai": "gpt-4.1-mini", "anthropic": "claude-sonnet-4-6", "gemini": "gemini-2.5-pro"}[name]
    provider = emulated.provider(name, model=model)
    job = emulated.submit(provider, [make_request(0, "a"), make_request(1, "b", params=Params(model=model))])
    emulated.finish()
    for result in provider.results(provider.get_batch_job(job.job_name)):
        assert result.succeeded
        assert model in (result.model or "")


def test_the_openai_responses_endpoint_carries_a_whole_job(emulate, make_request):
    emulated = emulate()
    provider = emulated.provider("openai", endpoint="responses", system_prompt="Be brief.", thinking_budget=2000)
    requests = [make_request(0, "hello"), make_request(1, "judge", output_schema=LIST_SCHEMA)]
    job = emulated.submit(provider, requests)
    emulated.finish()
    results = by_id(provider.results(provider.get_batch_job(job.job_name)))
    assert results["job-01-a1-0"].text == "hello"
    assert isinstance(parse_result(results["job-01-a1-1"], LIST_SCHEMA).value, list)
