"""What a 429 does: everybody pauses once, the item is done afterwards, and it uses up no attempt."""

import asyncio
from itertools import pairwise

import pytest

from batchwright.errors import LLMQuotaError, LLMRateLimitError, LLMServerError
from batchwright.live.processor.observers import MetricsObserver, ProcessingEvent
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.processor.strategies import FixedDelayStrategy
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import MockAgent, run_virtual


def now():
    return asyncio.get_running_loop().time()


class Server:
    """Answers after `latency` seconds; refuses what `refuses(number of the call)` says. Notes when it was asked."""

    def __init__(self, refuses, *, latency=1.0, retry_after=None):
        self.refuses = refuses
        self.latency = latency
        self.retry_after = retry_after
        self.asked = []
        self.refused = []

    async def __call__(self, attempt, seconds):
        self.asked.append(now())
        number = len(self.asked)
        await asyncio.sleep(self.latency)
        if self.refuses(number):
            self.refused.append(now())
            raise LLMRateLimitError("429", status_code=429, retry_after=self.retry_after)
        return attempt, {"input_tokens": 1, "output_tokens": 1}

    def items(self, count):
        return [LLMWorkItem(item_id=str(number), direct_call=self) for number in range(count)]


def config(workers, *, attempts=1, **rate_limit):
    at_once = {"slow_start_items": 0, "cooldown_seconds": 60.0}
    return ProcessorConfig(
        max_workers=workers,
        retry=RetryConfig(max_attempts=attempts, jitter=False),
        rate_limit=RateLimitConfig(**(at_once | rate_limit)),
    )


def process(items, settings, **hooks):
    async def go():
        processor = ParallelBatchProcessor(settings, **hooks)
        for item in items:
            await processor.add_work(item)
        result = await processor.process_all()
        return result, await processor.get_stats(), now()

    return run_virtual(go())


class Listener:
    def __init__(self):
        self.events = []

    def on_event(self, event, data):
        self.events.append((now(), event, data))

    def of(self, wanted):
        return [(at, data) for at, event, data in self.events if event is wanted]


def test_a_refused_item_is_done_after_the_cooldown_and_has_used_up_no_attempt():
    server = Server(lambda call: call == 1)
    result, stats, seconds = process(server.items(1), config(1, attempts=1))
    assert result.succeeded == 1
    assert result.results[0].output == 1
    assert result.results[0].attempts == 1
    assert server.asked == [0, 61]
    assert seconds == 62
    assert stats["rate_limit_count"] == 1
    assert stats["error_counts"] == {}


def test_fifty_refused_together_make_one_pause():
    server = Server(lambda call: call <= 50)
    heard = Listener()
    result, stats, seconds = process(server.items(50), config(50), observers=[heard])
    assert result.succeeded == 50
    assert stats["rate_limit_count"] == 1
    assert len(heard.of(ProcessingEvent.RATE_LIMIT_HIT)) == 1
    assert [(at, data["duration"]) for at, data in heard.of(ProcessingEvent.COOLDOWN_STARTED)] == [(1, 60)]
    assert [(at, data["duration"]) for at, data in heard.of(ProcessingEvent.COOLDOWN_ENDED)] == [(61, 60)]
    assert seconds == 62


def test_stragglers_refused_during_and_after_the_pause_do_not_begin_another():
    refused = []

    def straggler(seconds):
        async def call(attempt, _):
            if not now():  # sent together, refused one by one: the last long after the pause the first of them began
                await asyncio.sleep(seconds)
                refused.append(now())
                raise LLMRateLimitError("429")
            return now(), None

        return LLMWorkItem(item_id=str(seconds), direct_call=call)

    result, stats, _ = process([straggler(seconds) for seconds in (1, 5, 40, 61, 100)], config(5))
    assert refused == [1, 5, 40, 61, 100]
    assert stats["rate_limit_count"] == 1
    assert sorted(r.output for r in result.results) == [61, 61, 61, 61, 100]


def test_nobody_is_asked_during_the_pause():
    server = Server(lambda call: call == 3)
    process(server.items(40), config(4))
    (refused,) = server.refused
    assert not [at for at in server.asked if refused < at < refused + 60]


def test_what_was_in_flight_when_the_pause_began_is_finished():
    server = Server(lambda call: False, latency=30)

    async def refused_once(attempt, seconds):
        await asyncio.sleep(1)
        if now() < 10:
            raise LLMRateLimitError("429")
        return None, None

    items = [*server.items(3), LLMWorkItem(item_id="refused", direct_call=refused_once)]
    result, _, seconds = process(items, config(4))
    assert result.succeeded == 4
    assert server.asked == [0, 0, 0]
    assert seconds == 62


@pytest.mark.parametrize("asked_for", [7, 900])
def test_what_the_provider_asks_for_wins_over_the_strategy(asked_for):
    server = Server(lambda call: call == 1, retry_after=asked_for)
    process(server.items(1), config(1), rate_limit_strategy=FixedDelayStrategy(60))
    assert server.asked == [0, 1 + asked_for]


