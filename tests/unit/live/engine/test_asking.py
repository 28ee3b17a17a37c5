"""What an engine's asks share: how often answers are read for the rates they tell of."""

import asyncio

from batchwright.errors import LLMQuotaError
from batchwright.live.engine.asking import Desk
from batchwright.live.engine.chain import ProviderChain
from batchwright.live.engine.charges import PriceBook
from batchwright.live.limits.limiter import RateLimiter
from batchwright.providers.base import Rates
from batchwright.testing import FakeProvider, run_virtual


class Telling(FakeProvider):
    """Tells of another rate each time it is asked for it, and counts how often it was."""

    def __init__(self, name: str = "openai") -> None:
        super().__init__(name=name)
        self.asked = 0

    @property
    def rates(self) -> Rates | None:
        self.asked += 1
        return Rates(requests_per_minute=1000 + self.asked)


def desk(*providers: FakeProvider) -> tuple[Desk, RateLimiter]:
    limiter = RateLimiter()
    return Desk(ProviderChain(providers), limiter=limiter, prices=PriceBook(None)), limiter


def test_of_many_answers_in_a_moment_one_is_read_for_its_rates() -> None:
    async def scene() -> tuple[int, int, float | None]:
        provider = Telling()
        shared, limiter = desk(provider)
        for _ in range(1000):
            shared.learn(provider)
        at_once = provider.asked
        for _ in range(100):  # ten seconds, with an answer every millisecond
            for _ in range(100):
                shared.learn(provider)
            await asyncio.sleep(0.1)
        return at_once, provider.asked, limiter.requests_per_minute

    at_once, asked, limit = run_virtual(scene())
    assert at_once == 1
    assert asked == 101 - 1  # the first of them came in the same moment as the thousand
    assert limit == 1000 + asked


def test_of_what_failed_every_answer_is_read_for_it_may_tell_why() -> None:
    async def scene() -> tuple[int, float | None]:
        provider = Telling()
        shared, limiter = desk(provider)
        shared.learn(provider)
        for _ in range(10):
            shared.learn(provider, failed=True)
        return provider.asked, limiter.requests_per_minute

    assert run_virtual(scene()) == (11, 1011)


def test_the_first_answer_of_the_next_provider_is_read_at_once() -> None:
    async def scene() -> tuple[int, float | None]:
        first, second = Telling(), Telling("gemini")
        shared, limiter = desk(first, second)
        shared.learn(first)
        shared.exhausted(first, LLMQuotaError("used up"))
        shared.learn(first)  # one that was under way says nothing about the next
        shared.learn(second)
        return second.asked, limiter.requests_per_minute

    assert run_virtual(scene()) == (1, 1001)


def test_calls_that_find_a_quota_used_up_late_make_nobody_forget_what_the_next_provider_said() -> None:
    async def scene() -> float | None:
        first, second = Telling(), Telling("gemini")
        shared, limiter = desk(first, second)
        shared.exhausted(first, LLMQuotaError("used up"))
        shared.learn(second)
        shared.exhausted(first, LLMQuotaError("used up"))
        return limiter.requests_per_minute

    assert run_virtual(scene()) == 1001
