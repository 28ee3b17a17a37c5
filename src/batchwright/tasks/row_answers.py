"""What a provider's answer is to a row, and how it goes into the run database and comes out again."""

from decimal import Decimal
from typing import Any

import pydantic_core

from batchwright.checker import AnswerChecker
from batchwright.errors import AnswerError, TrackingError
from batchwright.result import Failure, FailureKind, Result, ResultStatus
from batchwright.run import RowAnswer, Run
from batchwright.sources.row_prompts import PromptSpec
from batchwright.tracking.runs import AnswerWriter

_KINDS = {str(kind): kind for kind in FailureKind}
_STATUSES = {
    FailureKind.EXPIRED: ResultStatus.EXPIRED,
    FailureKind.CANCELLED: ResultStatus.CANCELLED,
    FailureKind.MISSING: ResultStatus.MISSING,
}
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")


class Sink:
    """Judges answers and hands them to the database."""

    def __init__(self, writer: AnswerWriter, judge: "Judge") -> None:
        self._keep = writer.keep
        self._judge = judge.judge

    def put(self, item: int, result: Result, cost: Decimal | None, /) -> bool:
        """Keep what came back for a row; return whether it is an answer that can be used."""
        response, error = self._judge(result)
        self._keep(item, response, error, model=result.model, usage=result.usage, cost=cost)
        return error is None


class Judge:
    """Says what a result is to a row: an answer that fits the schema, or the reason why there is none."""

    def __init__(self, run: Run) -> None:
        schema = PromptSpec.from_config(run.config).output_schema
        self._checker = None if schema is None else AnswerChecker(schema)

    def judge(self, result: Result) -> tuple[str | None, str | None]:
        """Return the answer's text as it is kept, and what is wrong with it."""
        if result.status is not ResultStatus.SUCCEEDED:
            failure = result.failure
            return None, f"{failure.kind}: {failure.message}" if failure else str(result.status)
        text = result.text or ""
        if self._checker is None:
            return text, None
        try:
            value = self._checker.read(result)
        except AnswerError as exc:
            return text, f"malformed: {exc}"
        # As the model wrote it where that is JSON already; what was fenced or mended is kept as what it means.
        return text if text[:1] in _OPENING and text[-1:] in _CLOSING else _json(value), None


def result_of(answer: RowAnswer) -> Result:
    """Return the result that an answer was made of, as far as it was kept."""
    failure = None
    if answer.error is not None and answer.response is None:
        word, _, message = answer.error.partition(": ")
        kind = _KINDS.get(word, FailureKind.SERVER)
        failure = Failure(kind=kind, message=message or answer.error)
    return Result(
        custom_id=None,
        status=ResultStatus.SUCCEEDED if failure is None else _STATUSES.get(failure.kind, ResultStatus.ERRORED),
        text=answer.response,
        failure=failure,
        usage=answer.usage,
        model=answer.model,
    )


def value_of(response: str | None, row: int) -> Any:
    """Return the JSON of an answer that is kept. Raises `TrackingError` where it is none."""
    try:
        return pydantic_core.from_json(response or "", cache_strings="keys")
    except ValueError as exc:
        raise TrackingError(f"the answer to row {row} in the run database is damaged: {exc}") from exc


def _json(value: Any) -> str:
    return pydantic_core.to_json(value).decode()
