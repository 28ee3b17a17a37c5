"""The live engine over providers in memory, in virtual time."""

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from batchwright.errors import (
    LLMConnectionError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
)
from batchwright.live.engine.answering import Answered, Ask, LiveEngine, Progress, ProviderChange, QuotaPolicy
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.providers.base import Rates
from batchwright.request import Message, Params, Request
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.testing import FakeProvider, run_virtual
from batchwright.usage import Usage

USED = Usage(input_tokens=1_000_000, output_tokens=100_000)
"""So much that prices are round figures: gpt-4o takes 2.50 and 10.00 dollars a million."""
PRICE = Decimal("3.50")
NOTHING = Usage()
PATIENT = ProcessorConfig(
    max_workers=10, rate_limit=RateLimitConfig(cooldown_seconds=60, slow_start_items=0), retry=RetryConfig(jitter=False)
)

Step = Result | LLMProviderError | Callable[[Request], Result | LLMProviderError]


class Scripted(FakeProvider):
    """Answers after `latency`, by `script` as long as it has steps for a request, then with a plain answer."""

    def __init__(
        self,
        script: dict[str, list[Step]] | Callable[[Request], Step | None] | None = None,
        *,
        name: str = "openai",
        model: str = "gpt-4o",
        latency: float = 0.1,
    ) -> None:
        super().__init__(name=name, model=model)
        self.script = script or {}
        self.latency = latency
        self.asked: Counter[str] = Counter()
        self.models: list[str | None] = []
        self.in_flight = self.most_in_flight = 0
        self.closed = 0
        self.told: Rates | None = None

    @property
    def rates(self) -> Rates | None:
        return self.told

    async def complete(self, request: Request) -> Result:
        self.asked[request.custom_id] += 1
        self.models.append(request.params.model)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        step = self._step(request)
        if isinstance(step, LLMProviderError):
            raise step
        return step

    def _step(self, request: Request) -> Result | LLMProviderError:
        if callable(self.script):
            step = self.script(request)
        else:
            steps = self.script.get(request.custom_id, [])
            step = steps.pop(0) if steps else None
        if callable(step):
            step = step(request)
        return succeeded(request.custom_id) if step is None else step

    async def aclose(self) -> None:
        self.closed += 1


def succeeded(custom_id: str) -> Result:
    return Result(
        custom_id=custom_id,
        status=ResultStatus.SUCCEEDED,
        text=f"answer to {custom_id}",
        finish_reason=FinishReason.STOP,
        usage=USED,
        model="gpt-4o",
        request_id=f"req-{custom_id}",
    )


def failed(custom_id: str, kind: FailureKind, usage: Usage = NOTHING) -> Result:
    failure = Failure(kind=kind, message=f"it is {kind}")
    return Result(custom_id=custom_id, status=ResultStatus.ERRORED, failure=failure, usage=usage, model="gpt-4o")


def request(custom_id: str, **params: Any) -> Request:
    return Request(custom_id=custom_id, messages=(Message.text("hello"),), params=Params(**params))


def asks(number: int) -> Iterator[Ask]:
    return (Ask(request=request(f"r{n}"), context=n) for n in range(number))


def engine(*providers: FakeProvider, config: ProcessorConfig = PATIENT, **options: Any) -> LiveEngine:
    return LiveEngine(providers, config=config, **options)


async def everything(live: LiveEngine, questions: Iterable[Ask]) -> list[Answered]:
    async with live:
        return [answered async for answered in live.answer(questions)]


async def until_error(live: LiveEngine, questions: Iterable[Ask]) -> tuple[list[Answered], Exception | None]:
    """What came, and what was raised after it."""
    came: list[Answered] = []
    try:
        async with live:
            async for answered in live.answer(questions):
                came.append(answered)  # noqa: PERF401  (what came before an error counts)
    except LLMProviderError as error:
        return came, error
    return came, None


def ids(answered: Iterable[Answered]) -> list[str]:
    return [one.ask.request.custom_id for one in answered]


def kind_of(answered: Answered) -> FailureKind | None:
    return answered.result.failure.kind if answered.result.failure else None


# --- answers -----------------------------------------------------------------------------------------------------


