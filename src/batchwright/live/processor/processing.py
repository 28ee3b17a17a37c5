"""What a worker does with one item, from taking it to its result: hooks, limits, attempts, cooldowns, counting."""

import asyncio
import logging
from typing import Any

from batchwright.errors import LLMRateLimitError
from batchwright.live.limits.limiter import Limiter
from batchwright.live.processor.attempt import attempt_at
from batchwright.live.processor.cooldown import Verdict
from batchwright.live.processor.gate import Gate
from batchwright.live.processor.hooks import Hooks
from batchwright.live.processor.journal import Journal
from batchwright.live.processor.observers import ProcessingEvent
from batchwright.live.processor.progress import Milestones
from batchwright.live.processor.retry import Step, next_step
from batchwright.live.processor.scaling import Scaling
from batchwright.live.processor.settings import ProcessorConfig
from batchwright.live.processor.stats import Counts
from batchwright.live.processor.tokens import Tokens, tokens_of_failure
from batchwright.live.processor.undertaking import SKIPPED, Undertaking, Worker, in_place_of, skipped
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult
from batchwright.providers.classifiers import OVERLOADED, RATE_LIMIT, UNKNOWN, ErrorClassifier, ErrorInfo

log = logging.getLogger(__name__)

Outcome = tuple[WorkItemResult, str]
"""A result, and the category of its failure; "" for a success."""


