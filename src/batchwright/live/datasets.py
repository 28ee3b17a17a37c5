"""Many prompts, and the rows of files, answered from Python: `batch_process` and `batch_from_csv`.

The model is one of the llm tool, one of batchwright's providers, or the name of either.
"""

import asyncio
import queue
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pydantic_core
from pydantic import BaseModel, ValidationError

from batchwright import aio
from batchwright.checker import AnswerChecker
from batchwright.errors import AnswerError, BatchwrightError, ConfigurationError
from batchwright.live.engine.answering import Answered, Ask, LiveEngine
from batchwright.live.engine.outcomes import error_of
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.settings import ProcessorConfig
from batchwright.live.rows.keys import Keys
from batchwright.live.rows.run import RowDone, RowRun
from batchwright.providers.base import Answerer
from batchwright.providers.model_names import route_of
from batchwright.providers.registry import open_provider
from batchwright.reports.datasets.base import Shape
from batchwright.reports.datasets.writing import Existing, open_report
from batchwright.request import Message, OutputSchema, Request
from batchwright.run import Run, RunStatus
from batchwright.sources.datasets.survey import survey
from batchwright.sources.row_prompts import PromptSpec
from batchwright.sources.schemas import field_names
from batchwright.tracking.runs import RunStore
from batchwright.usage import Usage

__all__ = ["BatchResponse", "batch_from_csv", "batch_process"]

_AHEAD: Final = 8
"""Prompts, for each that is asked at a time, that may be drawn while the oldest is still being answered."""
_AHEAD_AT_LEAST: Final = 64


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


def batch_process(
    model: Any,
    prompts: Iterable[str],
    *,
    concurrency: int = 1,
    rate_limit: float | None = None,
    system: str | None = None,
    response_model: type[BaseModel] | None = None,
) -> Iterator[tuple[str, Any]]:
    """Ask a model about every prompt and yield `(prompt, response)`, in the order of the prompts, as they come.

    `rate_limit` is prompts a minute, at most. A response is a `BatchResponse`; with `response_model` it is an instance
    of that, and a `BatchResponse` with its `error` only where there is none. Prompts are drawn as they are needed, so
    there may be any number of them. Raises `ConfigurationError` for a model that nobody knows,
    `LLMProviderConfigurationError` for a key that is missing or refused, `LLMQuotaError` when the account has nothing
    left: what was answered before is yielded first.
    """
    answerer = answerer_of(model)
    schema = None if response_model is None else _schema_of(response_model)
    engine = _engine(answerer, concurrency, rate_limit)
    return _in_order(engine, prompts, system, schema, response_model, max(_AHEAD_AT_LEAST, _AHEAD * concurrency))


def batch_from_csv(
    model: Any,
    path: str | Path,
    *,
    template: str | None = None,
    output: str | Path | None = None,
    rate_limit: float | None = None,
    concurrency: int = 1,
    system: str | None = None,
    response_model: type[BaseModel] | None = None,
    overwrite: bool = False,
) -> list[tuple[str, Any]]:
    """Ask a model about every row of a file, now, and return `(prompt, response)` in the order of the rows.

    The file may be of any format that datasets have. `output` is written as `batchwright batch --output` writes it.
    Equal prompts are asked once. Responses are those of `batch_process`. Raises what that raises, and `InputError` for
    a file or row that cannot be read, before anything is sent, and for an output that is there already, unless
    `overwrite`.
    """
    answerer = answerer_of(model)
    schema = None if response_model is None else _schema_of(response_model)
    spec = PromptSpec(
        inputs=(str(path),),
        template=template,
        system=system,
        schema=None if schema is None else schema.schema,
        schema_name="answer" if schema is None else schema.name,
    )
    found: dict[int, tuple[str, Any]] = {}
    with ExitStack() as stack:
        prompts = stack.enter_context(spec.open())
        measured = survey(prompts.dataset, prompt=prompts.prompt)
        store = RunStore(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchwright-"))) / "batch.db")
        stack.callback(store.close)
        report = None
        if output is not None:
            shape = Shape(columns=measured.columns, fields=field_names(schema))
            existing = Existing.REPLACE if overwrite else Existing.REFUSE
            report = stack.enter_context(open_report(Path(output), shape, existing=existing))

        def take(done: RowDone) -> None:
            found[done.position] = prompts.prompt(done.row), _response_of_row(done, response_model)
            if report is not None:
                report.write(done.position, done.row.cells, done.outcome)

        engine = _engine(answerer, concurrency, rate_limit)
        run = store.create(Run(run_id="run", created_at=datetime.now(UTC), input_file=str(path), model=answerer.model))
        rows = RowRun(
            engine=engine,
            prompts=prompts,
            store=store,
            run=run,
            on_row=take,
            keys=Keys({}),
            checker=None if schema is None else AnswerChecker(schema),
        )
        ending = aio.run(_closing(engine, rows.ask()))
        if ending.error is not None:
            raise ending.error
        if report is not None and ending.status is RunStatus.COMPLETED:
            report.finish()
    return [found[position] for position in sorted(found)]


def answerer_of(model: Any) -> Answerer:
    """Return who answers: the provider itself, a model of the llm tool made to, or what a name means.

    Raises `ConfigurationError` for what is neither, or a name that nobody knows.
    """
    if isinstance(model, Answerer):
        return model
    if isinstance(model, str):
        try:
            route = route_of(model)
        except ConfigurationError:
            found = _of_llm(model)
            if found is None:
                raise
            return found
        return open_provider(route.provider_name, model=route.model)
    if hasattr(model, "model_id") and hasattr(model, "prompt"):
        found = _of_llm(model)
        if found is not None:
            return found
    raise ConfigurationError(f"{model!r} is no model: give one of the llm tool, a provider, or a name")


def _of_llm(model: Any) -> Answerer | None:
    """Return the answerer over a model of the llm tool, or over the one of that name; None without the tool."""
    try:
        objects = import_module("batchwright.plugins.llm.objects")
    except ImportError:
        return None
    found: Answerer = objects.answerer_for(model)
    return found


def _engine(answerer: Answerer, concurrency: int, rate_limit: float | None) -> LiveEngine:
    try:
        config = ProcessorConfig(max_workers=concurrency)
        config.validate()
        limiter = RateLimiter(requests_per_minute=rate_limit)
    except ValueError as exc:
        raise ConfigurationError(f"concurrency or rate_limit cannot be: {exc}") from exc
    return LiveEngine([answerer], config=config, limiter=limiter)


def _schema_of(model: type[BaseModel]) -> OutputSchema:
    return OutputSchema(name=model.__name__, schema=model.model_json_schema())


async def _closing(engine: LiveEngine, work: Coroutine[Any, Any, Any]) -> Any:
    async with engine:
        return await work


class _Lane:
    """An engine in a thread of its own: asks go in, answers come out, in any order."""

    def __init__(self, engine: LiveEngine) -> None:
        self.answers: queue.SimpleQueue[Answered | BaseException | None] = queue.SimpleQueue()
        self._engine = engine
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asks: asyncio.Queue[Ask | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._serve, name="batchwright-batch", daemon=True)
        self._thread.start()
        self._ready.wait()

    def put(self, ask: Ask | None) -> None:
        """Ask something more; None: that was all."""
        assert self._loop is not None
        assert self._asks is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._asks.put_nowait, ask)

    def close(self) -> None:
        """Give up what is in flight."""
        if self._thread.is_alive() and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _serve(self) -> None:
        try:
            asyncio.run(self._answer())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001  (raised where the answers are read)
            self.answers.put(error)
        self.answers.put(None)

    async def _answer(self) -> None:
        self._loop, self._asks, self._task = asyncio.get_running_loop(), asyncio.Queue(), asyncio.current_task()
        self._ready.set()
        async with self._engine, aclosing(self._engine.answer(self._drawn(self._asks))) as answers:
            async for answered in answers:
                self.answers.put(answered)

    @staticmethod
    async def _drawn(asks: "asyncio.Queue[Ask | None]") -> AsyncIterator[Ask]:
        while (ask := await asks.get()) is not None:
            yield ask


