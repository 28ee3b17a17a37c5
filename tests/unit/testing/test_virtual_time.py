"""A loop whose time jumps."""

import asyncio
import threading
import time

import pytest

from batchwright.testing import run_virtual


def test_an_hour_takes_no_time_and_is_exact():
    async def wait():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert run_virtual(wait()) == 3600
    assert time.perf_counter() - began < 1


def test_timers_fire_in_their_order():
    fired = []

    async def one(seconds):
        await asyncio.sleep(seconds)
        fired.append(seconds)

    async def all_of_them():
        await asyncio.gather(one(30), one(0.1), one(7))

    run_virtual(all_of_them())
    assert fired == [0.1, 7, 30]


def test_a_timeout_is_reached_before_a_longer_wait():
    async def impatient():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(6)
        return asyncio.get_running_loop().time()

    assert run_virtual(impatient()) == 5


def test_time_stands_still_while_a_thread_works():
    release = threading.Event()

    async def work():
        loop = asyncio.get_running_loop()
        job = asyncio.create_task(asyncio.to_thread(release.wait, 5))
        loop.call_soon(release.set)
        async with asyncio.timeout(0.001):
            assert await job
        return loop.time()

    assert run_virtual(work()) == 0


def test_a_wait_that_could_never_end_is_an_error(monkeypatch):
    monkeypatch.setattr("batchwright.testing.virtual_time._STUCK_S", 0.01)

    async def hang():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="hung for ever"):
        run_virtual(hang())


def test_an_exception_that_nobody_took_is_raised():
    async def fail():
        raise KeyError("lost")

    async def forget():
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task

    with pytest.raises(RuntimeError, match="lost"):
        run_virtual(forget())
