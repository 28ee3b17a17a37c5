"""What Python code gets for a prompt or a row: a `BatchResponse`, or an instance of the model that it asked for."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pydantic_core
from pydantic import BaseModel, ValidationError

from batchwright.checker import AnswerChecker
from batchwright.errors import AnswerError, BatchwrightError
from batchwright.live.engine.asking import Answered
from batchwright.live.engine.outcomes import error_of
from batchwright.live.rows.repeats import Again
from batchwright.live.rows.run import RowDone
from batchwright.result import Result
from batchwright.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResponse:
    """What came back for one prompt."""

    error: BatchwrightError | None
    """Why there is no answer that can be used; None where there is one."""
    model: str | None
    """Who answered."""
    usage: Usage
    cost: Decimal | None
    """Dollars; None where the price is unknown."""
    answer: str | None = None
    """The answer's text, also where it is not what a schema asks for."""

    def text(self) -> str:
        """Return the answer. Raises `error` where there is none."""
        if self.error is not None:
            raise self.error
        return self.answer or ""


def response_of(answered: Answered, checker: AnswerChecker | None, response_model: type[BaseModel] | None) -> Any:
    """Return the response to what was asked now."""
    value, error = _read(answered.result, answered.provider_name, checker)
    response = BatchResponse(
        answer=answered.result.text, error=error, model=answered.model, usage=answered.usage, cost=answered.cost
    )
    return _as_instance(response, value, response_model)


def response_again(again: Again, checker: AnswerChecker | None, response_model: type[BaseModel] | None) -> Any:
    """Return the response to a prompt that is another's equal."""
    value, error = _read(again.result, again.provider_name, checker)
    response = BatchResponse(answer=again.result.text, error=error, model=again.model, usage=Usage(), cost=Decimal(0))
    return _as_instance(response, value, response_model)


def response_of_row(done: RowDone, response_model: type[BaseModel] | None) -> Any:
    """Return the response to a row."""
    answer, answered = done.answer, done.answered
    error: BatchwrightError | None = None
    if answer.error is not None:
        failed = answered is not None and not answered.result.succeeded
        error = error_of(answered.result, answered.provider_name) if failed and answered else AnswerError(answer.error)
    response = BatchResponse(
        answer=answer.response, error=error, model=answer.model, usage=answer.usage, cost=answer.cost
    )
    return _as_instance(response, done.outcome.value, response_model)


def _read(result: Result, provider_name: str, checker: AnswerChecker | None) -> tuple[Any, BatchwrightError | None]:
    """Return what a result says, where that is asked for, and what is wrong with it."""
    if not result.succeeded:
        return None, error_of(result, provider_name)
    if checker is None:
        return None, None
    try:
        return checker.read(result), None
    except AnswerError as exc:
        return None, exc


def _as_instance(response: BatchResponse, value: Any, response_model: type[BaseModel] | None) -> Any:
    """Return the answer as an instance, where one is wanted and it can be one."""
    if response_model is None or response.error is not None:
        return response
    try:
        return response_model.model_validate_json(pydantic_core.to_json(value))
    except ValidationError as exc:
        error = AnswerError(f"the answer is no {response_model.__name__}: {exc.errors()[0]['msg']}")
        return replace(response, error=error)