def test_a_provider_that_asks_for_no_wait_at_all_is_believed():
    server = Server(lambda call: call == 1, retry_after=0)
    process(server.items(1), config(1))
    assert server.asked == [0, 1]


def test_a_longer_wait_asked_for_by_another_of_the_same_wave_makes_the_pause_longer():
    waits = iter([10, 30, 20])

    async def call(attempt, seconds):
        await asyncio.sleep(1)
        if now() < 5:
            raise LLMRateLimitError("429", retry_after=next(waits))
        times.append(now())
        return None, None

    times = []
    process([LLMWorkItem(item_id=str(n), direct_call=call) for n in range(3)], config(3))
    assert times == [32, 32, 32]


def test_pauses_grow_while_nothing_succeeds_and_a_success_begins_anew():
    server = Server(lambda call: call in {1, 2, 3, 5})
    heard = Listener()
    process(server.items(2), config(1, backoff_multiplier=2, cooldown_seconds=10), observers=[heard])
    started = [(data["consecutive"], data["duration"]) for _, data in heard.of(ProcessingEvent.COOLDOWN_STARTED)]
    assert started == [(1, 10), (2, 20), (3, 40), (1, 10)]


def test_a_success_that_was_sent_before_the_pause_does_not_reset_the_count():
    async def slow(attempt, seconds):
        await asyncio.sleep(15)  # sent before the first pause, answered between the first and the second refusal
        return None, None

    server = Server(lambda call: call in {1, 2})
    heard = Listener()
    items = [*server.items(1), LLMWorkItem(item_id="slow", direct_call=slow)]
    process(items, config(2, backoff_multiplier=2, cooldown_seconds=20), observers=[heard])
    assert [data["consecutive"] for _, data in heard.of(ProcessingEvent.COOLDOWN_STARTED)] == [1, 2]


def test_after_a_pause_requests_start_again_one_by_one_faster_and_faster():
    server = Server(lambda call: call == 1, latency=0.5)
    settings = config(20, slow_start_items=4, slow_start_initial_delay=4, slow_start_final_delay=1)
    process(server.items(30), settings)
    again = sorted(at for at in server.asked if at > 60)
    assert again[:5] == pytest.approx([64.5, 67.5, 69.5, 70.5, 71.5])


def test_there_is_no_slow_start_without_a_pause():
    server = Server(lambda call: False)
    _, _, seconds = process(server.items(40), config(20, slow_start_items=50, slow_start_initial_delay=9))
    assert seconds == 2


def test_a_refusal_during_the_slow_start_begins_it_anew():
    server = Server(lambda call: call in {1, 3}, latency=0)
    settings = config(1, slow_start_items=9, slow_start_initial_delay=2, slow_start_final_delay=2)
    process(server.items(3), settings)
    # Refused at 0; the pause until 60; 62; refused at 64; the pause (60 s: one succeeded since) until 124; 126; 128.
    assert server.asked == [0, 62, 64, 126, 128]


def test_retries_wait_for_the_pause_as_well():
    calls = []

    async def down_once(attempt, seconds):
        calls.append((attempt, now()))
        if attempt == 1:
            raise LLMServerError("down")
        return None, None

    server = Server(lambda call: call == 1, latency=0.5)
    items = [LLMWorkItem(item_id="down", direct_call=down_once), *server.items(1)]
    process(items, config(2, attempts=2))
    assert calls == [(1, 0), (2, 60.5)]


def test_the_time_of_a_cooldown_does_not_count_towards_the_timeout():
    server = Server(lambda call: call == 1, latency=4)
    settings = ProcessorConfig(
        max_workers=1,
        timeout_per_item=5,
        retry=RetryConfig(max_attempts=1),
        rate_limit=RateLimitConfig(slow_start_initial_delay=30, slow_start_items=1),
    )
    result, _, _ = process(server.items(1), settings)
    assert result.succeeded == 1
    assert result.results[0].seconds == 8


def test_an_endless_429_ends_after_the_allowed_number_of_pauses():
    server = Server(lambda call: True)
    result, stats, _ = process(server.items(500), config(5, max_cooldowns=3))
    assert result.failed == result.total_items == 500
    assert stats["rate_limit_count"] == 3
    assert stats["error_counts"] == {"rate_limit": 500}
    # Five items, each four times; it may have been those, so five others are tried before all are given up.
    assert len(server.asked) <= 5 * 4 + 5
    errors = {r.error.partition(":")[0] for r in result.results}
    assert errors == {"LLMRateLimitError"}
    assert sum("not asked" in r.error for r in result.results) >= 480


def test_an_item_that_is_always_refused_ends_while_the_others_succeed():
    async def never(attempt, seconds):
        nonlocal asked
        asked += 1
        raise LLMRateLimitError("429: this request alone is more than the limit")

    asked = 0
    server = Server(lambda call: False)
    items = [LLMWorkItem(item_id="never", direct_call=never), *server.items(30)]
    result, stats, _ = process(items, config(1, max_cooldowns=4))
    assert (result.succeeded, result.failed) == (30, 1)
    assert asked == 5
    assert stats["rate_limit_count"] == 4


