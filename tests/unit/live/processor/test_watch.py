"""The time of an attempt, watched by a timer that outlives it."""

import asyncio

import pytest

from batchwright.live.processor.attempt import attempt_at
from batchwright.live.processor.watch import Watch
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import run_virtual


def item(call):
    async def direct_call(attempt, seconds):
        return await call(), None

    return LLMWorkItem(item_id="1", direct_call=direct_call)


def taking(seconds):
    return item(lambda: asyncio.sleep(seconds, "done"))


def now():
    return asyncio.get_running_loop().time()


def test_each_attempt_has_its_whole_time_though_the_timer_is_older():
    async def go():
        watch = Watch()
        for seconds in (3, 4, 4.5):
            assert await attempt_at(taking(seconds), 1, 5, watch) == ("done", None)
        began = now()
        with pytest.raises(TimeoutError, match="no answer within 5 seconds"):
            await attempt_at(taking(60), 1, 5, watch)
        watch.close()
        return now() - began

    assert run_virtual(go()) == 5


def test_a_shorter_time_than_the_timers_is_kept_as_well():
    async def go():
        watch = Watch()
        await attempt_at(taking(1), 1, 100, watch)
        with pytest.raises(TimeoutError):
            await attempt_at(taking(60), 1, 5, watch)
        watch.close()
        return now()

    assert run_virtual(go()) == 6


def test_nothing_fires_between_attempts():
    async def go():
        watch = Watch()
        await attempt_at(taking(1), 1, 5, watch)
        await asyncio.sleep(100)
        assert await attempt_at(taking(4), 1, 5, watch) == ("done", None)
        watch.close()

    run_virtual(go())


def test_a_timeout_leaves_no_cancellation_behind():
    async def go():
        watch = Watch()
        with pytest.raises(TimeoutError):
            await attempt_at(taking(60), 1, 5, watch)
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)
        watch.close()

    run_virtual(go())


def test_a_call_that_answers_although_its_time_is_up_has_answered():
    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "late"

    async def go():
        watch = Watch()
        assert await attempt_at(item(stubborn), 1, 5, watch) == ("late", None)
        assert asyncio.current_task().cancelling() == 0
        assert await attempt_at(taking(4), 1, 5, watch) == ("done", None)
        watch.close()
        return now()

    assert run_virtual(go()) == 10


def test_what_a_call_raises_when_its_time_is_up_is_what_it_raised():
    async def translating():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise KeyError("translated") from None

    async def go():
        watch = Watch()
        with pytest.raises(KeyError, match="translated"):
            await attempt_at(item(translating), 1, 5, watch)
        assert asyncio.current_task().cancelling() == 0
        watch.close()

    run_virtual(go())


@pytest.mark.parametrize("at", [4, 5, 5.5])
def test_who_is_cancelled_from_outside_is_cancelled_at_its_last_moment_too(at):
    async def slow_to_go():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)

    async def attempt():
        await attempt_at(item(slow_to_go), 1, 5, Watch())

    async def go():
        task = asyncio.create_task(attempt())
        asyncio.get_running_loop().call_later(at, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(go())


def test_an_answer_at_the_last_moment_is_one_or_the_other_and_leaves_nothing_behind():
    async def go():
        watch = Watch()
        try:
            outcome = await attempt_at(taking(5), 1, 5, watch)
        except TimeoutError:
            outcome = None
        assert outcome in {None, ("done", None)}
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)
        watch.close()

    run_virtual(go())