def _in_order(
    engine: LiveEngine,
    prompts: Iterable[str],
    system: str | None,
    schema: OutputSchema | None,
    response_model: type[BaseModel] | None,
    most: int,
) -> Iterator[tuple[str, Any]]:
    """Yield each prompt with its response; no more than `most` prompts are open at a time."""
    checker = None if schema is None else AnswerChecker(schema)
    lane = _Lane(engine)
    arrived: dict[int, Answered] = {}
    open_prompts: deque[tuple[int, str]] = deque()

    def oldest() -> tuple[str, Any]:
        number, prompt = open_prompts[0]
        while number not in arrived:
            got = lane.answers.get()
            if isinstance(got, BaseException):
                raise got
            assert got is not None, "an engine that ends early raises"
            arrived[got.ask.context] = got
        open_prompts.popleft()
        return prompt, _response_of(arrived.pop(number), checker, response_model)

    try:
        for number, prompt in enumerate(prompts):
            request = Request(
                custom_id=f"prompt-{number}", messages=(Message.text(prompt),), system=system, output_schema=schema
            )
            lane.put(Ask(request=request, context=number))
            open_prompts.append((number, prompt))
            if len(open_prompts) >= most:
                yield oldest()
        lane.put(None)
        while open_prompts:
            yield oldest()
    finally:
        lane.close()


def _response_of(answered: Answered, checker: AnswerChecker | None, response_model: type[BaseModel] | None) -> Any:
    result = answered.result
    error: BatchwrightError | None = None
    value: Any = None
    if not result.succeeded:
        error = error_of(result, answered.provider_name)
    elif checker is not None:
        try:
            value = checker.read(result)
        except AnswerError as exc:
            error = exc
    response = BatchResponse(
        answer=result.text, error=error, model=answered.model, usage=answered.usage, cost=answered.cost
    )
    return _as_instance(response, value, response_model)


def _response_of_row(done: RowDone, response_model: type[BaseModel] | None) -> Any:
    answer, answered = done.answer, done.answered
    error: BatchwrightError | None = None
    if answer.error is not None:
        failed = answered is not None and not answered.result.succeeded
        error = error_of(answered.result, answered.provider_name) if failed and answered else AnswerError(answer.error)
    response = BatchResponse(
        answer=answer.response, error=error, model=answer.model, usage=answer.usage, cost=answer.cost
    )
    return _as_instance(response, done.outcome.value, response_model)


def _as_instance(response: BatchResponse, value: Any, response_model: type[BaseModel] | None) -> Any:
    """Return the answer as an instance, where one is wanted and it can be one."""
    if response_model is None or response.error is not None:
        return response
    try:
        return response_model.model_validate_json(pydantic_core.to_json(value))
    except ValidationError as exc:
        error = AnswerError(f"the answer is no {response_model.__name__}: {exc.errors()[0]['msg']}")
        return BatchResponse(
            answer=response.answer, error=error, model=response.model, usage=response.usage, cost=response.cost
        )
