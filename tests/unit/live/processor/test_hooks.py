"""What hooks give back may be anything: it hurts neither an item nor the run."""

import asyncio
import logging

import pytest

from batchwright.live.processor.observers import MetricsObserver
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RetryConfig
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult
from batchwright.testing import run_virtual


async def answer(_attempt, _seconds):
    return "answer", {"input_tokens": 10, "output_tokens": 5}


async def fail(_attempt, _seconds):
    raise ValueError("no answer")


def process(**hooks):
    """Four items that are answered and two that fail."""

    async def scene():
        once = ProcessorConfig(max_workers=2, retry=RetryConfig(max_attempts=1))
        metrics = MetricsObserver()
        processor = ParallelBatchProcessor(once, **{"observers": [metrics], **hooks})
        for number in range(6):
            await processor.add_work(LLMWorkItem(item_id=str(number), direct_call=fail if number > 3 else answer))
        return await processor.process_all()

    return run_virtual(scene())


class Before:
    def __init__(self, returned):
        self.returned = returned

    async def before_process(self, work_item):
        return self.returned


@pytest.mark.parametrize("returned", [{"item_id": "0"}, True, "skip"])
def test_what_is_no_item_takes_no_items_place_and_is_told(returned, caplog):
    batch = process(middlewares=[Before(returned)])
    assert (batch.succeeded, batch.failed) == (4, 2)
    assert {record.event for record in caplog.records if record.levelno >= logging.ERROR} == {"live.hook_failed"}


class After:
    async def after_process(self, result):
        return {"success": True}


def test_what_is_no_result_takes_no_results_place_and_is_told(caplog):
    batch = process(middlewares=[After()])
    assert (batch.succeeded, batch.failed, batch.total_input_tokens) == (4, 2, 40)
    assert "live.hook_failed" in {record.event for record in caplog.records if record.levelno >= logging.ERROR}


class Rescue:
    def __init__(self, make):
        self.make = make

    def on_error(self, work_item, error):
        return self.make(work_item.item_id)


def test_where_one_middleware_supplies_no_result_the_next_is_asked():
    second = Rescue(lambda item_id: WorkItemResult(item_id=item_id, success=True, output="supplied"))
    batch = process(middlewares=[Rescue(lambda _: "no result"), second])
    assert batch.succeeded == 6


@pytest.mark.parametrize("usage", [None, "12", {"input_tokens": None, "output_tokens": "3"}, {"input_tokens": 1.5}, 7])
def test_tokens_that_are_none_count_as_none(usage):
    supply = Rescue(lambda item_id: WorkItemResult(item_id=item_id, success=True, token_usage=usage))

    class Overwrite:
        async def after_process(self, result):
            if result.item_id == "0":
                result.token_usage = usage
            return result

    def spoil(result):
        if result.item_id == "1":
            result.token_usage = usage

    batch = process(middlewares=[supply, Overwrite()], post_processor=spoil)
    assert batch.succeeded == 6
    assert (batch.total_input_tokens, batch.total_output_tokens) == (20, 10)


async def cancelled_within(*_):
    task = asyncio.ensure_future(asyncio.sleep(100))
    asyncio.get_running_loop().call_later(0.1, task.cancel)
    await task


class Cancelling:
    before_process = after_process = on_error = on_event = staticmethod(cancelled_within)


def test_a_hook_that_was_cancelled_from_within_has_failed_like_any_other():
    broken = Cancelling()
    batch = process(
        middlewares=[broken], observers=[broken], post_processor=cancelled_within, progress_callback=cancelled_within
    )
    assert (batch.succeeded, batch.failed) == (4, 2)


def test_a_run_that_is_cancelled_while_a_hook_waits_ends_at_once():
    async def scene():
        async def wait(_result):
            await asyncio.sleep(1000)

        processor = ParallelBatchProcessor(post_processor=wait)
        await processor.add_work(LLMWorkItem(item_id="a", direct_call=answer))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(processor.process_all(), 1)
        return asyncio.get_running_loop().time()

    assert run_virtual(scene()) == 1