def test_every_ask_is_answered_once_with_its_context_tokens_price_and_who_answered() -> None:
    answered = run_virtual(everything(engine(Scripted()), asks(25)))

    assert sorted(ids(answered)) == sorted(f"r{n}" for n in range(25))
    assert all(one.ask.request.custom_id == f"r{one.ask.context}" for one in answered)
    one = answered[0]
    assert one.result.text == f"answer to {one.ask.request.custom_id}"
    assert (one.usage, one.cost, one.attempts) == (USED, PRICE, 1)
    assert (one.provider_name, one.model) == ("openai", "gpt-4o")
    assert one.seconds == pytest.approx(0.1)


def test_answers_come_in_the_order_in_which_they_are_there() -> None:
    class Slow(Scripted):
        async def complete(self, request: Request) -> Result:
            self.latency = 5.0 if request.custom_id == "r0" else 1.0
            return await super().complete(request)

    answered = run_virtual(everything(engine(Slow()), asks(4)))

    assert ids(answered)[-1] == "r0"


def test_asks_may_come_asynchronously_and_depend_on_answers() -> None:
    async def scene() -> list[str]:
        queue: asyncio.Queue[Ask | None] = asyncio.Queue()

        async def feed() -> AsyncIterator[Ask]:
            while (ask := await queue.get()) is not None:
                yield ask

        queue.put_nowait(Ask(request=request("first")))
        seen = []
        async with engine(Scripted()) as live:
            async for answered in live.answer(feed()):
                seen.append(answered.ask.request.custom_id)
                queue.put_nowait(Ask(request=request("second")) if len(seen) == 1 else None)
        return seen

    assert run_virtual(scene()) == ["first", "second"]


def test_no_more_requests_are_in_flight_than_there_are_workers() -> None:
    provider = Scripted()
    run_virtual(everything(engine(provider, config=replace(PATIENT, max_workers=7)), asks(50)))

    assert provider.most_in_flight == 7
    assert provider.connections == 7


# --- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FailureKind.SERVER, FailureKind.TIMEOUT, FailureKind.MALFORMED])
def test_a_failed_result_that_waiting_mends_is_asked_again_and_everything_it_used_is_counted(kind: FailureKind) -> None:
    provider = Scripted({"r0": [failed("r0", kind, USED), failed("r0", kind)]})
    (answered,) = run_virtual(everything(engine(provider), asks(1)))

    assert answered.result.succeeded
    assert answered.attempts == 3
    assert (answered.usage, answered.cost) == (USED + USED, PRICE * 2)


def test_every_attempt_that_used_something_is_on_the_bill_by_itself() -> None:
    half = Usage(input_tokens=500_000)
    provider = Scripted({"r0": [failed("r0", FailureKind.SERVER, half), LLMServerError("down")]})
    (answered,) = run_virtual(everything(engine(provider), asks(1)))

    wasted, paid = answered.charges
    assert (wasted.usage, wasted.answered) == (half, False)
    assert (paid.usage, paid.answered) == (USED, True)
    assert wasted.usage + paid.usage == answered.usage
    assert {(charge.provider_name, charge.model) for charge in answered.charges} == {("openai", "gpt-4o")}


def test_what_another_provider_wasted_is_on_its_own_bill() -> None:
    first = Scripted({"r0": [failed("r0", FailureKind.ACCOUNT, USED)]}, name="first", model="m")
    (answered,) = run_virtual(everything(engine(first, Scripted()), asks(1)))

    assert [(charge.provider_name, charge.answered) for charge in answered.charges] == [
        ("first", False),
        ("openai", True),
    ]


def test_what_never_ran_is_on_no_bill() -> None:
    provider = Scripted({"r0": [failed("r0", FailureKind.INVALID_REQUEST)]})
    (answered,) = run_virtual(everything(engine(provider), asks(1)))

    assert answered.charges == ()


@pytest.mark.parametrize("error", [LLMServerError("down"), LLMConnectionError("cut")])
def test_an_error_that_waiting_mends_is_asked_again_as_the_settings_say(error: LLMProviderError) -> None:
    provider = Scripted({"r0": [error] * 5})
    (answered,) = run_virtual(everything(engine(provider), asks(1)))

    assert not answered.result.succeeded
    assert kind_of(answered) is FailureKind.SERVER
    assert provider.asked["r0"] == answered.attempts == 3


