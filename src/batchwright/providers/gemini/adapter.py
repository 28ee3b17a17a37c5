"""Gemini (Developer API): uploaded or inline batches over google-genai, and live generateContent without it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, ClassVar

import httpx2

from batchwright.clock import Clock, SystemClock
from batchwright.errors import JobNotReadyError, LLMNotFoundError, LLMProviderConfigurationError, LLMResponseError
from batchwright.job import BatchJob, JobState
from batchwright.providers.base import Cleaner, Fence, Limits
from batchwright.providers.failures import Phase
from batchwright.providers.gemini import wire as formats
from batchwright.providers.gemini.raw import Recorder
from batchwright.providers.jsonl import read_results
from batchwright.providers.reading import Json, as_list, as_object, as_text
from batchwright.providers.vendor import VendorProvider, created_since, require_ended, sdk
from batchwright.request import Request
from batchwright.result import Result

API_VERSION = "v1beta"
"""Named explicitly: the SDK's default moved from v1beta to v1 between 2 and 3, and a variable would change it."""
INLINE_REQUESTS = 100
"""Prompts sent inside the create instead of as a file, at most; the guide's payloads are a handful."""
INLINE_BYTES = 1_000_000
"""Their size in bytes, at most; the vendor refuses 20 MB."""
SETTLING = timedelta(hours=1)
"""A job may succeed some time before its responses file can be downloaded."""

_PAGE = 100
_CHUNK_BYTES = 1 << 16
_JOB_NAME = re.compile(r"batches/[^/\s]+\Z")


_FORBIDDEN = 403


