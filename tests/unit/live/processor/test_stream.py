"""Streams: results as they come, no more work than is read, and an end that leaves nothing behind."""

import asyncio
import gc
import tracemalloc
from contextlib import aclosing

import pytest

from batchwright.errors import LLMRateLimitError, LLMServerError, TrackingError
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import run_virtual


async def answer(attempt, seconds):
    return "answer", {"input_tokens": 1, "output_tokens": 1}


def after(seconds):
    async def call(attempt, _):
        await asyncio.sleep(seconds)
        return seconds, None

    return call


def item(number, call=answer):
    return LLMWorkItem(item_id=str(number), direct_call=call)


def processor(workers=5, **more):
    return ParallelBatchProcessor(ProcessorConfig(max_workers=workers, retry=RetryConfig(max_attempts=1)), **more)


async def outputs_until(error, results):
    """The outputs that come before the error does."""
    got = []
    try:
        async for result in results:
            got.append(result.output)  # noqa: PERF401  (a comprehension would lose them)
    except error:
        return got
    pytest.fail("no error came")


def alone():
    return len(asyncio.all_tasks()) == 1


def test_results_come_in_the_order_in_which_they_are_done():
    async def go():
        work = [item(seconds, after(seconds)) for seconds in (5, 1, 3)]
        return [r.output async for r in processor().stream(work)]

    assert run_virtual(go()) == [1, 3, 5]


def test_an_asynchronous_iterable_is_asked_for_one_item_at_a_time():
    inside = 0

    async def items():
        nonlocal inside
        for number in range(30):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0.1)
            inside -= 1
            yield item(number, after(1))

    async def go():
        got = {r.item_id async for r in processor(20).stream(items())}
        return got, asyncio.get_running_loop().time()

    got, seconds = run_virtual(go())
    assert got == {str(number) for number in range(30)}
    assert seconds == pytest.approx(4.0)


def test_nothing_to_do_ends_at_once():
    async def go():
        return [r async for r in processor().stream([])]

    assert run_virtual(go()) == []


def test_no_more_is_taken_than_is_read():
    taken = 0

    def items():
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield item(number)

    async def go():
        read = 0
        async with aclosing(processor(5).stream(items())) as results:
            async for _ in results:
                read += 1
                await asyncio.sleep(1)  # a slow reader
                assert taken - read <= 3 * 5
        return read

    assert run_virtual(go()) == taken == 1000


def test_memory_does_not_grow_with_the_number_of_items():
    async def go(count):
        tracemalloc.start()
        async for _ in processor(20).stream(item(number) for number in range(count)):
            pass
        gc.collect()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    run_virtual(go(100))
    assert run_virtual(go(6000)) < run_virtual(go(600)) * 1.2