@pytest.mark.parametrize("kind", [FailureKind.INVALID_REQUEST, FailureKind.BLOCKED])
def test_what_would_fail_again_is_not_asked_again_and_keeps_the_vendor_s_words(kind: FailureKind) -> None:
    theirs = failed("r0", kind, USED)
    provider = Scripted({"r0": [theirs]})
    (answered,) = run_virtual(everything(engine(provider), asks(1)))

    assert answered.result is theirs
    assert (provider.asked["r0"], answered.cost) == (1, PRICE)


def test_an_attempt_that_takes_too_long_is_a_timeout_though_an_earlier_one_failed_otherwise() -> None:
    class Sleepy(Scripted):
        async def complete(self, request: Request) -> Result:
            self.latency = 0.1 if not self.asked[request.custom_id] else 1000.0
            return await super().complete(request)

    provider = Sleepy({"r0": [failed("r0", FailureKind.SERVER)]})
    config = replace(PATIENT, timeout_per_item=5.0)
    (answered,) = run_virtual(everything(engine(provider, config=config), asks(1)))

    assert kind_of(answered) is FailureKind.TIMEOUT
    assert provider.in_flight == 0


def test_a_rate_limit_pauses_everybody_and_costs_no_attempt() -> None:
    provider = Scripted({"r3": [LLMRateLimitError("slow down", retry_after=30.0)]})

    async def scene() -> tuple[list[Answered], float]:
        answered = await everything(engine(provider), asks(20))
        return answered, asyncio.get_running_loop().time()

    answered, seconds = run_virtual(scene())

    assert all(one.result.succeeded for one in answered)
    assert {one.attempts for one in answered} == {1}
    assert seconds == pytest.approx(30.2, abs=1.0)


def test_a_rate_limited_result_is_treated_like_a_rate_limit_error() -> None:
    provider = Scripted({"r0": [failed("r0", FailureKind.RATE_LIMITED)] * 4})
    (answered,) = run_virtual(everything(engine(provider), asks(1)))

    assert answered.result.succeeded
    assert answered.attempts == 1


def test_a_price_that_nobody_knows_is_unknown_and_a_failure_that_used_nothing_is_free() -> None:
    unknown = Scripted({"r0": [replace(succeeded("r0"), model="nobody-s-model")]})
    free = Scripted({"r0": [failed("r0", FailureKind.BLOCKED)]}, model="nobody-s-model")

    assert run_virtual(everything(engine(unknown), asks(1)))[0].cost is None
    assert run_virtual(everything(engine(free), asks(1)))[0].cost == 0


# --- providers in their order ---------------------------------------------------------------------------------------


def out_of_money(after: int) -> Callable[[Request], Step | None]:
    served = Counter[str]()

    def step(_: Request) -> Step | None:
        served["all"] += 1
        return LLMQuotaError("insufficient quota", status_code=429) if served["all"] > after else None

    return step


def test_when_a_quota_is_used_up_the_next_provider_goes_on_and_it_is_told_once() -> None:
    changes: list[ProviderChange] = []
    first, second = Scripted(out_of_money(12)), Scripted(name="anthropic", model="claude-haiku-4-5")
    answered = run_virtual(everything(engine(first, second, on_provider_change=changes.append), asks(40)))

    assert all(one.result.succeeded for one in answered)
    assert Counter(one.provider_name for one in answered) == {"openai": 12, "anthropic": 28}
    assert [(change.exhausted, change.successor) for change in changes] == [("openai", "anthropic")]
    assert sum(first.asked.values()) <= 12 + 10  # those in flight when it was found out
    assert {one.attempts for one in answered} == {1}


def test_the_model_a_request_names_is_not_asked_of_another_vendor() -> None:
    first, second = Scripted(out_of_money(0)), Scripted(name="anthropic", model="claude-haiku-4-5")
    twin = Scripted()
    named = [Ask(request=request("r0", model="gpt-4o-mini"))]

    run_virtual(everything(engine(first, second), named))
    run_virtual(everything(engine(Scripted(out_of_money(0)), twin), named))

    assert (first.models, second.models, twin.models) == (["gpt-4o-mini"], [None], ["gpt-4o-mini"])


