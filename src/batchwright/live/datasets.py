"""Many prompts, and the rows of files, answered from Python: `batch_process` and `batch_from_csv`.

The model is one of the llm tool, one of batchwright's providers, or the name of either.
"""

import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from batchwright import aio
from batchwright.checker import AnswerChecker
from batchwright.errors import ConfigurationError
from batchwright.live.engine.answering import LiveEngine
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.settings import ProcessorConfig
from batchwright.live.rows.keys import Keys
from batchwright.live.rows.prompts import PromptRun
from batchwright.live.rows.responses import BatchResponse, response_of_row
from batchwright.live.rows.run import Ending, RowDone, RowRun
from batchwright.providers.base import Answerer
from batchwright.providers.model_names import route_of
from batchwright.providers.registry import open_provider
from batchwright.reports.datasets.base import Shape
from batchwright.reports.datasets.writing import Existing, open_report
from batchwright.request import OutputSchema
from batchwright.run import Run, RunStatus
from batchwright.sources.datasets.survey import survey
from batchwright.sources.row_prompts import PromptSpec, RowPrompts
from batchwright.sources.schemas import field_names
from batchwright.tracking.runs import RunStore

__all__ = ["BatchResponse", "batch_from_csv", "batch_process"]

_AHEAD: Final = 8
"""Prompts, for each that is asked at a time, that may be drawn while the oldest is still being answered."""
_AHEAD_AT_LEAST: Final = 64


def batch_process(
    model: Any,
    prompts: Iterable[str],
    *,
    concurrency: int = 1,
    rate_limit: float | None = None,
    system: str | None = None,
    response_model: type[BaseModel] | None = None,
    dedupe: bool = True,
) -> Iterator[tuple[str, Any]]:
    """Ask a model about every prompt and yield `(prompt, response)`, in the order of the prompts, as they come.

    `rate_limit` is prompts a minute, at most. A response is a `BatchResponse`; with `response_model` it is an instance
    of that, and a `BatchResponse` with its `error` only where there is none. Prompts are drawn as they are needed, so
    there may be any number of them. Equal prompts are asked and paid for once, unless `dedupe` is false; what came back
    for the first stands for the others, at no cost. Raises `ConfigurationError` for a model that nobody knows,
    `LLMProviderConfigurationError` for a key that is missing or refused, `LLMQuotaError` when the account has nothing
    left: what was answered before is yielded first.
    """
    answerer = answerer_of(model)
    schema = None if response_model is None else _schema_of(response_model)
    engine = _engine(answerer, concurrency, rate_limit)
    run = PromptRun(
        engine=engine,
        most=max(_AHEAD_AT_LEAST, _AHEAD * concurrency),
        system=system,
        schema=schema,
        response_model=response_model,
        dedupe=dedupe,
    )
    return run.answers(prompts)


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
    dedupe: bool = True,
) -> list[tuple[str, Any]]:
    """Ask a model about every row of a file, now, and return `(prompt, response)` in the order of the rows.

    The file may be of any format that datasets have. `output` is written as `batchwright batch --output` writes it.
    Equal prompts are asked once, unless `dedupe` is false. Responses are those of `batch_process`. Raises what that
    raises, and `InputError` for a file or row that cannot be read, before anything is sent, and for an output that is
    there already, unless `overwrite`.
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
        columns = survey(prompts.dataset, prompt=prompts.prompt).columns
        report = None
        if output is not None:
            shape = Shape(columns=columns, fields=field_names(schema))
            existing = Existing.REPLACE if overwrite else Existing.REFUSE
            report = stack.enter_context(open_report(Path(output), shape, existing=existing))

        def take(done: RowDone) -> None:
            found[done.position] = prompts.prompt(done.row), response_of_row(done, response_model)
            if report is not None:
                report.write(done.position, done.row.cells, done.outcome)

        ending = _ask_rows(prompts, _engine(answerer, concurrency, rate_limit), answerer.model, take, dedupe=dedupe)
        if ending.error is not None:
            raise ending.error
        if report is not None and ending.status is RunStatus.COMPLETED:
            report.finish()
    return [found[position] for position in sorted(found)]


def _ask_rows(
    prompts: RowPrompts, engine: LiveEngine, model: str, take: Callable[[RowDone], None], *, dedupe: bool
) -> Ending:
    """Ask every row, and forget the run: what Python asked is listed nowhere."""
    schema = prompts.spec.output_schema
    with tempfile.TemporaryDirectory(prefix="batchwright-") as folder:
        store = RunStore(Path(folder) / "batch.db")
        try:
            inputs = " ".join(prompts.spec.inputs)
            run = store.create(Run(run_id="run", created_at=datetime.now(UTC), input_file=inputs, model=model))
            rows = RowRun(
                engine=engine,
                prompts=prompts,
                store=store,
                run=run,
                on_row=take,
                keys=Keys({}),
                checker=None if schema is None else AnswerChecker(schema),
                dedupe=dedupe,
            )
            ending: Ending = aio.run(_closing(engine, rows.ask()))
        finally:
            store.close()
    return ending


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
