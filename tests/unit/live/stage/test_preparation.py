import asyncio
import threading
from contextlib import aclosing
from contextvars import ContextVar

import pytest

from batchwright.live.stage.building import Skipped
from batchwright.live.stage.preparation import Preparation

WAIT = 10


def prepared(pages, build=Skipped, *, threads=4, ahead=8):
    preparation = Preparation(pages, build, threads=threads, ahead=ahead)

    async def collect():
        async with aclosing(preparation.outcomes()) as outcomes:
            return [outcome.page async for outcome in outcomes]

    return preparation, asyncio.run(collect())


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("number", [0, 1, 7, 200])
def test_every_page_comes_once(number, threads):
    preparation, pages = prepared(iter(range(number)), threads=threads)
    assert sorted(pages) == list(range(number))
    assert preparation.built == number
    assert preparation.broken is None


def test_as_many_builders_run_at_once_as_there_are_threads():
    together = threading.Barrier(4)

    def build(page):
        together.wait(WAIT)  # breaks, and raises, unless four are here
        return Skipped(page)

    _, pages = prepared(range(8), build)
    assert sorted(pages) == list(range(8))


def test_builders_are_never_far_ahead_of_the_calls():
    begun = []

    def build(page):
        begun.append(page)
        return Skipped(page)

    async def take_slowly():
        seen = 0
        async with aclosing(Preparation(range(100), build, threads=4, ahead=6).outcomes()) as outcomes:
            async for _ in outcomes:
                assert len(begun) <= seen + 6
                await asyncio.sleep(0.001)
                assert len(begun) <= seen + 6
                seen += 1
        return seen

    assert asyncio.run(take_slowly()) == 100


def test_pages_are_drawn_one_at_a_time_from_any_iterator():
    drawing = threading.Lock()

    def pages():
        for page in range(50):
            assert drawing.acquire(blocking=False)
            drawing.release()
            yield page

    assert sorted(prepared(pages(), threads=8)[1]) == list(range(50))


def test_an_iterator_that_breaks_ends_the_pages_and_is_remembered():
    def pages():
        yield 1
        raise OSError("the list of pages is gone")

    preparation, seen = prepared(pages())
    assert seen in ([1], [])
    assert str(preparation.broken) == "the list of pages is gone"


def test_what_ends_a_thread_ends_the_pages():
    def build(page):
        raise SystemExit(3)

    preparation, seen = prepared(range(100), build)
    assert seen == []
    assert isinstance(preparation.broken, SystemExit)


def test_whoever_stops_taking_stops_the_builders():
    begun = []
    before = threading.active_count()

    def build(page):
        begun.append(page)
        return Skipped(page)

    async def take_one():
        async with aclosing(Preparation(range(1000), build, threads=4, ahead=8).outcomes()) as outcomes:
            async for _ in outcomes:
                return

    asyncio.run(take_one())
    for thread in threading.enumerate():
        if thread.name == "batchwright-builder":
            thread.join(WAIT)
    assert threading.active_count() <= before
    assert len(begun) <= 9


def test_builders_see_the_context_of_whoever_started_them():
    variable = ContextVar("variable", default="nobody's")
    variable.set("mine")
    assert prepared(range(5), lambda page: Skipped(variable.get()))[1] == ["mine"] * 5
