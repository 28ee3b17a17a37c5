"""A provider that lives in memory."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pydantic_core

from batchwright.errors import JobNotReadyError, LLMNotFoundError, LLMProviderError
from batchwright.job import BatchJob, JobState, RequestCounts
from batchwright.providers.base import Fence, Limits, Provider
from batchwright.request import Request, TextPart
from batchwright.result import FinishReason, Result, ResultStatus
from batchwright.testing.clocks import FakeClock


class FakeWire:
    """One JSON line a request: `{"id": …, "text": …}`."""

    suffix = ".jsonl"
    head = b""
    separator = b"\n"
    tail = b"\n"

    def encode(self, request: Request) -> bytes:
        """Return the request as one line, without its end."""
        texts = [part.text for message in request.messages for part in message.parts if isinstance(part, TextPart)]
        return pydantic_core.to_json({"id": request.custom_id, "text": "\n".join(texts)})


class FakeProvider(Provider, Fence):
    """A provider in memory: keeps its jobs, answers every request by `answer`, and fails when told to.

    `fail_next` holds errors that the next calls raise, by method name. `jobs` maps a job's name to what the provider
    says of it; tests may put anything there.
    """

    def __init__(
        self,
        answer: Callable[[str], str] = lambda text: text,
        *,
        name: str = "fake",
        model: str = "fake-1",
        limits: Limits | None = None,
        polls_until_done: int = 1,
        clock: FakeClock | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.account = "fake-account"
        self.limits = limits or Limits(max_requests=1000, max_bytes=1_000_000)
        self.wire = FakeWire()
        self.jobs: dict[str, BatchJob] = {}
        self.sent: dict[str, list[dict[str, Any]]] = {}
        """The requests of each job, as they were uploaded."""
        self.fail_next: dict[str, list[LLMProviderError]] = {}
        self.deleted: list[str] = []
        """The inputs that were deleted."""
        self._answer = answer
        self._polls_until_done = polls_until_done
        self._polls: dict[str, int] = {}
        self._clock = clock or FakeClock()
        self._lock = threading.Lock()

    def submit(self, payload: Path, *, tag: str, before_create: Callable[[str | None], None]) -> BatchJob:
        """Take the job."""
        self._maybe_fail("upload")
        lines = [pydantic_core.from_json(line) for line in payload.read_bytes().split(b"\n") if line]
        before_create(f"file-{tag}")
        self._maybe_fail("submit")
        with self._lock:
            name = f"fake/{len(self.jobs) + 1}"
            self.sent[name] = lines
            self.jobs[name] = self._job(name, JobState.SUBMITTED, tag=tag)
        return self.jobs[name]

    def delete_input(self, file_id: str) -> None:
        """Note the deletion; jobs that are there have read their input."""
        self._maybe_fail("delete_input")
        self.deleted.append(file_id)

    def get_batch_job(self, job_name: str) -> BatchJob:
        """Return the job; it is done after as many polls as were asked for."""
        self._maybe_fail("get_batch_job")
        with self._lock:
            if job_name not in self.jobs:
                raise LLMNotFoundError(f"no job {job_name}", provider_name=self.name, status_code=404)
            self._polls[job_name] = self._polls.get(job_name, 0) + 1
            job = self.jobs[job_name]
            if not job.done and self._polls[job_name] >= self._polls_until_done:
                self.jobs[job_name] = self._job(job_name, JobState.COMPLETED, tag=job.tag)
            return self.jobs[job_name]

    def results(self, job: BatchJob) -> Iterator[Result]:
        """Yield an answer for every request, the last one first."""
        self._maybe_fail("results")
        if not job.done:
            raise JobNotReadyError(f"{job.job_name} is not done")
        for line in reversed(self.sent[job.job_name]):
            yield Result(
                custom_id=line["id"],
                status=ResultStatus.SUCCEEDED,
                text=self._answer(line["text"]),
                finish_reason=FinishReason.STOP,
                model=self.model,
            )

    def cancel_batch_job(self, job_name: str) -> BatchJob:
        """Cancel the job at once."""
        self._maybe_fail("cancel_batch_job")
        with self._lock:
            if job_name not in self.jobs:
                raise LLMNotFoundError(f"no job {job_name}", provider_name=self.name, status_code=404)
            self.jobs[job_name] = self._job(job_name, JobState.CANCELLED, tag=self.jobs[job_name].tag)
            return self.jobs[job_name]

    def list_jobs(self, since: datetime) -> Iterator[BatchJob]:
        """Yield the jobs, newest first."""
        self._maybe_fail("list_jobs")
        for job in reversed(list(self.jobs.values())):
            if job.created_at is not None and job.created_at >= since:
                yield job

    async def complete(self, request: Request) -> Result:
        """Answer at once."""
        line = pydantic_core.from_json(self.wire.encode(request))
        return Result(
            custom_id=request.custom_id,
            status=ResultStatus.SUCCEEDED,
            text=self._answer(line["text"]),
            finish_reason=FinishReason.STOP,
            model=self.model,
        )

    def _job(self, name: str, state: JobState, *, tag: str | None) -> BatchJob:
        total = len(self.sent[name])
        return BatchJob(
            provider_name=self.name,
            job_name=name,
            state=state,
            provider_state=state.value.upper(),
            counts=RequestCounts(total=total, succeeded=total if state is JobState.COMPLETED else 0),
            created_at=self._clock.now(),
            ended_at=self._clock.now() if state.ended else None,
            tag=tag,
            input_file_id=f"file-{tag}",
            model=self.model,
        )

    def _maybe_fail(self, method: str) -> None:
        errors: Sequence[LLMProviderError] = self.fail_next.get(method, ())
        if errors:
            raise self.fail_next[method].pop(0)
