"""The friendlier methods of the guides, for plain prompts: a mixin over the six methods of `Provider`.

A prompt is a sequence of strings, joined by newlines. Answers come back in the order of the prompts: as `Result`, or
parsed where `filter_json` asks for JSON.
"""

import asyncio
import re
import secrets
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from batchwright import aio
from batchwright.answer import parse_result
from batchwright.errors import (
    AnswerError,
    JobNotReadyError,
    LLMInvalidRequestError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
)
from batchwright.job import BatchJob, JobState
from batchwright.providers.base import Provider
from batchwright.providers.payload import write_payload
from batchwright.request import Message, Request
from batchwright.result import Failure, FailureKind, Result, ResultStatus

Prompt = Sequence[str]
"""The strings of one prompt; a bare `str` counts as one string."""

PARALLEL_REQUESTS = 8
"""Live requests at once in `batch_generate`."""

_POSITION = re.compile(r"-(\d+)\Z")
_ERROR_OF_KIND: dict[FailureKind, type[LLMProviderError]] = {
    FailureKind.ACCOUNT: LLMQuotaError,
    FailureKind.RATE_LIMITED: LLMRateLimitError,
    FailureKind.SERVER: LLMServerError,
    FailureKind.TIMEOUT: LLMServerError,
    FailureKind.INVALID_REQUEST: LLMInvalidRequestError,
    FailureKind.BLOCKED: LLMInvalidRequestError,
}


class PromptMethods(Provider):
    """`create_batch_job`, `fetch_batch_results`, `generate`, `batch_generate`."""

    filter_json: bool
    """Whether answers are parsed unless a call says so itself."""

    @cached_property
    def _filters(self) -> dict[str, bool]:
        """What was asked for each job made here; another process falls back to `filter_json`."""
        return {}

    @abstractmethod
    def health_check(self) -> bool:
        """Return True if address, key and model work; raise one of our errors otherwise."""

    def create_batch_job(self, batch_payload: Sequence[Prompt | str], *, filter_json: bool = False) -> str:
        """Create a batch job, one request a prompt, and return the vendor's name of it.

        Raises `ValueError` for an empty payload, `LLMOutcomeUnknownError` when the job may exist without our knowing
        its name, and other `LLMProviderError` when it was not created.
        """
        tag = f"bw-{secrets.token_hex(8)}"
        requests = make_requests(batch_payload, tag)
        job = self._submit_prompts(requests, tag)
        self._filters[job.job_name] = filter_json or self.filter_json
        return job.job_name

    def _submit_prompts(self, requests: Sequence[Request], tag: str) -> BatchJob:
        """Send the requests as a job; a vendor with a simpler way for tiny jobs overrides this."""
        with TemporaryDirectory(prefix="batchwright-") as folder:
            payload = Path(folder) / f"{tag}{self.wire.suffix}"
            write_payload(payload, self.wire, requests)
            return self.submit(payload, tag=tag, before_create=lambda _file_id: None)

    def fetch_batch_results(self, batch_job_name: str) -> list[Any]:
        """Return the answers of a finished job in the order of its prompts.

        Raises `JobNotReadyError` (a `ValueError`) while it is unfinished or has no results, and `LLMProviderError`
        when the job or any of its requests failed, or an answer is not the JSON that was asked for.
        """
        job = self.get_batch_job(batch_job_name)
        if not job.done:
            raise JobNotReadyError(
                f"{self.name} job {batch_job_name} is {job.provider_state}; fetch it when it is done"
            )
        if job.state is JobState.FAILED:
            raise LLMProviderError(
                f"{self.name} job {batch_job_name} failed: {job.error or job.provider_state}",
                provider_name=self.name,
                code=job.error_code,
            )
        results = in_order(self.results(job), job.counts.total)
        return self._finish(results, f"job {batch_job_name}", self._filters.get(batch_job_name, self.filter_json))

    def generate(self, user_prompts: Prompt | str, *, filter_json: bool = False) -> Any:
        """Answer one prompt now, at the live price. Raises `ValueError` for an empty prompt, and `LLMProviderError`."""
        return self.batch_generate([user_prompts], filter_json=filter_json)[0]

    def batch_generate(self, batch: Sequence[Prompt | str], *, filter_json: bool = False) -> list[Any]:
        """Answer many prompts now, in parallel; answers in their order. Raises as `generate`."""
        requests = make_requests(batch, f"live-{secrets.token_hex(8)}")
        results = aio.run(self._complete_all(requests))
        return self._finish(
            results, "the request" if len(results) == 1 else "the batch", filter_json or self.filter_json
        )

    async def _complete_all(self, requests: Sequence[Request]) -> list[Result]:
        gate = asyncio.Semaphore(PARALLEL_REQUESTS)

        async def one(request: Request) -> Result:
            async with gate:
                return await self.complete(request)

        tasks = [asyncio.create_task(one(request)) for request in requests]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            # When one is refused, those still waiting never start: they would be paid for and thrown away.
            for task in tasks:
                task.cancel()

    def _finish(self, results: Sequence[Result], what: str, filter_json: bool) -> list[Any]:
        failed = [result for result in results if not result.succeeded]
        if failed:
            raise self._failed(failed, len(results), what)
        if not filter_json:
            return list(results)
        answers = []
        for number, result in enumerate(results):
            try:
                answers.append(parse_result(result).value)
            except AnswerError as exc:
                raise LLMProviderError(
                    f"{self.name}, answer {number} of {what}: {exc}", provider_name=self.name
                ) from exc
        return answers

    def _failed(self, failed: Sequence[Result], total: int, what: str) -> LLMProviderError:
        first = failed[0].failure
        reason = first.message if first else failed[0].status.value
        kind = _ERROR_OF_KIND.get(first.kind, LLMProviderError) if first and len(failed) == total else LLMProviderError
        return kind(
            f"{self.name}: {len(failed)} of {total} requests of {what} failed; the first: {reason}",
            provider_name=self.name,
            status_code=first.status_code if first else None,
            code=first.code if first else None,
            request_id=failed[0].request_id,
        )


