import asyncio
import threading
from contextlib import closing

import pytest

from batchwright import aio
from batchwright.live.stage.bridge import _Work, events_of

TICK = 0.02


def test_events_come_in_order_in_the_callers_thread():
    threads = set()

    async def work(emit):
        threads.add(threading.current_thread())
        for number in range(100):
            await emit(number)

    assert [event for event in events_of(work, backlog=3, tick=60) if event is not None] == list(range(100))
    assert threading.current_thread() not in threads


def test_work_waits_while_nobody_takes_its_events():
    emitted = []

    async def work(emit):
        for number in range(20):
            await emit(number)
            emitted.append(number)

    with closing(events_of(work, backlog=4, tick=60)) as events:
        for taken, _ in enumerate(events):
            assert len(emitted) <= taken + 4


def test_nothing_happening_is_told_every_tick():
    async def work(emit):
        await asyncio.Event().wait()

    with closing(events_of(work, backlog=1, tick=TICK)) as events:
        assert [next(events), next(events)] == [None, None]


def test_what_the_work_raises_comes_after_its_events():
    async def work(emit):
        await emit("first")
        raise LookupError("no more")

    events = events_of(work, backlog=5, tick=60)
    assert next(events) == "first"
    with pytest.raises(LookupError, match="no more"):
        next(events)


def test_whoever_stops_taking_cancels_the_work_and_waits_for_it_to_let_go():
    let_go = []

    async def work(emit):
        try:
            await emit("first")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            let_go.append("connections")

    with closing(events_of(work, backlog=1, tick=60)) as events:
        assert next(events) == "first"
    assert let_go == ["connections"]


def test_work_that_is_given_up_before_it_begins_never_begins():
    begun, free, busy = [], threading.Event(), threading.Event()

    async def occupy():
        busy.set()
        free.wait(10)

    async def work(emit):
        begun.append(emit)

    occupying = threading.Thread(target=aio.run, args=(occupy(),))
    occupying.start()
    busy.wait(10)
    running = _Work(work, 1)
    running.start()
    ending = threading.Thread(target=running.end)
    ending.start()
    while not running._unwanted:
        pass
    free.set()
    occupying.join(10)
    ending.join(10)
    assert begun == []


def test_it_runs_inside_a_running_loop_as_in_a_notebook():
    async def work(emit):
        await emit("answer")

    async def cell():
        return list(events_of(work, backlog=1, tick=60))

    assert asyncio.run(cell()) == ["answer"]
