"""The processor: what is added comes back done, whatever the hooks do."""

import asyncio
import logging

import pytest

from batchwright.errors import LLMInvalidRequestError, LLMQuotaError, LLMServerError
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RetryConfig
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult
from batchwright.testing import START, FakeClock, MockAgent, run_virtual

QUICK = ProcessorConfig(retry=RetryConfig(jitter=False))


def call_of(value="answer", *, failing=(), used=(10, 5)):
    """A direct call whose attempts raise what stands in `failing`, one after the other, and then answer."""
    left = list(failing)
    seen = []

    async def call(attempt, seconds):
        seen.append((attempt, seconds))
        await asyncio.sleep(0.01)
        if left:
            raise left.pop(0)
        return value, {"input_tokens": used[0], "output_tokens": used[1]}

    call.seen = seen
    return call


def item(number=1, call=None, **more):
    return LLMWorkItem(item_id=str(number), direct_call=call or call_of(), **more)


def process(*items, config=QUICK, **hooks):
    async def go():
        processor = ParallelBatchProcessor(config, **hooks)
        for each in items:
            await processor.add_work(each)
        result = await processor.process_all()
        return result, await processor.get_stats()

    return run_virtual(go())


class Listener:
    def __init__(self):
        self.events = []

    async def on_event(self, event, data):
        self.events.append((event, data))

    def of(self, wanted):
        return [data for event, data in self.events if event is wanted]


def test_every_item_comes_back_with_its_output_context_and_tokens():
    result, _ = process(*(item(n, call_of(f"answer {n}"), context={"row": n}) for n in range(7)))
    assert result.total_items == result.succeeded == 7
    assert result.failed == 0
    assert {r.item_id: (r.output, r.context["row"]) for r in result.results} == {
        str(n): (f"answer {n}", n) for n in range(7)
    }
    assert result.total_input_tokens == 70
    assert result.total_output_tokens == 35
    assert result.results[0].token_usage == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def test_nothing_to_do_is_done_at_once():
    result, stats = process()
    assert result.total_items == len(result.results) == stats["total"] == 0


def test_no_more_items_are_asked_at_once_than_there_are_workers():
    now, most = 0, 0

    async def call(attempt, seconds):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(1)
        now -= 1
        return None, None

    process(*(item(n, call) for n in range(20)), config=ProcessorConfig(max_workers=4))
    assert most == 4


def test_attempts_count_from_one_and_end_with_the_allowed_number():
    call = call_of(failing=[LLMServerError("down")] * 9)
    result, stats = process(item(1, call), config=ProcessorConfig(timeout_per_item=7))
    assert call.seen == [(1, 7), (2, 7), (3, 7)]
    failed = result.results[0]
    assert not failed.success
    assert failed.error == "LLMServerError: down"
    assert isinstance(failed.exception, LLMServerError)
    assert failed.attempts == 3
    assert stats["error_counts"] == {"server": 1}


def test_a_later_attempt_may_succeed():
    result, _ = process(item(1, call_of("at last", failing=[LLMServerError("down"), TimeoutError()])))
    assert result.results[0].output == "at last"
    assert result.results[0].attempts == 3


@pytest.mark.parametrize("error", [LLMQuotaError("used up"), LLMInvalidRequestError("no"), TypeError("a bug")])
def test_what_asking_again_cannot_mend_is_asked_once(error):
    call = call_of(failing=[error])
    result, stats = process(item(1, call))
    assert len(call.seen) == 1
    assert result.failed == 1
    assert stats["rate_limit_count"] == 0


def test_the_waits_between_attempts_grow():
    async def go():
        times = []

        async def call(attempt, seconds):
            times.append(asyncio.get_running_loop().time())
            raise LLMServerError("down")

        retry = RetryConfig(max_attempts=5, initial_wait=2, max_wait=9, exponential_base=3, jitter=False)
        processor = ParallelBatchProcessor(ProcessorConfig(retry=retry))
        await processor.add_work(item(1, call))
        await processor.process_all()
        return times

    assert run_virtual(go()) == [0, 2, 8, 17, 26]