def make_requests(batch: Sequence[Prompt | str], tag: str) -> list[Request]:
    """Return one request a prompt, `<tag>-<n>`. Raises `ValueError` for an empty batch or prompt."""
    if isinstance(batch, str) or not batch:
        raise ValueError("the batch is empty; give a sequence of prompts, each a sequence of strings")
    requests = []
    for number, prompt in enumerate(batch):
        strings = (prompt,) if isinstance(prompt, str) else tuple(prompt)
        if not any(strings):
            raise ValueError(f"prompt {number} of the batch is empty")
        requests.append(Request(custom_id=f"{tag}-{number}", messages=(Message.text(*strings),)))
    return requests


def in_order(results: Iterable[Result], total: int) -> list[Result]:
    """Return results by the number at the end of their id, or by their position where they carry none.

    `total` is how many requests the vendor counts (0 = it does not say); those without an answer come back as missing,
    and of two answers to one the first counts. Raises `JobNotReadyError` when there is nothing at all.
    """
    placed: dict[int, Result] = {}
    unnumbered: list[Result] = []
    for result in results:
        number = _number_of(result)
        if number is None:
            unnumbered.append(result)
        else:
            placed.setdefault(number, result)
    if not placed and not unnumbered:
        raise JobNotReadyError("the job has no results")
    if unnumbered or max(placed) >= total:  # ids that are not ours, or no count: order is all there is
        return [*(placed[number] for number in sorted(placed)), *unnumbered]
    return [placed.get(number) or _missing(number) for number in range(total)]


def _number_of(result: Result) -> int | None:
    if result.custom_id is None:
        return result.position
    found = _POSITION.search(result.custom_id)
    return int(found.group(1)) if found else None


def _missing(number: int) -> Result:
    why = "the job ended without an answer to this request"
    return Result(
        custom_id=None,
        position=number,
        status=ResultStatus.MISSING,
        failure=Failure(kind=FailureKind.MISSING, message=why),
    )
