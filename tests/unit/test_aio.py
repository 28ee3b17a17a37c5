import asyncio

import pytest

from batchwright import aio


async def double(number):
    await asyncio.sleep(0)
    return number * 2


def test_a_coroutine_runs_to_its_value():
    assert aio.run(double(21)) == 42


def test_its_exception_is_raised_here():
    async def fail():
        raise ValueError("from the loop")

    with pytest.raises(ValueError, match="from the loop"):
        aio.run(fail())


def test_it_works_where_a_loop_is_running_already():
    async def notebook_cell():
        return aio.run(double(4))

    assert asyncio.run(notebook_cell()) == 8


def test_all_calls_share_one_loop():
    async def loop_id():
        return id(asyncio.get_running_loop())

    assert aio.run(loop_id()) == aio.run(loop_id())
