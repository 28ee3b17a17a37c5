"""One ask on its way through its attempts, and what all asks of an engine share: whom to ask, at what price."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from batchwright.errors import LLMProviderConfigurationError, LLMProviderError, LLMQuotaError
from batchwright.live.engine.chain import ProviderChain
from batchwright.live.engine.charges import PriceBook
from batchwright.live.engine.outcomes import error_of, failed_result
from batchwright.live.engine.sizing import TokenEstimator
from batchwright.live.limits.limiter import Limiter, RateLimiter
from batchwright.live.processor.work import WorkItemResult
from batchwright.pricing.rates import EXACT
from batchwright.providers.base import Answerer, Rates
from batchwright.request import Request
from batchwright.result import Result
from batchwright.usage import Usage

_NOTHING = Usage()
_RATES_SECONDS = 0.05
"""Answers tell of rates anew at most so often: a limit changes rarely, and reading it costs more than the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to be answered; `context` comes back with the answer, untouched."""

    request: Request
    context: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one attempt used: each is a request of its own to whoever makes the bill."""

    usage: Usage
    provider_name: str
    model: str
    answered: bool
    """An answer without any usage was paid for all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of one ask. Whether there is an answer, `result` says."""

    ask: Ask
    result: Result
    usage: Usage
    """Tokens of all attempts together."""
    attempts: int
    """As the settings count them: one that a rate limit refused is none. 0: nobody was asked."""
    seconds: float
    """How long the attempts took, without what was waited for between them."""
    provider_name: str
    """Who was asked last."""
    model: str
    """Who answered, in the vendor's name; without an answer, who was asked."""
    cost: Decimal | None
    """Dollars of all attempts; None = some of it has no known price."""
    wasted: tuple[Charge, ...] = ()
    """Attempts that used tokens and failed."""

    @property
    def charges(self) -> tuple[Charge, ...]:
        """Every attempt that is on the bill; together they used `usage`."""
        if not self.result.succeeded:
            return self.wasted
        answer = Charge(usage=self.result.usage, provider_name=self.provider_name, model=self.model, answered=True)
        return (*self.wasted, answer)


class Desk:
    """What the asks of one engine share; towards the pool, it is the limiter.

    `over` is the error that ended the run, once there is one.
    """

    def __init__(self, chain: ProviderChain, *, limiter: Limiter, prices: PriceBook) -> None:
        self.chain = chain
        self.limiter = limiter
        self.estimator = TokenEstimator()
        self.prices = prices
        self.over: LLMProviderError | None = None
        self._rates: Rates | None = None
        self._look = 0.0
        """When answers tell of rates again."""

    def whom(self) -> Answerer:
        """Return the provider to ask. Raises the error that ended the run."""
        if self.over is not None:
            raise self.over.with_traceback(None)  # else it would grow with every request that is told
        return self.chain.current

    async def acquire(self, tokens: int) -> None:
        """Wait for a turn at the limiter, unless nobody is asked any more."""
        if self.over is None:
            await self.limiter.acquire(tokens)

    def settle(self, estimated: int, used: int) -> None:
        """Pass on to the limiter what a request has used."""
        self.limiter.settle(estimated, used)

    def paused(self, seconds: float, consecutive: int) -> None:
        """Pass on to the limiter that everybody paused."""
        self.limiter.paused(seconds, consecutive)

    def estimate(self, request: Request) -> int:
        """Return the tokens that a request may use; 0 where nobody limits them."""
        return self.estimator.estimate(request) if self._counts_tokens else 0

    def answered(self, request: Request, usage: Usage) -> None:
        """Take in what an answered request used."""
        if self._counts_tokens:
            self.estimator.learn(request, usage)

    @property
    def _counts_tokens(self) -> bool:
        return not isinstance(self.limiter, RateLimiter) or self.limiter.tokens_per_minute is not None

    def learn(self, provider: Answerer, *, failed: bool = False) -> None:
        """Take in what the provider's newest answer said of its rates; of a failed one always, it may tell why."""
        if provider is not self.chain.current:
            return
        now = asyncio.get_running_loop().time()
        if now < self._look and not failed:
            return
        self._look = now + _RATES_SECONDS
        rates = provider.rates
        if rates is None or rates is self._rates:
            return
        self._rates = rates
        if isinstance(self.limiter, RateLimiter):
            self.limiter.learn(rates)

    def exhausted(self, provider: Answerer, error: LLMQuotaError) -> None:
        """Pass on to the next provider, or end the run when there is none."""
        asked = self.chain.current
        self.chain.give_up(provider, error)
        if self.chain.exhausted:
            self.end(self.chain.quota_error())
        elif self.chain.current is not asked and isinstance(self.limiter, RateLimiter):
            self.limiter.forget()
            self._look = 0.0

    def end(self, error: LLMProviderError) -> None:
        """Ask nobody any more; those who wait for their turn learn it at once."""
        if self.over is None:
            self.over = error
        if isinstance(self.limiter, RateLimiter):
            self.limiter.release()


