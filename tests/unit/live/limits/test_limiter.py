"""Whose turn it is, in virtual time."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from batchwright.live.limits.limiter import RateLimiter
from batchwright.providers.base import Rates
from batchwright.testing import run_virtual


async def starts(limiter: RateLimiter, asked: list[int]) -> list[float]:
    """When each of several requests, asked for at once, had its turn."""
    loop = asyncio.get_running_loop()
    turns: list[float] = []

    async def one(tokens: int) -> None:
        await limiter.acquire(tokens)
        turns.append(loop.time())

    await asyncio.gather(*(one(tokens) for tokens in asked))
    return turns


def test_without_a_limit_nobody_waits_and_nothing_is_kept() -> None:
    async def scene() -> list[float]:
        return await starts(RateLimiter(), [10**9] * 1000)

    assert run_virtual(scene()) == [0.0] * 1000


def test_requests_are_spread_over_the_minute_from_the_first_second_on() -> None:
    async def scene() -> list[float]:
        return await starts(RateLimiter(requests_per_minute=60), [0] * 61)

    turns = run_virtual(scene())

    assert turns[-1] == pytest.approx(60.0)
    assert all(later - sooner == pytest.approx(1.0) for sooner, later in pairwise(turns))


def test_a_burst_is_given_only_to_who_allows_it() -> None:
    async def scene() -> list[float]:
        return await starts(RateLimiter(requests_per_minute=60, burst_seconds=60), [0] * 61)

    turns = run_virtual(scene())

    assert turns[:60] == [0.0] * 60
    assert turns[60] == pytest.approx(1.0)


def test_requests_and_tokens_hold_together_and_the_tighter_one_counts() -> None:
    async def scene() -> tuple[list[float], list[float]]:
        few_tokens = await starts(RateLimiter(requests_per_minute=600, tokens_per_minute=6000), [100] * 11)
        began = asyncio.get_running_loop().time()
        few_requests = await starts(RateLimiter(requests_per_minute=60, tokens_per_minute=600_000), [100] * 11)
        return few_tokens, [turn - began for turn in few_requests]

    few_tokens, few_requests = run_virtual(scene())

    assert few_tokens[-1] == pytest.approx(10.0)  # 100 tokens a second
    assert few_requests[-1] == pytest.approx(10.0)


def test_turns_come_in_the_order_of_asking_though_a_later_request_is_smaller() -> None:
    order: list[str] = []

    async def scene() -> None:
        limiter = RateLimiter(tokens_per_minute=6000)

        async def one(name: str, tokens: int) -> None:
            await limiter.acquire(tokens)
            order.append(name)

        await asyncio.gather(one("first", 100), one("huge", 5000), one("tiny", 1))

    run_virtual(scene())
    assert order == ["first", "huge", "tiny"]


def test_an_estimate_that_was_too_high_is_refunded_to_those_who_wait() -> None:
    async def scene() -> tuple[float, float]:
        return await time_of_second(lambda limiter: limiter.settle(3000, 1000)), await time_of_second(lambda _: None)

    async def time_of_second(settle: Callable[[RateLimiter], None]) -> float:
        loop = asyncio.get_running_loop()
        limiter = RateLimiter(tokens_per_minute=60_000)
        await limiter.acquire(3000)
        began = loop.time()
        second = asyncio.ensure_future(limiter.acquire(1000))
        await asyncio.sleep(0)
        settle(limiter)
        await second
        return loop.time() - began

    refunded, unsettled = run_virtual(scene())

    assert unsettled == pytest.approx(3.0)
    assert refunded == pytest.approx(1.0)


def test_an_estimate_that_was_too_low_is_charged() -> None:
    async def scene() -> float:
        limiter = RateLimiter(tokens_per_minute=60_000)
        await limiter.acquire(100)
        limiter.settle(100, 5100)
        await limiter.acquire(1000)
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == pytest.approx(5.1)


def test_over_ten_minutes_no_minute_sees_more_than_its_allowance_and_one_second() -> None:
    async def scene() -> list[float]:
        return await starts(RateLimiter(requests_per_minute=120), [0] * 1200)

    turns = run_virtual(scene())

    busiest = max(sum(1 for turn in turns if start <= turn < start + 60) for start in turns)
    assert 119 <= busiest <= 122


def test_one_cancelled_while_waiting_takes_nothing_and_holds_nobody_up() -> None:
    async def scene() -> float:
        limiter = RateLimiter(tokens_per_minute=6000)
        await limiter.acquire(100)
        huge = asyncio.ensure_future(limiter.acquire(100_000))
        small = asyncio.ensure_future(limiter.acquire(100))
        await asyncio.sleep(0.5)
        huge.cancel()
        await small
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == pytest.approx(1.0)


def test_one_cancelled_in_the_step_of_its_turn_gives_it_back() -> None:
    async def scene() -> float:
        limiter = RateLimiter(requests_per_minute=60)
        await limiter.acquire(0)
        unlucky = asyncio.ensure_future(limiter.acquire(0))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(1.0, unlucky.cancel)
        next_one = asyncio.ensure_future(limiter.acquire(0))
        await asyncio.gather(unlucky, return_exceptions=True)
        await next_one
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == pytest.approx(1.0)


def test_cancelling_everybody_leaves_a_limiter_that_works() -> None:
    async def scene() -> float:
        limiter = RateLimiter(requests_per_minute=60)
        crowd = [asyncio.ensure_future(limiter.acquire(0)) for _ in range(100)]
        await asyncio.sleep(2.5)
        for waiting in crowd:
            waiting.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        await limiter.acquire(0)
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == pytest.approx(3.0)


def test_the_provider_s_limit_holds_below_ours_and_never_above_it() -> None:
    limiter = RateLimiter(requests_per_minute=100)

    async def scene() -> list[float | None]:
        seen: list[float | None] = []
        for allowed in (40, 1000, None):
            limiter.learn(Rates(requests_per_minute=allowed))
            seen.append(limiter.requests_per_minute)
        return seen

    assert run_virtual(scene()) == [40, 100, 100]


def test_without_a_limit_of_ours_the_provider_s_holds_as_soon_as_it_is_known() -> None:
    async def scene() -> list[float]:
        limiter = RateLimiter()
        await limiter.acquire(0)
        limiter.learn(Rates(requests_per_minute=60, tokens_per_minute=10**6))
        return await starts(limiter, [0] * 4)

    assert run_virtual(scene()) == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_what_others_used_of_the_account_is_waited_for() -> None:
    async def scene() -> list[float]:
        limiter = RateLimiter(requests_per_minute=600, burst_seconds=10)
        limiter.learn(Rates(requests_per_minute=600, remaining_requests=2))
        await limiter.acquire(0)
        limiter.learn(Rates(requests_per_minute=600, remaining_requests=0))
        return await starts(limiter, [0] * 3)

    assert run_virtual(scene()) == pytest.approx([0.1, 0.2, 0.3])


def test_a_limit_that_is_learned_while_others_wait_is_felt_by_them() -> None:
    async def scene() -> float:
        limiter = RateLimiter(tokens_per_minute=60)
        await limiter.acquire(60)
        waiting = asyncio.ensure_future(limiter.acquire(1))
        await asyncio.sleep(1)
        limiter.learn(Rates(tokens_per_minute=30))
        await waiting
        return asyncio.get_running_loop().time()

    # 59 tokens of debt: one second at one a second, then the rest at half of that.
    assert run_virtual(scene()) == pytest.approx(1 + 59 / 0.5, rel=0.05)


def test_what_was_learned_of_one_account_is_forgotten_for_the_next() -> None:
    async def scene() -> tuple[float | None, float | None]:
        limiter = RateLimiter(requests_per_minute=100)
        limiter.learn(Rates(requests_per_minute=10, tokens_per_minute=10))
        limiter.forget()
        return limiter.requests_per_minute, limiter.tokens_per_minute

    assert run_virtual(scene()) == (100, None)


def test_those_who_will_not_ask_are_let_go_and_the_limit_stays() -> None:
    async def scene() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        limiter = RateLimiter(requests_per_minute=1)
        crowd = [asyncio.ensure_future(limiter.acquire(0)) for _ in range(50)]
        await asyncio.sleep(1)
        limiter.release()
        await asyncio.gather(*crowd)
        released = loop.time()
        await limiter.acquire(0)
        return released, loop.time()

    assert run_virtual(scene()) == (1.0, pytest.approx(60.0))


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "burst_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_of_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*above 0"):
        RateLimiter(**{name: value})


def test_after_a_refusal_everybody_goes_on_more_slowly_and_comes_back_in_time() -> None:
    async def scene() -> list[float | None]:
        limiter = RateLimiter(requests_per_minute=600)
        await limiter.acquire(0)
        limiter.paused(10.0, 1)
        seen = [limiter.requests_per_minute]
        await asyncio.sleep(500)
        await limiter.acquire(0)
        return [*seen, limiter.requests_per_minute]

    assert run_virtual(scene()) == [pytest.approx(420), 600]


def test_refusals_in_a_row_say_nothing_new_about_the_rate() -> None:
    async def scene() -> float | None:
        limiter = RateLimiter(requests_per_minute=600)
        for consecutive in (1, 2, 3, 4):
            limiter.paused(10.0, consecutive)
        return limiter.requests_per_minute

    assert run_virtual(scene()) == pytest.approx(420)


def test_without_a_rate_what_went_out_lately_is_taken_for_what_was_refused() -> None:
    async def scene() -> tuple[float | None, float | None]:
        limiter = RateLimiter()
        limiter.paused(10.0, 1)  # nothing went out that would tell
        before = limiter.requests_per_minute
        for _ in range(100):
            await limiter.acquire(0)
            await asyncio.sleep(0.1)
        await asyncio.sleep(10.0)
        limiter.paused(10.0, 1)
        return before, limiter.requests_per_minute

    assert run_virtual(scene()) == (None, pytest.approx(420, rel=0.05))


def test_a_pace_that_was_set_for_want_of_a_rate_is_dropped_in_the_end() -> None:
    async def scene() -> float | None:
        limiter = RateLimiter()
        for _ in range(10):
            await limiter.acquire(0)
        limiter.paused(0.0, 1)
        for _ in range(1000):
            await asyncio.sleep(1)
            await limiter.acquire(0)
        return limiter.requests_per_minute

    assert run_virtual(scene()) is None