def test_when_nobody_is_left_what_is_in_flight_is_yielded_and_then_the_quota_error_is_raised() -> None:
    pulled: list[int] = []

    def counted() -> Iterator[Ask]:
        for n, ask in enumerate(asks(10_000)):
            pulled.append(n)
            yield ask

    first, second = Scripted(out_of_money(15)), Scripted(out_of_money(25), name="anthropic")
    came, error = run_virtual(until_error(engine(first, second), counted()))

    assert isinstance(error, LLMQuotaError)
    assert "every provider has used up its quota (openai, anthropic)" in str(error)
    assert len(came) == len(set(ids(came))) == len(pulled)
    assert sum(one.result.succeeded for one in came) == 40
    assert {kind_of(one) for one in came if not one.result.succeeded} == {FailureKind.ACCOUNT}
    assert len(pulled) <= 40 + 2 * 10


def test_by_the_other_policy_the_rest_comes_back_failed_and_unasked_without_waiting_for_a_limit() -> None:
    provider = Scripted(out_of_money(15))
    limiter = RateLimiter(requests_per_minute=60)

    async def scene() -> tuple[list[Answered], float]:
        live = engine(provider, on_quota=QuotaPolicy.FAIL, limiter=limiter)
        return await everything(live, asks(1000)), asyncio.get_running_loop().time()

    answered, seconds = run_virtual(scene())

    assert len(answered) == 1000
    assert sum(one.result.succeeded for one in answered) == 15
    assert sum(provider.asked.values()) <= 15 + 10
    assert Counter(one.attempts for one in answered)[0] >= 1000 - 15 - 10
    assert seconds < 18  # those who waited for their turn are told at once, too
    assert limiter.requests_per_minute == 60  # another engine may use it


def test_a_refused_key_ends_the_run_and_asks_no_other_provider() -> None:
    refusal = LLMProviderConfigurationError("the key was refused", status_code=401)
    second = Scripted(name="anthropic")
    came, error = run_virtual(until_error(engine(Scripted(lambda _: refusal), second), asks(1000)))

    assert error is refusal
    assert len(came) <= 20
    assert {kind_of(one) for one in came} == {FailureKind.ACCOUNT}
    assert not second.asked


@pytest.mark.parametrize("policy", QuotaPolicy)
def test_a_refused_key_ends_the_run_whatever_the_policy_for_quotas(policy: QuotaPolicy) -> None:
    refusal = LLMProviderConfigurationError("the key was refused", status_code=401)
    came, error = run_virtual(until_error(engine(Scripted(lambda _: refusal), on_quota=policy), asks(1000)))

    assert error is refusal
    assert len(came) <= 20


def test_a_run_that_ends_early_does_not_wait_for_asks_that_never_come() -> None:
    async def scene() -> Exception | None:
        async def feed() -> AsyncIterator[Ask]:
            yield Ask(request=request("r0"))
            await asyncio.Event().wait()

        _, error = await until_error(engine(Scripted(out_of_money(0))), feed())  # type: ignore[arg-type]
        return error

    assert isinstance(run_virtual(scene()), LLMQuotaError)


# --- limits ---------------------------------------------------------------------------------------------------------


def test_what_the_headers_say_is_kept_to() -> None:
    provider = Scripted()
    provider.told = Rates(requests_per_minute=60)

    async def scene() -> float:
        await everything(engine(provider, config=replace(PATIENT, max_workers=1)), asks(31))
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == pytest.approx(29.1, abs=0.2)  # one to learn it from, one of the burst


def test_what_one_provider_said_does_not_hold_for_the_next() -> None:
    first, second = Scripted(out_of_money(5)), Scripted(name="anthropic")
    first.told = Rates(requests_per_minute=6)
    limiter = RateLimiter()
    run_virtual(everything(engine(first, second, limiter=limiter), asks(50)))

    assert limiter.requests_per_minute is None