def test_with_no_pause_allowed_a_refusal_is_a_failure():
    server = Server(lambda call: call == 1)
    result, stats, seconds = process(server.items(2), config(1, max_cooldowns=0))
    assert (result.succeeded, result.failed) == (1, 1)
    assert (stats["rate_limit_count"], seconds) == (0, 2)


def test_a_used_up_quota_is_no_rate_limit():
    async def call(attempt, seconds):
        raise LLMQuotaError("used up", status_code=429, retry_after=5)

    result, stats, seconds = process([LLMWorkItem(item_id="1", direct_call=call)], config(1, attempts=5))
    assert (result.failed, stats["rate_limit_count"], seconds) == (1, 0, 0)


def test_what_a_refused_request_used_is_counted_all_the_same():
    error = LLMRateLimitError("429")
    error.__dict__["_failed_token_usage"] = {"input_tokens": 3, "output_tokens": 0}
    raised = [error]

    async def call(attempt, seconds):
        if raised:
            raise raised.pop()
        return None, {"input_tokens": 10, "output_tokens": 5}

    result, _, _ = process([LLMWorkItem(item_id="1", direct_call=call)], config(1))
    assert result.results[0].token_usage == {"input_tokens": 13, "output_tokens": 5, "total_tokens": 18}


def test_a_strategy_of_ones_own_is_asked_with_the_worker_and_the_count():
    asked = []

    class Mine:
        async def on_rate_limit(self, worker_id, consecutive):
            asked.append((worker_id, consecutive))
            return 5

        def should_apply_slow_start(self, items_since_resume):
            return items_since_resume < 2, 3

    server = Server(lambda call: call <= 2, latency=0)
    process(server.items(3), config(1), rate_limit_strategy=Mine())
    assert asked == [(0, 1), (0, 2)]
    assert server.asked == [0, 8, 16, 19, 19]


def test_the_mock_agent_is_refused_as_told():
    agent = MockAgent(rate_limit_on_call=5, latency=0.01)
    metrics = MetricsObserver()
    items = [LLMWorkItem(item_id=str(n), agent=agent, prompt=str(n)) for n in range(10)]
    result, stats, _ = process(items, config(3), observers=[metrics])
    assert result.succeeded == 10
    assert agent.call_count == 11
    assert stats["rate_limit_count"] == 1

    async def read():
        return await metrics.get_metrics()

    got = run_virtual(read())
    assert got["rate_limits_hit"] == 1
    assert got["total_cooldown_time"] == pytest.approx(60)


def test_after_a_pause_many_workers_do_not_all_go_at_one_moment():
    server = Server(lambda call: call <= 200)
    settings = ProcessorConfig(max_workers=200)
    result, stats, _ = process(server.items(200), settings)
    assert result.succeeded == 200
    assert stats["rate_limit_count"] == 1
    again = server.asked[200:]
    gaps = [later - earlier for earlier, later in pairwise(again)]
    assert min(gaps) >= settings.rate_limit.slow_start_final_delay - 1e-6


def test_a_slow_start_does_not_keep_many_workers_slow():
    server = Server(lambda call: call <= 20)
    settings = config(20, slow_start_items=5, slow_start_initial_delay=0.5, slow_start_final_delay=0.5)
    result, stats, _ = process(server.items(600), settings)
    assert result.succeeded == 600
    assert stats["rate_limit_count"] == 1
    admitted = 61 + 20 * 0.5
    assert sum(admitted + 1 <= at < admitted + 2 for at in server.asked) == 20


class Broken:
    """Somebody's strategy with a bug in it."""

    def __init__(self, pause=None, slow_start=None):
        self.pause = pause
        self.slow_start = slow_start

    def on_rate_limit(self, worker_id, consecutive):
        return self.pause or 1 / 0

    def should_apply_slow_start(self, items_since_resume):
        return self.slow_start or 1 / 0


@pytest.mark.parametrize(
    ("broken", "pause"),
    [
        (Broken(), 60.0),
        (Broken(slow_start=(False, 0.0)), 60.0),
        (Broken(pause=7.0), 7.0),
        (Broken(pause=float("nan"), slow_start=(False, 0.0)), 60.0),
        (Broken(pause=float("inf"), slow_start=(True, float("inf"))), 60.0),
        (Broken(pause="a while", slow_start=True), 60.0),
    ],
)
def test_where_a_strategy_says_nothing_that_can_be_done_the_settings_do(broken, pause):
    server = Server(lambda number: number == 1)
    batch, stats, ended = process(server.items(3), config(1), rate_limit_strategy=broken)
    assert (batch.succeeded, stats["rate_limit_count"]) == (3, 1)
    assert ended == 4 + pause  # four calls of a second, and the pause
