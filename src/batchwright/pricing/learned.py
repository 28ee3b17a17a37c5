"""What finished runs teach about the next: how many tokens a text really is, how long answers are, how long it takes.

The ledger is the store. Nothing is learned from an emulator, unless an emulator is to be asked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from batchwright.pricing.editions import is_edition
from batchwright.pricing.spending import Line, Spending

RUNS_KEPT = 20
"""The latest runs that count: prompts and models change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLength:
    """How long the answers of finished requests were, in output tokens, reasoning included."""

    requests: int
    mean: float
    deviation: float
    items_per_request: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What there is to learn; None where no finished run says it."""

    runs: int = 0
    """Finished runs of the very model and task."""
    input_ratio: tuple[float, float] | None = None
    """The least and the greatest part that the real input tokens of a run were of the estimated ones."""
    answer: AnswerLength | None = None
    same_model: bool = True
    """Whether `answer` is from the very model; otherwise from others with the same task."""
    same_task: bool = True
    """Whether `input_ratio` is from the very task; otherwise from others with the same model."""
    batch_seconds: tuple[float, float] | None = None
    """How long the fastest and the slowest of the provider's jobs took."""
    live_seconds_per_request: tuple[float, float] | None = None
    """How long a run took by its requests, the fastest and the slowest, at whatever concurrency it had."""


def lessons(runs: Sequence[Spending], *, provider_name: str, model: str, task: str, emulated: bool = False) -> Lessons:
    """Return what the ledger's runs (in their order) teach about asking a model to do a task."""
    known = [run for run in runs if run.emulated == emulated and run.lines]

    def of_model(run: Spending) -> bool:
        return all(line.provider_name == provider_name and is_edition(line.model, of=model) for line in run.lines)

    here = _latest(known, lambda run: of_model(run) and run.task == task)
    same_task = any(run.estimated_tokens for run in here)
    with_model = here if same_task else _latest(known, of_model)
    with_task = here or _latest(known, lambda run: run.task == task)
    at_provider = _latest(known, lambda run: run.lines[0].provider_name == provider_name)
    return Lessons(
        runs=len(here),
        input_ratio=_extent(_input_ratio(run) for run in with_model),
        same_task=same_task,
        answer=_answer_length(with_task),
        same_model=bool(here),
        batch_seconds=_extent(run.seconds for run in at_provider if run.lines[0].batch),
        live_seconds_per_request=_extent(
            run.seconds / _requests(run.lines) for run in with_model if not run.lines[0].batch
        ),
    )


def _latest(runs: Sequence[Spending], wanted: Callable[[Spending], bool]) -> list[Spending]:
    return [run for run in runs if wanted(run)][-RUNS_KEPT:]


def _input_ratio(run: Spending) -> float:
    if not run.estimated_tokens:
        return 0.0
    return sum(line.usage.input_tokens for line in run.lines) / run.estimated_tokens


def _answer_length(runs: Iterable[Spending]) -> AnswerLength | None:
    known = list(runs)
    lines = [line for run in known for line in run.lines]
    requests = _requests(lines)
    total = sum(line.usage.output_tokens for line in lines)
    if not requests or not total:
        return None
    mean = total / requests
    variance = sum(line.output_squares for line in lines) / requests - mean * mean
    items = sum(run.items or _requests(run.lines) for run in known)
    return AnswerLength(
        requests=requests, mean=mean, deviation=sqrt(max(0.0, variance)), items_per_request=items / requests
    )


def _requests(lines: Iterable[Line]) -> int:
    return sum(line.requests for line in lines)


def _extent(values: Iterable[float]) -> tuple[float, float] | None:
    """Return the least and the greatest of the values that are known, that is, not zero."""
    known = [value for value in values if value > 0]
    return (min(known), max(known)) if known else None