def test_tokens_are_limited_by_what_answers_are_seen_to_use() -> None:
    """Estimates begin far too low here (a million tokens an answer); after a few answers the limit holds."""
    provider = Scripted()

    async def scene() -> float:
        limiter = RateLimiter(tokens_per_minute=USED.total_tokens * 60)
        await everything(engine(provider, limiter=limiter), asks(300))
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == pytest.approx(300, rel=0.1)


# --- progress, events, ends ----------------------------------------------------------------------------------------


def test_progress_adds_up_and_the_last_report_says_it_is_over() -> None:
    reports: list[Progress] = []
    provider = Scripted({"r1": [failed("r1", FailureKind.BLOCKED)]})

    async def scene() -> None:
        async with engine(provider, on_progress=reports.append) as live:
            async for _ in live.answer(asks(100), total=100):
                pass

    run_virtual(scene())

    last = reports[-1]
    assert (last.done, last.failed, last.total, last.over) == (100, 1, 100, True)
    assert (last.cost, last.unpriced, last.usage.input_tokens) == (PRICE * 99, 0, 99 * USED.input_tokens)
    assert last.rate == pytest.approx(100, rel=0.1)
    assert [report.over for report in reports[:-1]] == [False] * (len(reports) - 1)
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert len(reports) <= 12  # ten a second


def test_events_say_who_was_asked_and_what_it_cost() -> None:
    heard: list[tuple[ProcessingEvent, dict[str, Any]]] = []

    class Ear:
        def on_event(self, event: ProcessingEvent, data: dict[str, Any]) -> None:
            heard.append((event, data))

    provider = Scripted({"r1": [failed("r1", FailureKind.BLOCKED)]})
    run_virtual(everything(engine(provider, observers=[Ear()]), asks(2)))

    ends = {data["item_id"]: (event, data) for event, data in heard if "cost" in data}
    event, data = ends["r0"]
    assert event is ProcessingEvent.ITEM_COMPLETED
    assert (data["provider_name"], data["model"], data["response_model"]) == ("openai", "gpt-4o", "gpt-4o")
    assert (data["cost"], data["finish_reasons"], data["request_id"]) == (PRICE, ["stop"], "req-r0")
    assert ends["r1"][0] is ProcessingEvent.ITEM_FAILED
    started = [data for event, data in heard if event is ProcessingEvent.ITEM_STARTED]
    assert {data["provider_name"] for data in started} == {"openai"}


def test_leaving_early_ends_what_is_in_flight_and_closing_closes_the_providers() -> None:
    provider = Scripted()

    async def scene() -> list[str]:
        seen = []
        async with engine(provider) as live, aclosing(live.answer(asks(1000))) as answers:
            async for answered in answers:
                seen.append(answered.ask.request.custom_id)
                if len(seen) == 5:
                    break
        return seen

    assert len(run_virtual(scene())) == 5
    assert provider.in_flight == 0
    assert provider.closed == 1


def test_a_cancelled_run_leaves_nothing_in_flight() -> None:
    provider = Scripted(latency=1000.0)

    async def scene() -> None:
        task = asyncio.create_task(everything(engine(provider), asks(50)))
        await asyncio.sleep(1)
        assert provider.in_flight == 10
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(scene())
    assert provider.in_flight == 0
    assert provider.closed == 1


def test_an_engine_answers_one_stream_after_another() -> None:
    async def scene() -> Sequence[int]:
        async with engine(Scripted()) as live:
            return [len([one async for one in live.answer(asks(number))]) for number in (3, 5)]

    assert run_virtual(scene()) == [3, 5]


def test_answers_that_were_taken_are_kept_nowhere() -> None:
    async def scene() -> int:
        alive: list[weakref.ref[Any]] = []
        most = 0
        async with engine(Scripted(latency=0.0)) as live:
            async for answered in live.answer(Ask(request=request(f"r{n}"), context=Context()) for n in range(2000)):
                alive.append(weakref.ref(answered.ask.context))
                if len(alive) % 500 == 0:
                    gc.collect()
                    most = max(most, sum(1 for ref in alive if ref() is not None))
        return most

    assert run_virtual(scene()) <= 50


class Context:
    """Something a weak reference can be made to."""
