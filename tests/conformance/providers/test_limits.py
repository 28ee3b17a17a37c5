"""The limits are written twice, here and in the emulator, from the vendors' documents: both must say the same."""

import pytest

from batchwright.emulator.scenario import DEFAULT_LIMITS
from batchwright.emulator.vendor import Vendor
from batchwright.errors import LLMProviderError
from batchwright.job import JobState
from batchwright.providers.payload import write_payload
from batchwright.providers.registry import provider_class
from batchwright.request import Message, Request

VENDORS = ("openai", "anthropic", "gemini")


def requests(count, text="hello"):
    return [Request(custom_id=f"job-01-a1-{n}", messages=(Message.text(text),)) for n in range(count)]


def takes(emulated, provider, wanted):
    """Whether the vendor creates and keeps a job of these requests."""
    try:
        job = emulated.submit(provider, wanted)
    except LLMProviderError:
        return False
    emulated.finish()
    return provider.get_batch_job(job.job_name).state is JobState.COMPLETED


@pytest.mark.parametrize("name", VENDORS)
def test_both_sides_know_the_same_numbers(name):
    ours, theirs = provider_class(name).limits, DEFAULT_LIMITS[Vendor(name)]
    assert ours.max_bytes == theirs.max_input_bytes
    if theirs.max_requests:
        assert ours.max_requests == theirs.max_requests
    assert (ours.max_concurrent_jobs or 0) == theirs.max_active_jobs


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_job_of_as_many_requests_as_allowed_is_taken_and_one_more_is_not(emulate, name):
    emulated = emulate(limits={"max_requests": 3})
    provider = emulated.provider(name)
    assert takes(emulated, provider, requests(3))
    assert not takes(emulated, provider, requests(4))


@pytest.mark.parametrize("name", VENDORS)
def test_a_wire_file_of_as_many_bytes_as_allowed_is_taken_and_one_more_is_not(emulate, tmp_path, name):
    provider = emulate().provider(name)
    path = tmp_path / "measured"
    write_payload(path, provider.wire, requests(2))
    size = path.stat().st_size
    assert takes(*_with_bytes(emulate, name, size), requests(2))
    assert not takes(*_with_bytes(emulate, name, size - 1), requests(2))


def _with_bytes(emulate, name, size):
    emulated = emulate(limits={"max_input_bytes": size})
    return emulated, emulated.provider(name)