def test_failures_do_not_make_it_grow_either():
    async def failing(attempt, seconds):
        raise LLMServerError("down")

    async def go(count):
        tracemalloc.start()
        async for _ in processor(20).stream(item(number, failing) for number in range(count)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    gc.disable()  # nothing may wait for the collector: no exception may hold itself by its own traceback
    try:
        run_virtual(go(100))
        assert run_virtual(go(3000)) < run_virtual(go(300)) * 1.5
    finally:
        gc.enable()


def test_an_iterable_that_fails_ends_the_stream_after_what_is_in_flight():
    def items():
        yield item(1, after(5))
        yield item(2, after(7))
        raise KeyError("row 3")

    async def go():
        return await outputs_until(KeyError, processor().stream(items())), alone()

    assert run_virtual(go()) == ([5, 7], True)


def test_an_asynchronous_iterable_that_fails_does_the_same():
    async def items():
        yield item(1, after(5))
        raise KeyError("row 2")

    async def go():
        return await outputs_until(KeyError, processor().stream(items())), alone()

    assert run_virtual(go()) == ([5], True)


@pytest.mark.parametrize("wrong", [None, "a prompt", {"item_id": "1"}])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_anything_but_an_item_is_an_error_and_not_the_end(wrong, asynchronous):
    async def slowly(items):
        for each in items:
            yield each

    async def go():
        items = [item(1, after(1)), wrong, item(2)]
        running = processor()
        return await outputs_until(TypeError, running.stream(slowly(items) if asynchronous else items))

    assert run_virtual(go()) == [1]


def test_leaving_the_loop_early_ends_the_workers_at_once():
    async def go():
        running = processor(10)
        async with aclosing(running.stream(item(number, after(number)) for number in range(1, 100))) as results:
            async for _ in results:
                break
        return alone(), asyncio.get_running_loop().time(), [r async for r in running.stream([item(1)])]

    left_nothing, seconds, again = run_virtual(go())
    assert left_nothing
    assert seconds == 1
    assert len(again) == 1


@pytest.mark.parametrize("at", [0.5, 1.0, 1.5])
def test_a_cancelled_reader_ends_the_workers_at_once(at):
    async def go():
        async def read():
            async for _ in processor(10).stream(item(number, after(1)) for number in range(100)):
                pass

        reader = asyncio.create_task(read())
        await asyncio.sleep(at)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        return alone(), asyncio.get_running_loop().time()

    assert run_virtual(go()) == (True, at)


def test_a_cancelled_process_all_ends_the_workers_at_once():
    async def go():
        running = processor(10)
        for number in range(100):
            await running.add_work(item(number, after(1)))
        task = asyncio.create_task(running.process_all())
        await asyncio.sleep(2.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return alone(), asyncio.get_running_loop().time(), await running.get_stats()

    left_nothing, seconds, stats = run_virtual(go())
    assert left_nothing
    assert seconds == 2.5
    assert stats["processed"] == 20


def test_a_call_that_cannot_be_cancelled_does_not_hold_up_the_end_for_ever(caplog):
    async def stubborn(attempt, seconds):
        for _ in range(100):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stubbornly.append("no")
        return None, None

    stubbornly = []

    async def go():
        task = asyncio.create_task(anext(processor(1).stream([item(1, stubborn)])))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time()

    assert run_virtual(go()) == 6
    assert "workers could not be cancelled" in caplog.text


def test_a_call_that_never_waits_does_not_keep_others_from_working():
    async def go():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        running = processor(2)
        for number in range(100):
            await running.add_work(item(number))
        await running.process_all()
        ticking.cancel()
        return ticks

    assert run_virtual(go()) > 40


def test_after_stop_what_was_taken_is_finished_and_no_more_is_taken():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield item(number, after(1))

    async def go():
        running = processor(4)
        got = 0
        async for _ in running.stream(items()):
            got += 1
            running.stop()
        return got

    assert run_virtual(go()) == len(taken) == 4


def test_stop_does_not_wait_for_an_iterable_that_has_nothing_yet():
    async def items():
        yield item(1, after(1))
        await asyncio.sleep(1000)
        yield item(2)

    async def go():
        running = processor(4)
        async for _ in running.stream(items()):
            running.stop()
        return asyncio.get_running_loop().time(), alone()

    assert run_virtual(go()) == (1, True)


class Recorder:
    """A journal in memory; `fails` says at which record it cannot write any more."""

    def __init__(self, fails=None):
        self.kept = {}
        self.fails = fails

    def recall(self, item):
        return self.kept.get(item.item_id)

    def record(self, item, result):
        if self.fails is not None and len(self.kept) >= self.fails:
            raise TrackingError("the disk is full")
        if result.success:
            self.kept[item.item_id] = result


def test_what_the_journal_knows_is_not_asked_again_but_comes_all_the_same():
    async def go():
        asked = []

        async def call(attempt, seconds):
            asked.append(attempt)
            if len(asked) == 3:
                raise LLMServerError("down")
            return "answer", None

        journal, seen = Recorder(), []
        work = [item(number, call) for number in range(5)]
        first = [r async for r in processor(1, journal=journal).stream(work)]
        again = [r async for r in processor(1, journal=journal, post_processor=seen.append).stream(work)]
        return asked, first, again, seen

    asked, first, again, seen = run_virtual(go())
    assert len(asked) == 6
    assert sum(r.success for r in first) == 4
    assert all(r.success for r in again)
    assert len(seen) == 5


def test_a_journal_that_cannot_be_written_ends_the_run():
    async def go():
        taken = []

        def items():
            for number in range(1000):
                taken.append(number)
                yield item(number, after(1))

        with pytest.raises(TrackingError, match="disk is full"):
            async for _ in processor(3, journal=Recorder(fails=10)).stream(items()):
                pass
        return len(taken)

    assert run_virtual(go()) < 20


class Turnstile:
    """A limiter that notes what it is told."""

    def __init__(self):
        self.acquired = []
        self.settled = []

    async def acquire(self, tokens):
        self.acquired.append(tokens)
        await asyncio.sleep(1)

    def settle(self, estimated, used):
        self.settled.append((estimated, used))


def test_the_limiter_is_asked_before_each_attempt_and_told_what_it_used():
    async def go():
        limiter = Turnstile()
        errors = [LLMServerError("no tokens known"), LLMServerError("known")]
        errors[1].__dict__["_failed_token_usage"] = {"input_tokens": 70, "output_tokens": 0}

        async def call(attempt, seconds):
            if errors:
                raise errors.pop(0)
            return None, {"input_tokens": 80, "output_tokens": 30}

        running = ParallelBatchProcessor(ProcessorConfig(timeout_per_item=0.5), limiter=limiter)
        work = LLMWorkItem(item_id="1", direct_call=call, estimated_tokens=100)
        assert [r.success async for r in running.stream([work])] == [True]
        return limiter

    limiter = run_virtual(go())
    assert limiter.acquired == [100, 100, 100]
    assert limiter.settled == [(100, 70), (100, 110)]


class Narrow:
    """Refuses whoever comes while `width` others are inside. Notes how many are inside, and when."""

    def __init__(self, width):
        self.width = width
        self.now = 0
        self.levels = []
        self.refused = 0

    async def __call__(self, attempt, seconds):
        if self.now >= self.width:
            self.refused += 1
            raise LLMRateLimitError("429", retry_after=5)
        self.now += 1
        self.levels.append(self.now)
        await asyncio.sleep(1)
        self.now -= 1
        return None, None


@pytest.mark.parametrize(("width", "most"), [(10_000, 256), (40, 40)])
def test_with_auto_workers_grow_while_the_provider_accepts_and_shrink_when_it_refuses(width, most):
    async def go():
        call = Narrow(width)
        config = ProcessorConfig(max_workers="auto", rate_limit=RateLimitConfig(slow_start_items=0))
        got = [r async for r in ParallelBatchProcessor(config).stream(item(n, call) for n in range(3000))]
        return sum(r.success for r in got), call, alone()

    succeeded, call, left_nothing = run_virtual(go())
    assert (succeeded, left_nothing) == (3000, True)
    assert max(call.levels) == most
    assert sum(call.levels[-500:]) / 500 > most / 4  # it does not stay small once it was refused
    assert call.refused < 100