@dataclass(slots=True, eq=False)
class Call:
    """One ask and what its attempts have come to so far. The pool calls it once for each attempt."""

    ask: Ask
    desk: Desk
    provider: Answerer
    usage: Usage = _NOTHING
    cost: Decimal | None = field(default_factory=Decimal)
    result: Result | None = None
    """Of the last attempt, where it had one."""
    wasted: tuple[Charge, ...] = ()
    asked: int = 0
    """How often somebody was asked."""

    async def __call__(self, _attempt: int, _timeout: float) -> tuple[Result, Mapping[str, int]]:
        """Ask, passing on from provider to provider while one after the other has used up its quota.

        Raises one of our errors for a failed result as well, so that the pool decides alike about both.
        """
        self.result = None
        while True:
            self.provider = self.desk.whom()
            try:
                return await self._asked(self.provider)
            except LLMQuotaError as error:
                self.desk.exhausted(self.provider, error)
            except LLMProviderConfigurationError as error:
                self.desk.end(error)
                raise

    async def _asked(self, provider: Answerer) -> tuple[Result, Mapping[str, int]]:
        self.asked += 1
        try:
            result = await provider.complete(self._request_for(provider))
        except BaseException:
            self.desk.learn(provider, failed=True)
            raise
        self.desk.learn(provider)
        self._add(result, provider)
        if not result.succeeded:
            self._waste(result, provider)
            error = error_of(result, provider.name)
            error.__dict__["_failed_token_usage"] = _tokens(result.usage)
            raise error
        self.desk.answered(self.ask.request, result.usage)
        return result, _tokens(result.usage)

    @property
    def asked_model(self) -> str:
        """The model that is asked, as its provider calls it."""
        return self._request_for(self.provider).params.model or self.provider.model

    def _request_for(self, provider: Answerer) -> Request:
        """Return the request; the model it names belongs to the first provider and means nothing to another vendor."""
        request = self.ask.request
        if request.params.model is None or provider.name == self.desk.chain.first.name:
            return request
        return replace(request, params=replace(request.params, model=None))

    def _add(self, result: Result, provider: Answerer) -> None:
        self.result = result
        if not result.usage.total_tokens:
            if result.succeeded:  # it cost something, and nobody says what
                self.cost = None
            return
        self.usage = result.usage if self.usage is _NOTHING else self.usage + result.usage
        if self.cost is not None:  # each attempt is priced by itself: tiers are by request
            cost = self.desk.prices.cost(result.usage, provider.name, result.model or self.asked_model)
            self.cost = None if cost is None else EXACT.add(self.cost, cost)

    def _waste(self, result: Result, provider: Answerer) -> None:
        if result.usage.total_tokens:
            model = result.model or self.asked_model
            charge = Charge(usage=result.usage, provider_name=provider.name, model=model, answered=False)
            self.wasted = (*self.wasted, charge)

    def answered(self, outcome: WorkItemResult) -> Answered:
        """Return what became of it; the vendor's own failed result where the last attempt had one."""
        result = self.result
        if result is None:
            error = outcome.exception or LLMProviderError(
                outcome.error or "no answer", provider_name=self.provider.name
            )
            result = failed_result(self.ask.request.custom_id, error)
        return Answered(
            ask=self.ask,
            result=result,
            usage=self.usage,
            attempts=min(outcome.attempts, self.asked),
            seconds=outcome.seconds,
            provider_name=self.provider.name,
            model=result.model or self.asked_model,
            cost=self.cost,
            wasted=self.wasted,
        )


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
