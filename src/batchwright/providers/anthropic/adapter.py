"""Anthropic: message batches over its official SDK, and live messages without it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from batchwright.errors import JobNotReadyError, LLMNotFoundError
from batchwright.job import BatchJob
from batchwright.providers.anthropic import wire as formats
from batchwright.providers.base import Cleaner, Limits, Rates
from batchwright.providers.failures import Phase
from batchwright.providers.jsonl import read_results
from batchwright.providers.outgoing import Outgoing
from batchwright.providers.reading import Json, as_list, as_object, as_text
from batchwright.providers.vendor import VendorProvider, created_since, require_ended, sdk, sdk_version
from batchwright.request import Request
from batchwright.result import Result

_BATCHES = "/v1/messages/batches"
_PAGE = 100
_CHUNK_BYTES = 1 << 16


class AnthropicLLM(VendorProvider, Cleaner):
    """Anthropic; everything as in `VendorProvider`.

    Thinking is off unless a budget is given. The temperature 0.2 is sent where the installed SDK names an API version
    that still takes one (before anthropic 2); one asked for with a newer SDK is a `ConfigurationError`. A batch carries
    no tag: it is known by the custom_ids of its results.
    """

    name = formats.NAME
    MODEL: ClassVar[str] = "claude-haiku-4-5"
    BASE_URL: ClassVar[str] = "https://api.anthropic.com"
    tags_jobs = False
    # Documented as 100,000 requests or 256 MB; read as decimal, the smaller of the two readings.
    limits = Limits(max_requests=100_000, max_bytes=256_000_000)
    wire: formats.AnthropicWire

    def __init__(self, system_prompt: str | Path = "", **options: Any) -> None:
        super().__init__(system_prompt, **options)
        self._version = formats.api_version(sdk_version("anthropic"))
        self.wire = formats.AnthropicWire(
            defaults=self.defaults,
            system=self.system_prompt,
            takes_temperature=self._version <= formats.LAST_VERSION_WITH_TEMPERATURE,
            temperature=self.TEMPERATURE,
        )

    def _key_headers(self) -> Sequence[tuple[str, str]]:
        old, new = ("x-api-key", self._key), ("authorization", f"Bearer {self._key}")
        # As the SDK does it that knows this version.
        return [old, new] if self._version <= formats.LAST_VERSION_WITH_TEMPERATURE else [new, old]

    def _live_headers(self) -> Mapping[str, str]:
        return {"anthropic-version": self._version}

    def _open_sdk(self, http: httpx2.Client) -> Any:
        return sdk("anthropic").Anthropic(
            api_key=self._key, base_url=self._base_url, max_retries=0, timeout=http.timeout, http_client=http
        )

    def submit(self, payload: Path, *, tag: str, before_create: Callable[[str | None], None]) -> BatchJob:  # noqa: ARG002  (it carries none)
        """Post the wire file, which is the request's body; there is no upload and nowhere to put the tag."""
        headers = {"content-type": "application/json", "content-length": str(payload.stat().st_size)}
        with payload.open("rb") as file:
            body = Outgoing(file, lambda: before_create(None))
            with body.judged(self.name), self._calls.guard(Phase.CREATE):
                # The SDK's own create needs every request as an object in memory: 600 MB for a body of 190.
                answer = self._client.post(
                    _BATCHES, cast_to=httpx2.Response, content=body, options={"headers": headers}
                )
                return self._calls.job(answer.content, formats.decode_job, Phase.CREATE)

    def get_batch_job(self, job_name: str) -> BatchJob:
        """Return the batch as it is now; see `Provider.get_batch_job`."""
        return formats.decode_job(self._batch(job_name))

    def _batch(self, job_name: str) -> Json:
        with self._calls.guard(Phase.JOB):
            answer = self._client.messages.batches.with_raw_response.retrieve(job_name)
            return self._document(answer)

    def cancel_batch_job(self, job_name: str) -> BatchJob:
        """Ask for a cancel and return the batch; requests that are running may still be answered."""
        with self._calls.guard(Phase.JOB):
            answer = self._client.messages.batches.with_raw_response.cancel(job_name)
            return formats.decode_job(self._document(answer))

    def _document(self, answer: Any) -> Json:
        return self._calls.read(answer.http_response.content, Phase.JOB)

    def results(self, job: BatchJob) -> Iterator[Result]:
        """Yield the lines of the results stream; see `Provider.results`."""
        require_ended(job)
        batch = self._batch(job.job_name)
        if not as_text(batch.get("results_url")):
            if batch.get("archived_at"):
                raise LLMNotFoundError(
                    f"the results of {job.job_name} are gone: Anthropic keeps them for 29 days",
                    provider_name=self.name,
                )
            raise JobNotReadyError(f"anthropic job {job.job_name} has no results yet; fetch it again later")
        return self._results(job.job_name)

    def _results(self, job_name: str) -> Iterator[Result]:
        with (
            self._calls.guard(Phase.JOB),
            self._client.messages.batches.with_streaming_response.results(job_name) as answer,
        ):
            # Our own lines: the SDK's decoder stops at a blank one.
            yield from read_results(
                answer.http_response.iter_bytes(_CHUNK_BYTES), formats.decode_line, plain=formats.PLAIN.read
            )

    def list_jobs(self, since: datetime) -> Iterator[BatchJob]:
        """Yield the workspace's batches, newest first; see `Provider.list_jobs`."""
        after: dict[str, str] = {}
        while True:
            with self._calls.guard(Phase.JOB):
                page = self._document(self._client.messages.batches.with_raw_response.list(limit=_PAGE, **after))
            for entry in as_list(page.get("data")):
                job = formats.decode_job(as_object(entry))
                if not created_since(job, since):
                    return
                yield job
                after = {"after_id": job.job_name}
            if not as_list(page.get("data")) or page.get("has_more") is not True:
                return

    def clean_up(self, job: BatchJob, *, input_file_ids: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002  (no files)
        """Delete the batch and with it its requests and results; there is no file of its own."""
        with self._calls.unless_gone(), self._calls.guard(Phase.JOB):
            self._client.messages.batches.delete(job.job_name)
        return (job.job_name,)

    def _live_path(self, request: Request) -> str:  # noqa: ARG002  (the same for all)
        return "/v1/messages"

    def _live_result(self, request: Request, answer: Json, headers: Mapping[str, str]) -> Result:  # noqa: ARG002
        return formats.decode_answer(request.custom_id, answer)

    def _read_rates(self, headers: Mapping[str, str], now: datetime) -> Rates | None:
        return formats.decode_rates(headers, now)

    def _ping(self) -> None:
        self._client.messages.batches.with_raw_response.list(limit=1)