def test_an_agent_factory_makes_an_agent_for_each_attempt():
    made = []

    def factory(attempt):
        made.append(attempt)
        return MockAgent(timeout_on_call=1 if attempt < 3 else None)

    result, _ = process(LLMWorkItem(item_id="1", agent_factory=factory, prompt="warm"))
    assert made == [1, 2, 3]
    assert result.results[0].output == "warm"


def test_an_agent_factory_may_be_asynchronous():
    async def factory(attempt):
        return MockAgent(lambda prompt: f"{prompt} {attempt}")

    result, _ = process(LLMWorkItem(item_id="1", agent_factory=factory, prompt="attempt"))
    assert result.results[0].output == "attempt 1"


def test_an_attempt_that_takes_too_long_is_a_timeout():
    agent = MockAgent(latency=10)
    config = ProcessorConfig(timeout_per_item=3, retry=RetryConfig(max_attempts=2, jitter=False))
    result, stats = process(LLMWorkItem(item_id="1", agent=agent, prompt="slow"), config=config)
    assert agent.call_count == 2
    assert result.results[0].error == "TimeoutError: no answer within 3 seconds (timeout)"
    assert result.results[0].seconds == pytest.approx(6)
    assert stats["error_counts"] == {"timeout": 1}


def test_a_call_cancelled_from_within_fails_like_any_other():
    async def call(attempt, seconds):
        task = asyncio.ensure_future(asyncio.sleep(100))
        asyncio.get_running_loop().call_later(1, task.cancel)
        await task

    result, stats = process(item(1, call), item(2))
    assert result.succeeded == 1
    assert stats["error_counts"] == {"connection": 1}


def test_a_call_that_returns_no_pair_is_told_so():
    async def call(attempt, seconds):
        return "only the output"

    result, _ = process(item(1, call))
    assert result.results[0].error == "TypeError: direct_call must return (output, usage), not str"


def test_stats_say_what_was_done_and_do_not_change_afterwards():
    async def go():
        processor = ParallelBatchProcessor(QUICK, clock=FakeClock())
        assert (await processor.get_stats())["start_time"] is None
        await processor.add_work(item(1))
        await processor.add_work(item(2, call_of(failing=[LLMQuotaError("used up")])))
        before = await processor.get_stats()
        await processor.process_all()
        return before, await processor.get_stats()

    before, after = run_virtual(go())
    assert before["total"] == 2
    assert before["processed"] == 0
    assert after == {
        "total": 2,
        "processed": 2,
        "succeeded": 1,
        "failed": 1,
        "rate_limit_count": 0,
        "error_counts": {"quota": 1},
        "start_time": START,
    }


def test_a_processor_can_be_used_again():
    async def go():
        processor = ParallelBatchProcessor(QUICK)
        await processor.add_work(item(1))
        first = await processor.process_all()
        await processor.add_work(item(2))
        second = await processor.process_all()
        return first, second, await processor.get_stats()

    first, second, stats = run_virtual(go())
    assert [r.item_id for r in first.results] == ["1"]
    assert [r.item_id for r in second.results] == ["2"]
    assert stats["processed"] == stats["total"] == 2


def test_it_does_one_run_at_a_time():
    async def go():
        processor = ParallelBatchProcessor(QUICK)
        await processor.add_work(item(1))
        first = asyncio.create_task(processor.process_all())
        await asyncio.sleep(0.001)
        with pytest.raises(RuntimeError, match="busy"):
            await processor.process_all()
        with pytest.raises(RuntimeError, match="busy"):
            await anext(processor.stream([item(2)]))
        return await first

    assert run_virtual(go()).succeeded == 1


def test_as_a_context_manager_it_leaves_no_worker_behind():
    async def go():
        config = ProcessorConfig(max_workers=2, max_queue_size=1)
        async with ParallelBatchProcessor(config) as processor:
            for number in range(5):  # starts the workers, and nobody ever calls process_all
                await processor.add_work(item(number, call_of()))
        return len(asyncio.all_tasks())

    assert run_virtual(go()) == 1


