"""Every real recorded payload decodes; third-party data that lives outside the repository."""

import os
from pathlib import Path

import pytest
from pydantic_core import from_json

from batchwright.job import JobState
from batchwright.providers.anthropic import wire as anthropic
from batchwright.providers.gemini import wire as gemini
from batchwright.providers.jsonl import read_line, read_results, split_lines
from batchwright.providers.openai import wire as openai
from batchwright.result import FailureKind, ResultStatus

SHARED = Path(os.environ.get("BATCHWRIGHT_SHARED") or Path(__file__).parents[4] / "shared")
RECORDINGS = SHARED / "recordings"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded payloads are not here")
WIRES = {"openai": openai, "anthropic": anthropic, "gemini": gemini}
JOBS = {"openai": openai.decode_job, "anthropic": anthropic.decode_job, "gemini": gemini.decode_job}


def found(pattern):
    return sorted(RECORDINGS.glob(pattern)) if RECORDINGS.is_dir() else []


def results_in(path):
    wire = WIRES[path.parent.name]
    return list(read_results([path.read_bytes()], wire.decode_line, plain=wire.PLAIN.read))


def bodies(path):
    """Yield the JSON answers of a recorded test run."""
    for call in from_json(path.read_bytes()):
        if call["response_body"].lstrip().startswith("{") and "\n{" not in call["response_body"].strip():
            yield call, from_json(call["response_body"])


@pytest.mark.parametrize("path", found("*/*.jsonl"), ids=lambda path: path.name)
def test_every_recorded_line_is_an_answer_or_a_reason(path):
    results = results_in(path)
    assert results
    for result in results:
        assert result.custom_id
        assert (result.text is None) is (result.failure is not None)
        assert result.failure is None or result.failure.kind is not FailureKind.MALFORMED
        assert result.failure or result.usage.total_tokens > 0


@pytest.mark.parametrize("path", found("*/*.jsonl"), ids=lambda path: path.name)
def test_the_short_way_reads_recorded_lines_as_the_long_one_does(path):
    wire = WIRES[path.parent.name]
    for line in split_lines([path.read_bytes()]):
        assert wire.PLAIN.read(line) in (None, read_line(line, wire.decode_line))


@pytest.mark.parametrize("vendor", WIRES)
def test_some_recorded_lines_of_each_vendor_take_the_short_way(vendor):
    lines = (line for path in found(f"{vendor}/*.jsonl") for line in split_lines([path.read_bytes()]))
    assert any(WIRES[vendor].PLAIN.read(line) for line in lines)


def test_lines_of_a_file_that_ran_dry_call_for_a_person():
    for path in (*found("anthropic/real_errored*"), *found("openai/real_error*")):
        (result,) = results_in(path)
        assert result.status is ResultStatus.ERRORED
        assert result.failure.kind is FailureKind.ACCOUNT


def test_geminis_thoughts_are_output():
    first, _second = results_in(RECORDINGS / "gemini/cookbook_file_results.jsonl")
    assert first.usage.total_tokens == 848
    assert first.usage.reasoning_tokens == 829


@pytest.mark.parametrize("path", found("*/*.http.json"), ids=lambda path: path.name)
def test_every_recorded_job_has_a_name_a_known_state_and_a_time(path):
    decode, seen = JOBS[path.parent.name], 0
    for call, document in bodies(path):
        if "batches" not in call["url"] and "batchGenerateContent" not in call["url"]:
            continue
        job = decode(document)
        seen += 1
        assert job.job_name
        assert job.created_at is not None
        assert job.provider_state != "unknown"
    assert seen


def test_the_recorded_list_of_openai_decodes_whole():
    listed = from_json((RECORDINGS / "openai/tidyllm_list_batches.json").read_bytes())["data"]
    jobs = [openai.decode_job(entry) for entry in listed]
    assert all(job.job_name and job.created_at and job.state in JobState for job in jobs)
    assert [job.created_at for job in jobs] == sorted((job.created_at for job in jobs), reverse=True)
    by_name = {job.job_name: job for job in jobs}
    failed = by_name["batch_67265e33b0148190b48d9d0c11f04ae1"]
    assert failed.state is JobState.COMPLETED
    assert failed.counts.succeeded == 0
    assert len(failed.output_file_ids) == 1


def test_the_recorded_gemini_operation_decodes_with_counts_tag_and_files():
    saved = from_json((RECORDINGS / "gemini/ellmer_state-capitals-gemini.json").read_bytes())
    job = gemini.decode_job(saved["batch"])
    assert job.state is JobState.COMPLETED
    assert (job.counts.total, job.counts.succeeded) == (4, 4)
    assert job.tag == "ellmer-1783003258"
    assert job.input_file_id == "files/9ipl31k7go00"
    assert job.output_file_ids == ("files/batch-o6k1fq34vm2ou69wy5w72wqw56qjigbln6yy",)
    assert job.model == "gemini-3.5-flash"
    answers = [gemini.decode_answer("x", entry["body"]).text for entry in saved["results"]]
    assert answers == ["Des Moines", "Albany", "Sacramento", "Austin"]
