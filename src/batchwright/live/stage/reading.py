"""An answer is read while it can still be asked again: text that is not the JSON it should be is a failed attempt."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from batchwright.answer import parse_result
from batchwright.errors import AnswerError
from batchwright.job import BatchJob
from batchwright.providers.base import Provider, Rates
from batchwright.request import OutputSchema, Request
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an answer says. `error` is why it cannot be used, None where it can."""

    text: str | None = field(repr=False)
    finish_reason: FinishReason
    value: Any = field(default=None, repr=False)
    """The parsed JSON, where JSON was asked for."""
    error: str | None = None


def read(result: Result, *, as_json: bool, schema: OutputSchema | None) -> Reading:
    """Return what a succeeded result says."""
    reading = Reading(text=result.text, finish_reason=result.finish_reason)
    if not as_json:
        cut = result.finish_reason is FinishReason.LENGTH
        return replace(reading, error="the answer was cut short at the output limit") if cut else reading
    try:
        value = parse_result(result, schema).value
    except AnswerError as exc:
        return replace(reading, error=str(exc))
    return replace(reading, value=value if schema is None else without_added_nulls(value, schema.schema))


def without_added_nulls(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return `value` without a null where a property is optional and cannot be null.

    Strict modes know no optional properties: the model has to write null for one it leaves out, which a pydantic model
    with a default would refuse.
    """
    return _without_nulls(value, schema, {**schema.get("definitions", {}), **schema.get("$defs", {})})


def _without_nulls(value: Any, node: Any, definitions: Mapping[str, Any]) -> Any:
    if not isinstance(node, Mapping):
        return value
    node = _resolved(node, definitions)
    if isinstance(value, list):
        return [_without_nulls(entry, node.get("items"), definitions) for entry in value]
    if not isinstance(value, dict) or not isinstance(node.get("properties"), Mapping):
        return value
    named, required = node["properties"], node.get("required", ())
    return {
        name: _without_nulls(entry, named.get(name), definitions)
        for name, entry in value.items()
        if entry is not None or name in required or name not in named or _nullable(named[name], definitions)
    }


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a node refers to, or the one thing it may be beside null."""
    seen: set[str] = set()
    while True:
        reference = node.get("$ref")
        options = [option for option in _options(node) if option.get("type") != "null"]
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            found = definitions.get(reference.rpartition("/")[2])
        elif len(options) == 1:
            found = options[0]
        else:
            return node
        if not isinstance(found, Mapping):
            return node
        node = found


def _nullable(node: object, definitions: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> bool:
    """Whether null may stand here; where a schema does not say, it may."""
    if not isinstance(node, Mapping):
        return True
    reference = node.get("$ref")
    if isinstance(reference, str):
        found = definitions.get(reference.rpartition("/")[2])
        return reference in seen or _nullable(found, definitions, seen | {reference})
    if options := _options(node):
        return any(_nullable(option, definitions, seen) for option in options)
    if "enum" in node:
        return None in node["enum"]
    kinds = node.get("type")
    return kinds in (None, "null") or (isinstance(kinds, list) and "null" in kinds)


def _options(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    options = (*node.get("anyOf", ()), *node.get("oneOf", ()))
    return [option for option in options if isinstance(option, Mapping)]


class ReadingProvider(Provider):
    """A provider whose live answers are read by `read_answer` before they count; all else it leaves to `inner`.

    An answer that cannot be used comes back as a failed result, so that it is asked again as other failures are; one
    that was cut short comes back as it is, for it would be cut at the same place.
    """

    def __init__(self, inner: Provider, read_answer: Callable[[Request, Result], Reading]) -> None:
        self.inner = inner
        self.name, self.model, self.account = inner.name, inner.model, inner.account
        self.limits, self.wire = inner.limits, inner.wire
        self._read_answer = read_answer

    @property
    def connections(self) -> int:
        """Live calls that have a connection at once."""
        return self.inner.connections

    @connections.setter
    def connections(self, number: int) -> None:
        self.inner.connections = number

    @property
    def rates(self) -> Rates | None:
        """What the last live answer said about the account's rates."""
        return self.inner.rates

    async def complete(self, request: Request) -> Result:
        """Answer and read the answer."""
        result = await self.inner.complete(request)
        if not result.succeeded:
            return result
        reading = self._read_answer(request, result)
        if reading.error is None or result.finish_reason is FinishReason.LENGTH:
            return result
        failure = Failure(kind=FailureKind.MALFORMED, message=reading.error)
        return replace(result, status=ResultStatus.ERRORED, text=None, failure=failure)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.inner.aclose()

    def submit(self, payload: Path, *, tag: str, before_create: Callable[[str | None], None]) -> BatchJob:
        """Create a batch job."""
        return self.inner.submit(payload, tag=tag, before_create=before_create)

    def get_batch_job(self, job_name: str) -> BatchJob:
        """Return a batch job."""
        return self.inner.get_batch_job(job_name)

    def results(self, job: BatchJob) -> Iterator[Result]:
        """Yield a batch job's results."""
        return self.inner.results(job)

    def cancel_batch_job(self, job_name: str) -> BatchJob:
        """Cancel a batch job."""
        return self.inner.cancel_batch_job(job_name)

    def list_jobs(self, since: datetime) -> Iterator[BatchJob]:
        """Yield batch jobs."""
        return self.inner.list_jobs(since)