class Processing:
    """Does one item after another, for many workers at once. What it decides is decided in `retry` and `cooldown`."""

    def __init__(
        self,
        config: ProcessorConfig,
        *,
        hooks: Hooks,
        gate: Gate,
        counts: Counts,
        classifier: ErrorClassifier,
        limiter: Limiter | None,
        journal: Journal | None,
        scaling: Scaling | None,
        milestones: Milestones,
    ) -> None:
        self._config = config
        self._hooks = hooks
        self._gate = gate
        self._counts = counts
        self._classifier = classifier
        self._limiter = limiter
        self._journal = journal
        self._scaling = scaling
        self._milestones = milestones
        self._now = asyncio.get_running_loop().time

    async def process(self, item: LLMWorkItem, worker: Worker) -> WorkItemResult:
        """Return what became of an item. Raises only what the limiter and the journal raise."""
        if self._hooks.observed:
            started = {"item_id": item.item_id, "worker_id": worker.worker_id}
            await self._hooks.tell(ProcessingEvent.ITEM_STARTED, started)
        wanted = await self._hooks.before(item) if self._hooks.surrounded else item
        if wanted is None:
            result, category = skipped(item), SKIPPED
        else:
            result, category = await self._done(wanted, worker)
        if self._hooks.post_processed:
            await self._hooks.post_process(result)
        self._counts.add(result, category)
        progress = self._milestones.passed(result.success)
        if progress is not None:
            await self._hooks.tell_progress(progress)
        if self._hooks.observed:
            await self._tell(result, category, worker)
        return result

    async def _done(self, item: LLMWorkItem, worker: Worker) -> Outcome:
        """Ask, unless the answer is known from an earlier run, and let the middlewares see what came of it."""
        result = None if self._journal is None else self._journal.recall(item)
        category = ""
        if result is None:
            result, category = await self._answered(Undertaking(item, worker))
            if self._journal is not None:
                self._journal.record(item, result)
        if not self._hooks.surrounded:
            return result, category
        if not result.success and result.exception is not None:
            rescued = await self._hooks.rescue(item, result.exception)
            if rescued is not None:
                result = in_place_of(result, rescued)
        return await self._hooks.after(result), category

    async def _answered(self, work: Undertaking) -> Outcome:
        """Ask until there is an answer or nothing more to try."""
        while await self._turn(work.item):
            ticket = self._gate.ticket
            output, tokens, error = await self._attempt(work)
            if error is None:
                self._settle(work, tokens)
                self._gate.succeeded(ticket)
                if self._scaling is not None:
                    self._scaling.accepted()
                return work.success(output), ""
            info = self._classify(error)
            nothing = (0, 0, 0) if info.is_rate_limit else None
            self._settle(work, tokens_of_failure(error) or nothing)
            if not await self._goes_on(work, info, ticket):
                return work.failure(error), info.error_category
        return work.failure(_not_asked()), RATE_LIMIT.error_category

    async def _turn(self, item: LLMWorkItem) -> bool:
        """Wait until this item may be asked; False when nothing is asked any more.

        The limiter comes last, so that it spaces out those whom a cooldown has held back; a turn of its that lapses,
        because a cooldown began while it was waited for, is given back.
        """
        while not self._gate.given_up:
            if not self._gate.open:
                await self._gate.wait()
            if self._limiter is None:
                break
            ticket = self._gate.ticket
            await self._limiter.acquire(item.estimated_tokens)
            if ticket == self._gate.ticket:
                break
            self._limiter.settle(item.estimated_tokens, 0)
        return not self._gate.given_up

    async def _attempt(self, work: Undertaking) -> tuple[object, Tokens | None, Exception | None]:
        """Ask once; return the output and its tokens, or the error."""
        began = self._now()
        try:
            output, tokens = await attempt_at(work.item, work.attempt, self._config.timeout_per_item, work.worker.watch)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is this item's and no other's)
            return None, None, error
        else:
            return output, tokens, None
        finally:
            work.seconds += self._now() - began

    async def _goes_on(self, work: Undertaking, info: ErrorInfo, ticket: int) -> bool:
        """Wait for what has to be waited for after a failed attempt; False when the item is given up."""
        step = next_step(
            info,
            attempt=work.attempt,
            cooldowns=work.cooldowns,
            retry=self._config.retry,
            max_cooldowns=self._config.rate_limit.max_cooldowns,
        )
        told = {"event": "live.attempt_failed", "item_id": work.item.item_id, "attempt": work.attempt}
        log.info("an attempt failed", extra={**told, "category": info.error_category, "next": step.step.value})
        if step.step is Step.COOL_DOWN:
            return await self._cooled_down(work, info, ticket)
        if not info.is_rate_limit:
            work.failed = work.attempt
        if self._scaling is not None and info.error_category == OVERLOADED.error_category:
            self._scaling.overloaded()
        if step.step is Step.FAIL:
            return False
        work.attempt += 1
        await asyncio.sleep(step.wait)
        return True

    async def _cooled_down(self, work: Undertaking, info: ErrorInfo, ticket: int) -> bool:
        """Pause with everybody; False when there were too many pauses."""
        work.cooldowns += 1
        began = self._now()
        verdict = await self._gate.refused(
            ticket, worker_id=work.worker.worker_id, item_id=work.item.item_id, suggested=info.suggested_wait
        )
        if verdict is Verdict.BEGIN and self._limiter is not None:
            self._limiter.paused(self._now() - began, self._gate.consecutive)
        if verdict is Verdict.BEGIN and self._scaling is not None:
            self._scaling.refused()
        return verdict is not Verdict.GIVE_UP

    def _classify(self, error: Exception) -> ErrorInfo:
        """Ask the classifier, which may be somebody's; one that fails decides nothing."""
        try:
            return self._classifier.classify(error)
        except Exception:
            log.exception("the error classifier failed", extra={"event": "live.hook_failed"})
            return UNKNOWN

    def _settle(self, work: Undertaking, tokens: Tokens | None) -> None:
        """Add what an attempt used; where nobody knows, the limiter keeps the estimate."""
        if tokens is None:
            return
        work.spend(tokens)
        if self._limiter is not None:
            self._limiter.settle(work.item.estimated_tokens, tokens[2])

    async def _tell(self, result: WorkItemResult, category: str, worker: Worker) -> None:
        data: dict[str, Any] = {
            "item_id": result.item_id,
            "worker_id": worker.worker_id,
            "duration": result.seconds,
            "attempts": result.attempts,
            "input_tokens": result.tokens("input_tokens"),
            "output_tokens": result.tokens("output_tokens"),
        }
        if result.success:
            await self._hooks.tell(ProcessingEvent.ITEM_COMPLETED, data)
        else:
            data |= {"error_type": category or UNKNOWN.error_category, "error": result.error}
            await self._hooks.tell(ProcessingEvent.ITEM_FAILED, data)


def _not_asked() -> LLMRateLimitError:
    return LLMRateLimitError(
        "not asked: the provider still refused after as many cooldowns in a row as the settings allow "
        "(RateLimitConfig.max_cooldowns)"
    )
