"""Whatever the calls do, in whatever order: every item comes back once, with all its tokens and no attempt too many."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from batchwright.errors import LLMQuotaError, LLMRateLimitError, LLMServerError
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.processor.work import LLMWorkItem
from batchwright.testing import run_virtual

ATTEMPTS = 3
COOLDOWNS = 4

Outcome = st.sampled_from(["answer", "answer", "down", "429", "429 soon", "slow", "quota", "cancelled"])
Script = st.lists(st.tuples(Outcome, st.sampled_from([0, 0, 0.5, 1, 3])), min_size=1, max_size=6)


class Scripted:
    """A call that does what its script says, one outcome after the other; the last one for ever."""

    def __init__(self, script):
        self.script = script
        self.asked = []
        self.spent = 0

    async def __call__(self, attempt, seconds):
        outcome, wait = self.script[min(len(self.asked), len(self.script) - 1)]
        self.asked.append((attempt, outcome))
        await asyncio.sleep(wait)
        self.spent += 1
        match outcome:
            case "answer":
                return attempt, {"input_tokens": 1, "output_tokens": 0}
            case "slow":
                self.spent -= 1
                await asyncio.sleep(1000)
            case "cancelled":
                self.spent -= 1
                raise asyncio.CancelledError
        raise self._error(outcome)

    def _error(self, outcome):
        error = {
            "down": LLMServerError("down"),
            "429": LLMRateLimitError("429"),
            "429 soon": LLMRateLimitError("429", retry_after=0.5),
            "quota": LLMQuotaError("used up", status_code=429),
        }[outcome]
        error.__dict__["_failed_token_usage"] = {"input_tokens": 1, "output_tokens": 0}
        return error


def run(scripts, workers, streamed):
    calls = [Scripted(script) for script in scripts]
    items = [LLMWorkItem(item_id=str(n), direct_call=call, context=call) for n, call in enumerate(calls)]
    config = ProcessorConfig(
        max_workers=workers,
        timeout_per_item=5,
        retry=RetryConfig(max_attempts=ATTEMPTS, jitter=False),
        rate_limit=RateLimitConfig(cooldown_seconds=10, slow_start_items=3, max_cooldowns=COOLDOWNS),
    )

    async def go():
        processor = ParallelBatchProcessor(config)
        if streamed:
            results = [result async for result in processor.stream(items)]
        else:
            for item in items:
                await processor.add_work(item)
            results = (await processor.process_all()).results
        assert len(asyncio.all_tasks()) == 1
        return results, await processor.get_stats()

    return run_virtual(go())


@settings(max_examples=150, deadline=None)
@given(st.lists(Script, min_size=1, max_size=12), st.integers(1, 6), st.booleans())
def test_every_item_comes_back_once_with_all_its_tokens_and_no_attempt_too_many(scripts, workers, streamed):
    results, stats = run(scripts, workers, streamed)
    assert sorted(int(r.item_id) for r in results) == list(range(len(scripts)))
    assert stats["processed"] == len(scripts)
    assert sum(stats["error_counts"].values()) == stats["failed"] == sum(not r.success for r in results)
    for result in results:
        asked = result.context.asked
        refused = sum(outcome.startswith("429") for _, outcome in asked)
        assert refused <= COOLDOWNS + 1
        assert len(asked) - refused <= ATTEMPTS
        # An attempt's number goes up by one after every failure that is no rate limit, and only then.
        numbers = [attempt for attempt, _ in asked]
        steps = [0 if outcome.startswith("429") else 1 for _, outcome in asked[:-1]]
        assert numbers == [1 + sum(steps[:n]) for n in range(len(asked))]
        assert result.success == (bool(asked) and asked[-1][1] == "answer")
        assert result.attempts == len(asked) - refused
        assert result.token_usage["input_tokens"] == result.context.spent
