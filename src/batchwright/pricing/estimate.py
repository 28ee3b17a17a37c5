"""What a run will use and cost, as ranges, before anything is sent. Pure.

Where finished runs say nothing, the assumptions below do, and the estimate says so. They are wide on purpose, for
models and languages differ much; one finished run of the same task narrows them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil, floor, sqrt

from batchwright.pricing.learned import AnswerLength, Lessons
from batchwright.pricing.overrides import PriceTable
from batchwright.pricing.prices import price_of
from batchwright.pricing.rates import EXACT
from batchwright.usage import Usage

BYTES_PER_TOKEN = 4
"""What our estimates of input tokens assume, in UTF-8. Bytes and not letters: where letters take more bytes, a token
holds fewer of them."""

UNLEARNED_INPUT = (0.6, 1.6)
"""What input tokens may really be, of those estimated, where nothing is known of the model."""
OTHER_TASK = (0.8, 1.25)
"""How much farther what was learned with another task, of the same model, may be off."""
OTHER_MODEL = (0.5, 2.0)
"""The same for answers to the same task by another model."""
LEARNED = (0.9, 1.1)
"""How far the next run may lie outside of what finished ones showed."""

UNLEARNED_ANSWER = (20, 2_000)
"""Output tokens of an answer where nothing is known; the more, because a model may think before it answers."""
UNLEARNED_ITEM = (10, 150)
"""Output tokens more for each further item an answer is about."""

UNLEARNED_LIVE_SECONDS = (1.0, 20.0)
"""Seconds of one live call where nothing is known."""
LONGEST_BATCH = 24 * 3600.0
"""Seconds that the providers give themselves for a batch job."""

_DEVIATIONS = 2.0
"""Of the sum of many answers' lengths: it lies within so many deviations in nineteen runs of twenty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is to be asked."""

    provider_name: str
    model: str
    task: str
    requests: int
    estimated_tokens: int
    """Input tokens of all requests at `BYTES_PER_TOKEN`."""
    items: int = 0
    """Items the requests are about; 0 where each is about one."""
    max_output_tokens: int | None = None
    """The most an answer may have."""
    workers: int = 1
    """Live calls at a time."""
    requests_per_minute: float | None = None
    """The most live calls a minute; None where nothing limits them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dollars:
    """A range of dollars."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a workload will use, cost and take: (low, high). Dollars are None where the price is unknown."""

    workload: Workload
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    live: Dollars | None
    batch: Dollars | None
    live_seconds: tuple[float, float]
    batch_seconds: tuple[float, float] | None
    """How long the provider's jobs took; None where none has finished. Providers give themselves `LONGEST_BATCH`."""
    rests_on: tuple[str, ...]
    """What the numbers are from, in sentences for a person."""


def tokens_in(text: str) -> int:
    """Return the tokens that a text is estimated as, at least 1 unless it is empty."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


def estimated(
    workload: Workload, lessons: Lessons, *, at: datetime | None = None, overrides: PriceTable | None = None
) -> Estimate:
    """Return what a workload will use and cost, by what finished runs taught."""
    input_tokens = _scaled(workload.estimated_tokens, _input_factors(lessons))
    output_tokens = _output_tokens(workload, lessons)

    def dollars(*, batch: bool) -> Dollars | None:
        ends = [
            _cost(workload, used_in, used_out, batch=batch, at=at, overrides=overrides)
            for used_in, used_out in zip(input_tokens, output_tokens, strict=True)
        ]
        return None if ends[0] is None or ends[1] is None else Dollars(low=ends[0], high=ends[1])

    return Estimate(
        workload=workload,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        live=dollars(batch=False),
        batch=dollars(batch=True),
        live_seconds=_live_seconds(workload, lessons),
        batch_seconds=lessons.batch_seconds,
        rests_on=tuple(_reasons(lessons)),
    )


def _input_factors(lessons: Lessons) -> tuple[float, float]:
    if lessons.input_ratio is None:
        return UNLEARNED_INPUT
    margin = LEARNED if lessons.same_task else OTHER_TASK
    return lessons.input_ratio[0] * margin[0], lessons.input_ratio[1] * margin[1]


def _output_tokens(workload: Workload, lessons: Lessons) -> tuple[int, int]:
    most = None if workload.max_output_tokens is None else workload.max_output_tokens * workload.requests
    low, high = _unlearned_output(workload) if lessons.answer is None else _learned_output(workload, lessons)
    return (low, high) if most is None else (min(low, most), min(high, most))


def _unlearned_output(workload: Workload) -> tuple[int, int]:
    further = max(0, workload.items - workload.requests)
    low, high = (
        answer * workload.requests + item * further
        for answer, item in zip(UNLEARNED_ANSWER, UNLEARNED_ITEM, strict=True)
    )
    return low, high


def _learned_output(workload: Workload, lessons: Lessons) -> tuple[int, int]:
    """The sum of many answers is known better than one: it varies with its root, and with how little was seen."""
    answer = lessons.answer
    assert isinstance(answer, AnswerLength)
    count = workload.requests
    growth = (workload.items or count) / max(1, count) / answer.items_per_request
    total = count * answer.mean * growth
    off = _DEVIATIONS * answer.deviation * sqrt(growth) * sqrt(count + count * count / answer.requests)
    margin = LEARNED if lessons.same_model else OTHER_MODEL
    return floor(max(0.0, total - off) * margin[0]), ceil((total + off) * margin[1])


def _cost(
    workload: Workload, input_tokens: int, output_tokens: int, *, batch: bool, at: datetime | None,
    overrides: PriceTable | None,
) -> Decimal | None:  # fmt: skip
    """Every request is taken to be as long as the others: where long prompts cost more, it is each one that is long."""
    count = workload.requests
    if not count:
        return Decimal(0)
    each = price_of(
        Usage(input_tokens=-(-input_tokens // count), output_tokens=-(-output_tokens // count)),
        provider_name=workload.provider_name,
        model=workload.model,
        batch=batch,
        at=at,
        overrides=overrides,
    )
    return None if each is None else EXACT.multiply(each, Decimal(count))


def _live_seconds(workload: Workload, lessons: Lessons) -> tuple[float, float]:
    rate = workload.requests_per_minute
    least = workload.requests / rate * 60 if rate else 0.0
    per_request = lessons.live_seconds_per_request
    if per_request is None:
        rounds = ceil(workload.requests / max(1, workload.workers))
        low, high = (rounds * seconds for seconds in UNLEARNED_LIVE_SECONDS)
    else:
        low, high = (workload.requests * seconds for seconds in per_request)
    return max(low, least), max(high, least)


def _scaled(tokens: int, factors: tuple[float, float]) -> tuple[int, int]:
    return floor(tokens * factors[0]), ceil(tokens * factors[1])


def _reasons(lessons: Lessons) -> Iterator[str]:
    if lessons.runs:
        yield f"{lessons.runs} finished run(s) of this model and task"
    if lessons.input_ratio is None:
        yield f"an assumption of {BYTES_PER_TOKEN} bytes a token, as no finished run says better"
    elif not lessons.same_task:
        yield "input as it was with other tasks of this model"
    if lessons.answer is None:
        yield "an assumption of how long answers are (with --limit, try a few first, and it is known)"
    elif not lessons.same_model:
        yield "answers as long as those of other models to this task"
