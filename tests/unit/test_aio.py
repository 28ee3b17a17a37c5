import asyncio
import gc
import subprocess
import sys
from contextlib import asynccontextmanager

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


class Door:
    """Remembers the loop it was opened and closed in."""

    def __init__(self):
        self.opened = self.closed = None

    @asynccontextmanager
    async def pass_through(self):
        self.opened = asyncio.get_running_loop()
        try:
            yield self
        finally:
            await asyncio.sleep(0)
            self.closed = asyncio.get_running_loop()


async def opened():
    door = Door()
    kept = await aio.keep(door.pass_through())
    assert kept.value is door
    assert door.closed is None
    return door, kept


def test_what_is_kept_is_closed_in_its_own_loop_when_that_ends():
    door, _kept = asyncio.run(opened())
    assert door.closed is door.opened is not None


def test_what_is_kept_is_closed_when_nobody_holds_it_any_more_also_in_a_circle():
    async def main():
        door, kept = await opened()
        circle = [kept]
        circle.append(circle)
        del kept, circle
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        return door.closed is door.opened

    assert asyncio.run(main())


def test_what_is_kept_can_be_closed_from_another_loop_and_twice():
    door, kept = aio.run(opened())
    asyncio.run(kept.aclose())
    assert door.closed is door.opened
    aio.run(kept.aclose())


def test_a_loop_that_was_closed_without_its_generators_leaves_nothing_open():
    class Plain:
        left = False

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            self.left = True

    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(aio.keep(Plain()))
    plain = kept.value
    loop.close()
    asyncio.run(kept.aclose())
    assert not plain.left
    del kept
    gc.collect()
    assert plain.left


@pytest.mark.parametrize(
    "how",
    [
        "aio.run(open_one())",
        "loop = asyncio.new_event_loop(); kept = loop.run_until_complete(open_one())",
        "loop = asyncio.new_event_loop(); kept = loop.run_until_complete(open_one()); loop.close()",
    ],
    ids=["private loop", "notebook's loop", "closed loop"],
)
def test_the_end_of_the_process_closes_what_is_open(how):
    code = f"""
import asyncio
from batchwright import aio

class Door:
    async def __aenter__(self): print("opened"); return self
    async def __aexit__(self, *_): print("closed")

held = []
async def open_one(): held.append(await aio.keep(Door()))

{how}
print("end")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.split(), done.stderr) == (["opened", "end", "closed"], "")


def test_the_end_of_the_process_does_not_wait_for_a_call_that_hangs():
    code = """
import asyncio, contextlib, threading
from batchwright import aio

def hang():
    with contextlib.suppress(BaseException):
        aio.run(asyncio.sleep(1000))

threading.Thread(target=hang, daemon=True).start()
while not asyncio.all_tasks(aio._private_loop()): pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