class GeminiLLM(VendorProvider, Fence, Cleaner):
    """Gemini; everything as in `VendorProvider`.

    Jobs are uploaded as JSONL with keys; `create_batch_job` sends a tiny payload inline. The tag is the job's
    displayName. `MAX_THINKING_BUDGET` is sent to the 2.5 models, and the temperature to those before Gemini 3, unless
    others are asked for.
    """

    name = formats.NAME
    MODEL: ClassVar[str] = "gemini-2.5-flash"
    MAX_THINKING_BUDGET: ClassVar[int] = 24576
    """Tokens; the most that gemini-2.5-flash may think."""
    BASE_URL: ClassVar[str] = "https://generativelanguage.googleapis.com"
    # No number of requests is documented for the Developer API (Vertex: 200,000); a file holds 2 GB; 100 jobs at once.
    limits = Limits(
        max_requests=200_000,
        max_bytes=2_000_000_000,
        max_concurrent_jobs=100,
    )
    wire: formats.GeminiWire

    def __init__(self, system_prompt: str | Path = "", *, clock: Clock | None = None, **options: Any) -> None:
        self._clock = clock or SystemClock()
        self._recorder = Recorder()
        self._on_response = self._recorder.on_response
        super().__init__(system_prompt, **options)
        self.wire = formats.GeminiWire(
            defaults=self.defaults,
            system=self.system_prompt,
            temperature=self.TEMPERATURE,
            thinking_budget=self.MAX_THINKING_BUDGET,
        )

    def _key_headers(self) -> Sequence[tuple[str, str]]:
        return [("x-goog-api-key", self._key)]

    def _open_sdk(self, http: httpx2.Client) -> Any:
        options = self._types.HttpOptions(base_url=self._base_url, api_version=API_VERSION, httpx_client=http)
        return sdk("google.genai").Client(vertexai=False, api_key=self._key, http_options=options)

    @property
    def _types(self) -> Any:
        return sdk("google.genai").types

    def submit(self, payload: Path, *, tag: str, before_create: Callable[[str | None], None]) -> BatchJob:
        """Upload the wire file in chunks and create the batch; see `Provider.submit`."""
        config = self._types.UploadFileConfig(display_name=tag, mime_type="application/jsonl")
        with self._calls.guard(Phase.FILE):
            file_name = as_text(self._client.files.upload(file=str(payload), config=config).name)
        if file_name is None:
            raise LLMResponseError("gemini gave the uploaded file no name", provider_name=self.name)
        before_create(file_name)
        return self._create(file_name, tag)

    def _submit_prompts(self, requests: Sequence[Request], tag: str) -> BatchJob:
        size = sum(len(self.wire.encode(request)) for request in requests[: INLINE_REQUESTS + 1])
        if len(requests) > INLINE_REQUESTS or size > INLINE_BYTES:
            return super()._submit_prompts(requests, tag)
        return self._create([self._inlined(request) for request in requests], tag)

    def _inlined(self, request: Request) -> Any:
        """A request in the SDK's types."""
        body = self.wire.body(request)
        options = {**body.get("generationConfig", {})}
        if "systemInstruction" in body:
            options["systemInstruction"] = body["systemInstruction"]
        config = self._types.GenerateContentConfig.model_validate(options)
        return self._types.InlinedRequest(contents=body["contents"], config=config, metadata={"key": request.custom_id})

    def _create(self, source: Any, tag: str) -> BatchJob:
        config = self._types.CreateBatchJobConfig(display_name=tag)
        with self._calls.guard(Phase.CREATE):
            body = self._recorder.call(lambda: self._client.batches.create(model=self.model, src=source, config=config))
            return self._calls.job(body, formats.decode_job, Phase.CREATE)

    def get_batch_job(self, job_name: str) -> BatchJob:
        """Return the job as it is now; see `Provider.get_batch_job`."""
        return formats.decode_job(self._operation(job_name))

    def _operation(self, job_name: str) -> Json:
        self._check_name(job_name)
        with self._calls.guard(Phase.JOB):
            body = self._recorder.call(lambda: self._client.batches.get(name=job_name))
            return self._calls.read(body, Phase.JOB)

    def _check_name(self, job_name: str) -> None:
        if not _JOB_NAME.match(job_name):
            raise LLMNotFoundError(
                f"gemini has no job {job_name!r}; its names are batches/...", provider_name=self.name
            )

    def cancel_batch_job(self, job_name: str) -> BatchJob:
        """Cancel, which the vendor does almost at once, and return the job."""
        self._check_name(job_name)
        with self._calls.guard(Phase.JOB):
            self._client.batches.cancel(name=job_name)
        return self.get_batch_job(job_name)

    def results(self, job: BatchJob) -> Iterator[Result]:
        """Yield the lines of the responses file, or the inlined responses; see `Provider.results`."""
        require_ended(job)
        if job.output_file_ids:
            return (result for name in job.output_file_ids for result in self._file_results(name, job))
        operation = self._operation(job.job_name)
        now = formats.decode_job(operation)
        if now.output_file_ids:
            return (result for name in now.output_file_ids for result in self._file_results(name, now))
        results = list(formats.inlined_results(operation))
        if not results and now.state is JobState.COMPLETED and self._is_settling(now):
            raise JobNotReadyError(f"gemini job {job.job_name} has no results yet; fetch it again later")
        return iter(results)

    def _file_results(self, file_name: str, job: BatchJob) -> Iterator[Result]:
        with TemporaryFile(prefix="batchwright-") as file:
            self._download(file_name, file, job)
            file.seek(0)
            yield from read_results(
                iter(lambda: file.read(_CHUNK_BYTES), b""), formats.decode_line, plain=formats.PLAIN.read
            )

    def _download(self, file_name: str, file: IO[bytes], job: BatchJob) -> None:
        try:
            with self._calls.guard(Phase.JOB):
                self._client.files.download(file=file_name, destination=file)
        except LLMNotFoundError as exc:
            if self._is_settling(job):
                raise JobNotReadyError(
                    f"the results of {job.job_name} are not there yet; fetch it again later"
                ) from exc
            raise

    def _is_settling(self, job: BatchJob) -> bool:
        return job.ended_at is not None and self._clock.now() - job.ended_at < SETTLING

    def list_jobs(self, since: datetime) -> Iterator[BatchJob]:
        """Yield the account's jobs, newest first; every page is read before, for no order is promised."""
        jobs = [job for job in self._all_jobs() if created_since(job, since)]
        return iter(sorted(jobs, key=lambda job: job.created_at or since, reverse=True))

    def _all_jobs(self) -> Iterator[BatchJob]:
        token: str | None = None
        while True:
            config = self._types.ListBatchJobsConfig(page_size=_PAGE, page_token=token)
            with self._calls.guard(Phase.JOB):
                body = self._recorder.call(lambda: self._client.batches.list(config=config))  # noqa: B023  (runs now)
                page = self._calls.read(body, Phase.JOB)
            yield from (formats.decode_job(as_object(entry)) for entry in as_list(page.get("operations")))
            # Not the SDK's pager: it fails on an empty page that has a next one.
            token = as_text(page.get("nextPageToken"))
            if token is None:
                return

    def clean_up(self, job: BatchJob, *, input_file_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete the uploaded files and the job; the vendor deletes result files, whose names its API refuses."""
        for name in input_file_ids:
            self.delete_input(name)
        with self._calls.unless_gone(), self._calls.guard(Phase.JOB):
            self._client.batches.delete(name=job.job_name)
        return (*input_file_ids, job.job_name)

    def delete_input(self, file_id: str) -> None:
        """Delete a file; see `Fence.delete_input`."""
        try:
            with self._calls.unless_gone(), self._calls.guard(Phase.FILE):
                self._client.files.delete(name=file_id)
        except LLMProviderConfigurationError as exc:
            # Of a file that is gone Gemini says "no permission, or it may not exist"; a bad key fails at the job, too.
            if exc.status_code != _FORBIDDEN:
                raise

    def _live_path(self, request: Request) -> str:
        return formats.live_path(API_VERSION, request.params.model or self.model)

    def _live_result(self, request: Request, answer: Json, headers: Mapping[str, str]) -> Result:  # noqa: ARG002
        return formats.decode_answer(request.custom_id, answer)

    def _ping(self) -> None:
        self._client.batches.list(config=self._types.ListBatchJobsConfig(page_size=1))
