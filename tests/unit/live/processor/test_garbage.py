"""How often Python's garbage collector looks while runs go on, and that it is put back."""

import asyncio
import gc

import pytest

from batchwright import LLMWorkItem, ParallelBatchProcessor, ProcessorConfig
from batchwright.live.processor.garbage import PER_WORKER, Collector
from batchwright.testing import run_virtual


@pytest.fixture(autouse=True)
def usual():
    """Begin with Python's own setting, and leave what there was."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def threshold():
    return gc.get_threshold()[0]


def test_what_is_in_flight_does_not_set_it_off_and_the_last_run_puts_it_back():
    collector = Collector()
    collector.expect("a", 100)
    collector.expect("b", 50)
    collector.expect("a", 200)
    assert gc.get_threshold() == (250 * PER_WORKER, 10, 10)
    collector.dismiss("a")
    assert threshold() == 50 * PER_WORKER
    collector.dismiss("b")
    collector.dismiss("b")
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("theirs", [0, 10_000_000])
def test_who_wants_it_to_look_less_often_still_or_not_at_all_gets_that(theirs):
    gc.set_threshold(theirs)
    collector = Collector()
    collector.expect("a", 100)
    assert threshold() == theirs
    collector.dismiss("a")
    assert threshold() == theirs


def test_what_is_set_while_a_run_goes_on_is_there_afterwards():
    collector = Collector()
    collector.expect("a", 100)
    gc.set_threshold(900)
    collector.expect("b", 1)
    assert threshold() == 101 * PER_WORKER
    collector.dismiss("a")
    gc.set_threshold(0)
    collector.dismiss("b")
    assert threshold() == 0


async def seen(_attempt, _timeout):
    return threshold(), None


def items(count=3):
    return (LLMWorkItem(item_id=str(number), direct_call=seen) for number in range(count))


def test_a_stream_that_is_left_early_puts_it_back():
    async def go():
        stream = ParallelBatchProcessor(ProcessorConfig(max_workers=20)).stream(items(100))
        during = (await anext(stream)).output
        await stream.aclose()
        return during

    assert run_virtual(go()) == 20 * PER_WORKER
    assert threshold() == 700


def test_workers_that_end_by_themselves_put_it_back_though_nobody_waits_for_them():
    async def go():
        processor = ParallelBatchProcessor(ProcessorConfig(max_workers=20, max_queue_size=1))
        for item in items():
            await processor.add_work(item)
        during = threshold()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(1)
        return during

    assert run_virtual(go()) == 20 * PER_WORKER
    assert threshold() == 700