def test_a_full_queue_starts_the_workers_instead_of_waiting_for_ever():
    async def go():
        config = ProcessorConfig(max_workers=2, max_queue_size=3)
        processor = ParallelBatchProcessor(config)
        for number in range(50):
            await processor.add_work(item(number, call_of(number)))
            assert (await processor.get_stats())["total"] == number + 1
        return await processor.process_all()

    result = run_virtual(go())
    assert {r.output for r in result.results} == set(range(50))


def test_a_hook_may_add_items_even_to_a_full_queue():
    async def go():
        async def more(result):
            if int(result.item_id) < 64:
                for next_one in (2 * int(result.item_id), 2 * int(result.item_id) + 1):
                    await processor.add_work(item(next_one))

        config = ProcessorConfig(max_workers=8, max_queue_size=2)
        processor = ParallelBatchProcessor(config, post_processor=more)
        await processor.add_work(item(1))
        return await processor.process_all(), asyncio.get_running_loop().time()

    result, seconds = run_virtual(go())
    assert {r.item_id for r in result.results} == {str(number) for number in range(1, 128)}
    assert seconds < 0.01 * 127 / 4  # by more workers than the one that did the first


def test_after_stop_what_is_in_flight_is_finished_and_the_rest_stays():
    async def go():
        processor = ParallelBatchProcessor(ProcessorConfig(max_workers=3))
        for number in range(10):
            await processor.add_work(item(number))
        asyncio.get_running_loop().call_later(0.005, processor.stop)
        first = await processor.process_all()
        return first, await processor.process_all()

    first, rest = run_virtual(go())
    assert first.total_items == 3
    assert rest.total_items == 7


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_post_processor_gets_every_result_and_its_errors_hurt_nobody(asynchronous, caplog):
    got = []

    def plain(result):
        got.append((result.item_id, result.success))
        raise KeyError("mine")

    async def waiting(result):
        await asyncio.sleep(1)
        plain(result)

    result, _ = process(
        item(1), item(2, call_of(failing=[LLMQuotaError("")])), post_processor=waiting if asynchronous else plain
    )
    assert sorted(got) == [("1", True), ("2", False)]
    assert (result.succeeded, result.failed) == (1, 1)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError, KeyError]


class Marks:
    """A middleware that notes when it is called."""

    def __init__(self, name, notes):
        self.name = name
        self.notes = notes

    async def before_process(self, work_item):
        self.notes.append(f"before {self.name}")
        work_item.prompt += self.name
        return work_item

    def after_process(self, result):
        self.notes.append(f"after {self.name}")
        result.output += self.name
        return result


def test_middlewares_go_in_in_order_and_come_out_in_reverse():
    notes = []
    agent = MockAgent(lambda prompt: f"<{prompt}>")
    result, _ = process(
        LLMWorkItem(item_id="1", agent=agent, prompt=""), middlewares=[Marks("a", notes), Marks("b", notes)]
    )
    assert notes == ["before a", "before b", "after b", "after a"]
    assert result.results[0].output == "<ab>ba"


class Skips:
    async def before_process(self, work_item):
        return None if work_item.item_id == "2" else work_item


def test_a_skipped_item_counts_as_failed_and_is_never_asked():
    seen = Listener()
    got = []
    call = call_of()
    result, stats = process(
        item(1), item(2, call, context="mine"), middlewares=[Skips()], observers=[seen], post_processor=got.append
    )
    skipped = next(r for r in result.results if r.item_id == "2")
    assert (skipped.success, skipped.error, skipped.context, skipped.attempts) == (False, "skipped", "mine", 0)
    assert call.seen == []
    assert result.total_items == result.succeeded + result.failed == 2
    assert stats["error_counts"] == {"skipped": 1}
    assert seen.of(ProcessingEvent.ITEM_FAILED)[0]["error_type"] == "skipped"
    assert len(got) == 2


class Rescues:
    def __init__(self, supplied):
        self.supplied = supplied
        self.errors = []

    async def on_error(self, work_item, error):
        self.errors.append((work_item.item_id, error))
        return self.supplied


