"""What is done about each page when it is over: logged, handled, marked, counted."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from batchwright.live.engine.answering import Answered
from batchwright.live.stage.building import NotBuilt, Prepared, Skipped, told
from batchwright.live.stage.call_log import CallLog
from batchwright.live.stage.counting import StageCount
from batchwright.live.stage.lanes import Event
from batchwright.live.stage.logger import harmless
from batchwright.live.stage.nouns import LLMResult

_log = logging.getLogger(__name__)


class Handling:
    """Takes a stage's events, one at a time.

    `complain` is told why a page failed. `mark` remembers that a page is completed, after everything else, so that
    whatever happens before leaves the page to be done; None leaves that to the handler. An exception of `handler` fails
    its page; one of `mark` is raised, for without it the next run would ask everything again.
    """

    def __init__(
        self,
        stage: str,
        handler: Callable[[LLMResult], object],
        *,
        count: StageCount,
        mark: Callable[[Any], None] | None,
        call_log: CallLog | None,
        complain: Callable[[str], object],
    ) -> None:
        self._stage = stage
        self._handler = handler
        self._count = count
        self._mark = mark
        self._call_log = call_log
        self._complain = complain

    def __call__(self, event: Event) -> None:
        """Do what the event asks for."""
        if isinstance(event, Skipped):
            self._count.skip()
        elif isinstance(event, NotBuilt):
            why = f"page {event.page}: {event.error}"
            self._say(why)
            self._count.fail(why)
        else:
            self._over(event.prepared, event.answered)

    def _over(self, prepared: Prepared, answered: Answered) -> None:
        result = to_result(prepared, answered)
        self._keep(prepared, result)
        try:
            returned = self._handler(result)
            if inspect.iscoroutine(returned):  # nothing was handled: it only began
                returned.close()
                raise TypeError("it is asynchronous; a stage calls plain functions")  # noqa: TRY301
        except Exception as exc:  # noqa: BLE001  (the caller's code: whatever it raises fails this page alone)
            _log.debug("a result handler failed", exc_info=exc, extra={"event": "stage.handler_failed"})
            why = f"page {prepared.page}: the result handler failed: {told(exc)}"
            self._say(why)
            self._count.fail(why, answered.usage, answered.cost)
            return
        if not result.success:
            self._count.fail(f"page {prepared.page}: {result.error}", answered.usage, answered.cost)
            return
        if self._mark is not None:
            self._mark(prepared.page)
        self._count.complete(answered.usage, answered.cost)

    def _keep(self, prepared: Prepared, result: LLMResult) -> None:
        if self._call_log is None:
            return
        try:
            self._call_log.write(self._stage, prepared.sent, result)
        except OSError as exc:  # the answer is here and paid for: it goes on without its log
            self._say(f"page {prepared.page} could not be logged: {exc}")

    def _say(self, why: str) -> None:
        self._complain(harmless(f"{self._stage}: {why}"))


def to_result(prepared: Prepared, answered: Answered) -> LLMResult:
    """Return what became of a page, in the stage's words."""
    result, reading = answered.result, prepared.reading
    if result.failure is not None:
        error: str | None = result.failure.message
        if reading is not None and reading.error != error:
            reading = None  # of an earlier attempt
    else:
        error = reading.error if reading is not None else None
    return LLMResult(
        request=prepared.request,
        success=result.succeeded and error is None,
        parsed_json=reading.value if reading is not None and result.succeeded else None,
        error=error,
        cost_usd=None if answered.cost is None else float(answered.cost),
        usage=answered.usage,
        attempts=answered.attempts,
        seconds=answered.seconds,
        text=None if reading is None else reading.text,
        model=answered.model,
        provider_name=answered.provider_name,
        finish_reason=result.finish_reason,
    )
