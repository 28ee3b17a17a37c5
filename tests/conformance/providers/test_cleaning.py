"""Deleting what we left at a vendor: only that, and as often as one likes."""

from datetime import timedelta

import pytest

from batchwright.errors import BatchwrightError, LLMNotFoundError
from batchwright.providers.base import Cleaner
from batchwright.request import Message, Request

KEPT = {"openai": timedelta(days=30), "anthropic": timedelta(days=29), "gemini": timedelta(weeks=6)}


def finished_job(emulated, provider, tag="job-01-a1"):
    requests = [Request(custom_id=f"{tag}-{n}", messages=(Message.text("hello"),)) for n in range(2)]
    job = emulated.submit(provider, requests, tag=tag)
    emulated.finish()
    return provider.get_batch_job(job.job_name)


def uploads_of(job):
    return [job.input_file_id] if job.input_file_id else []


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_every_provider_cleans_up_and_the_answers_are_gone(emulate, name):
    emulated = emulate()
    provider = emulated.provider(name)
    job = finished_job(emulated, provider)
    assert isinstance(provider, Cleaner)
    assert provider.clean_up(job, input_file_ids=uploads_of(job))
    with pytest.raises(BatchwrightError):
        list(provider.results(job))


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_cleaning_up_twice_is_no_error(emulate, name):
    emulated = emulate()
    provider = emulated.provider(name)
    job = finished_job(emulated, provider)
    first = provider.clean_up(job, input_file_ids=uploads_of(job))
    assert provider.clean_up(job, input_file_ids=uploads_of(job)) == first


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_another_jobs_answers_stay(emulate, name):
    emulated = emulate()
    provider = emulated.provider(name)
    job, other = finished_job(emulated, provider), finished_job(emulated, provider, "job-02-a1")
    provider.clean_up(job, input_file_ids=uploads_of(job))
    assert len(list(provider.results(provider.get_batch_job(other.job_name)))) == 2


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_a_job_that_can_be_deleted_is_unknown_afterwards(emulate, name):
    emulated = emulate()
    provider = emulated.provider(name)
    job = finished_job(emulated, provider)
    provider.clean_up(job, input_file_ids=uploads_of(job))
    with pytest.raises(LLMNotFoundError):
        provider.get_batch_job(job.job_name)


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
def test_a_finished_job_says_until_when_its_answers_are_kept(emulate, name):
    emulated = emulate()
    job = finished_job(emulated, emulated.provider(name))
    kept = job.results_until - (job.created_at if name == "anthropic" else job.ended_at)
    assert kept == KEPT[name]


def test_gemini_says_until_when_the_input_of_a_waiting_job_is_kept(emulate):
    emulated = emulate()
    provider = emulated.provider("gemini")
    job = emulated.submit(provider, [Request(custom_id="job-01-a1-0", messages=(Message.text("hello"),))])
    assert job.inputs_until - job.created_at == timedelta(hours=48)
