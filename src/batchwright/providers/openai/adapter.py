"""OpenAI: files and batches over its official SDK, and live calls of either endpoint without it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from batchwright.errors import ConfigurationError
from batchwright.job import BatchJob
from batchwright.providers.base import Cleaner, Fence, Limits, Rates
from batchwright.providers.failures import Phase
from batchwright.providers.jsonl import read_results
from batchwright.providers.openai import wire as formats
from batchwright.providers.openai.rates import decode_rates
from batchwright.providers.reading import Json, as_list, as_object, as_text
from batchwright.providers.vendor import VendorProvider, created_since, require_ended, sdk
from batchwright.request import Request
from batchwright.result import Result

_PAGE = 100
_CHUNK_BYTES = 1 << 16


class OpenAILLM(VendorProvider, Fence, Cleaner):
    """OpenAI. `endpoint` is `chat.completions` or `responses`; everything else as in `VendorProvider`.

    The batch carries our tag in its metadata under `batchwright`, the uploaded file in its name. A thinking budget
    becomes a reasoning effort (`openai.wire.reasoning_effort`). `OPENAI_ORG_ID` and the like are not sent: the key
    decides organisation and project.
    """

    name = formats.NAME
    MODEL: ClassVar[str] = "gpt-5.4-mini"
    BASE_URL: ClassVar[str] = "https://api.openai.com/v1"
    # Documented as 50,000 requests and 200 MB; read as decimal, the smaller of the two readings.
    limits = Limits(max_requests=50_000, max_bytes=200_000_000, max_creations_per_hour=2000)
    wire: formats.OpenAIWire

    def __init__(
        self, system_prompt: str | Path = "", *, endpoint: formats.Endpoint = "chat.completions", **options: Any
    ) -> None:
        if endpoint not in formats.PATHS:
            raise ConfigurationError(f"openai has no endpoint {endpoint!r}; known: {', '.join(formats.PATHS)}")
        self.endpoint = endpoint
        super().__init__(system_prompt, **options)
        self.wire = formats.OpenAIWire(
            defaults=self.defaults, system=self.system_prompt, endpoint=endpoint, temperature=self.TEMPERATURE
        )

    def _key_headers(self) -> Sequence[tuple[str, str]]:
        return [("authorization", f"Bearer {self._key}")]

    def _open_sdk(self, http: httpx2.Client) -> Any:
        return sdk("openai").OpenAI(
            api_key=self._key, base_url=self._base_url, max_retries=0, timeout=http.timeout, http_client=http
        )

    def submit(self, payload: Path, *, tag: str, before_create: Callable[[str | None], None]) -> BatchJob:
        """Upload the wire file and create the batch; see `Provider.submit`."""
        with payload.open("rb") as file, self._calls.guard(Phase.FILE):
            # An open file is streamed; a path would be read into memory whole.
            uploaded = self._client.files.create(file=(f"{tag}.jsonl", file), purpose="batch")
        before_create(uploaded.id)
        with self._calls.guard(Phase.CREATE):
            answer = self._client.batches.with_raw_response.create(
                completion_window="24h",
                endpoint=formats.PATHS[self.endpoint],
                input_file_id=uploaded.id,
                metadata={formats.TAG_KEY: tag},
            )
            return self._job(answer, Phase.CREATE)

    def get_batch_job(self, job_name: str) -> BatchJob:
        """Return the batch as it is now; see `Provider.get_batch_job`."""
        with self._calls.guard(Phase.JOB):
            return self._job(self._client.batches.with_raw_response.retrieve(job_name), Phase.JOB)

    def cancel_batch_job(self, job_name: str) -> BatchJob:
        """Ask for a cancel, which takes up to ten minutes, and return the batch."""
        with self._calls.guard(Phase.JOB):
            return self._job(self._client.batches.with_raw_response.cancel(job_name), Phase.JOB)

    def _job(self, answer: Any, phase: Phase) -> BatchJob:
        return self._calls.job(answer.http_response.content, formats.decode_job, phase)

    def results(self, job: BatchJob) -> Iterator[Result]:
        """Yield the lines of the output file, then of the error file; see `Provider.results`."""
        require_ended(job)
        return (result for file_id in job.output_file_ids for result in self._file_results(file_id))

    def _file_results(self, file_id: str) -> Iterator[Result]:
        with (
            self._calls.guard(Phase.JOB),
            self._client.files.with_streaming_response.content(file_id) as answer,
        ):
            yield from read_results(answer.iter_bytes(_CHUNK_BYTES), formats.decode_line, plain=formats.PLAIN.read)

    def list_jobs(self, since: datetime) -> Iterator[BatchJob]:
        """Yield the account's batches, newest first; see `Provider.list_jobs`."""
        after: dict[str, str] = {}
        while True:
            with self._calls.guard(Phase.JOB):
                answer = self._client.batches.with_raw_response.list(limit=_PAGE, **after)
                page = self._calls.read(answer.http_response.content, Phase.JOB)
            for entry in as_list(page.get("data")):
                job = formats.decode_job(as_object(entry))
                if not created_since(job, since):
                    return
                yield job
                after = {"after": job.job_name}
            if not as_list(page.get("data")) or page.get("has_more") is not True:
                return

    def clean_up(self, job: BatchJob, *, input_file_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete the uploaded files and both result files; a batch itself cannot be deleted."""
        names = [*input_file_ids, *job.output_file_ids]
        for name in names:
            self.delete_input(name)
        return tuple(names)

    def delete_input(self, file_id: str) -> None:
        """Delete a file; a batch that has not read it yet fails, one that has goes on."""
        with self._calls.unless_gone(), self._calls.guard(Phase.FILE):
            self._client.files.delete(file_id)

    def _live_path(self, request: Request) -> str:  # noqa: ARG002  (the same for all)
        return formats.LIVE_PATHS[self.endpoint]

    def _live_result(self, request: Request, answer: Json, headers: Mapping[str, str]) -> Result:
        return formats.decode_answer(request.custom_id, answer, request_id=as_text(headers.get("x-request-id")))

    def _read_rates(self, headers: Mapping[str, str], now: datetime) -> Rates | None:  # noqa: ARG002  (it counts from then)
        return decode_rates(headers)

    def _ping(self) -> None:
        self._client.batches.with_raw_response.list(limit=1)