def test_a_middleware_may_supply_a_result_for_a_failure_once_no_attempt_is_left():
    rescues = Rescues(WorkItemResult(item_id="1", success=True, output="from the cache"))
    errors = [LLMServerError(str(n)) for n in range(3)]
    for error in errors:
        error.__dict__["_failed_token_usage"] = {"input_tokens": 4, "output_tokens": 1}
    result, stats = process(item(1, call_of(failing=errors)), middlewares=[Rescues(None), rescues])
    assert rescues.errors == [("1", errors[-1])]
    assert result.results[0].output == "from the cache"
    assert result.results[0].token_usage == {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
    assert stats["succeeded"] == 1
    assert stats["error_counts"] == {}


def test_what_a_supplied_result_says_nothing_about_is_the_failures():
    call = call_of(failing=[LLMServerError("down")] * 3)
    supplied = WorkItemResult(item_id="1", success=True, output="from the cache")
    result, _ = process(item(1, call, context="mine"), middlewares=[Rescues(supplied)])
    (got,) = result.results
    assert (got.output, got.context, got.attempts, got.seconds) == ("from the cache", "mine", 3, pytest.approx(0.03))


def test_only_items_can_be_added():
    async def go():
        await ParallelBatchProcessor().add_work("a prompt")

    with pytest.raises(TypeError, match="an item must be an LLMWorkItem, not str"):
        run_virtual(go())


class Breaks:
    """Everything it does fails."""

    async def before_process(self, work_item):
        raise ZeroDivisionError

    async def after_process(self, result):
        raise ZeroDivisionError

    async def on_error(self, work_item, error):
        raise ZeroDivisionError

    async def on_event(self, event, data):
        raise ZeroDivisionError


def test_hooks_that_fail_hurt_neither_an_item_nor_the_run(caplog):
    caplog.set_level(logging.CRITICAL)
    breaks = Breaks()

    def progress(progress):
        raise ZeroDivisionError

    result, stats = process(
        *(item(n) for n in range(20)),
        item(20, call_of(failing=[LLMQuotaError("")])),
        middlewares=[breaks],
        observers=[breaks],
        progress_callback=progress,
    )
    assert (result.succeeded, result.failed) == (20, 1)
    assert stats["error_counts"] == {"quota": 1}


def test_a_classifier_that_fails_decides_nothing(caplog):
    caplog.set_level(logging.CRITICAL)

    class Broken:
        def classify(self, exception):
            raise ZeroDivisionError

    result, _ = process(item(1, call_of("answer", failing=[ValueError()])), error_classifier=Broken())
    assert result.succeeded == 1


def test_observers_hear_of_everything_in_order():
    heard = Listener()
    config = ProcessorConfig(max_workers=1, retry=RetryConfig(max_attempts=1))
    process(item(1), item(2, call_of(failing=[ValueError("no")])), config=config, observers=[heard])
    assert [event.name for event, _ in heard.events] == [
        "BATCH_STARTED",
        "WORKER_STARTED",
        "ITEM_STARTED",
        "ITEM_COMPLETED",
        "ITEM_STARTED",
        "ITEM_FAILED",
        "WORKER_STOPPED",
        "BATCH_COMPLETED",
    ]
    assert heard.events[3][1] == {
        "item_id": "1",
        "worker_id": 0,
        "duration": pytest.approx(0.01),
        "attempts": 1,
        "input_tokens": 10,
        "output_tokens": 5,
    }
    assert heard.events[5][1]["error_type"] == "unknown"
    assert heard.events[5][1]["error"] == "ValueError: no"
    assert heard.events[7][1] == {"total": 2, "succeeded": 1, "failed": 1, "duration": pytest.approx(0.02)}


def test_progress_is_told_after_every_so_many_items_and_at_the_end():
    told = []
    process(
        *(item(n) for n in range(25)),
        config=ProcessorConfig(max_workers=1, progress_interval=10),
        progress_callback=told.append,
    )
    assert [(p.done, p.total, p.succeeded, p.failed) for p in told] == [
        (10, 25, 10, 0),
        (20, 25, 20, 0),
        (25, 25, 25, 0),
    ]
    assert told[-1].seconds == pytest.approx(0.25)


def test_progress_that_was_just_told_is_not_told_again():
    told = []
    process(*(item(n) for n in range(20)), progress_callback=told.append)
    assert [p.done for p in told] == [10, 20]
