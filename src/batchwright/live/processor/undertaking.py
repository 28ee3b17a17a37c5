"""One item on its way through its attempts. Pure."""

from dataclasses import dataclass, replace

from batchwright.live.processor.tokens import Tokens, leave_usage
from batchwright.live.processor.watch import Watch
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult, no_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who does one item after another."""

    worker_id: int
    watch: Watch
    """Of the time that its attempts take."""


class Undertaking:
    """An item, the worker that has it, and what its attempts have come to so far."""

    __slots__ = ("_read", "_total", "_written", "attempt", "cooldowns", "failed", "item", "seconds", "worker")

    def __init__(self, item: LLMWorkItem, worker: Worker) -> None:
        self.item = item
        self.worker = worker
        self.attempt = 1
        """The one that is made now, or comes next."""
        self.cooldowns = 0
        """Pauses it has waited for because it was refused."""
        self.failed = 0
        """Attempts that failed for good; not those a rate limit refused."""
        self.seconds = 0.0
        """All attempts together."""
        self._read = self._written = self._total = 0

    def spend(self, tokens: Tokens) -> None:
        """Add what an attempt used, whatever became of it."""
        self._read += tokens[0]
        self._written += tokens[1]
        self._total += tokens[2]

    @property
    def usage(self) -> dict[str, int]:
        """What all attempts used."""
        return {"input_tokens": self._read, "output_tokens": self._written, "total_tokens": self._total}

    def success(self, output: object) -> WorkItemResult:
        """Return the result of an item that was answered."""
        return WorkItemResult(
            item_id=self.item.item_id,
            success=True,
            output=output,
            context=self.item.context,
            token_usage=self.usage,
            attempts=self.attempt,
            seconds=self.seconds,
        )

    def failure(self, exception: BaseException) -> WorkItemResult:
        """Return the result of an item that is given up."""
        usage = self.usage
        leave_usage(exception, usage)
        return WorkItemResult(
            item_id=self.item.item_id,
            success=False,
            error=f"{type(exception).__name__}: {words_of(exception)}",
            context=self.item.context,
            token_usage=usage,
            exception=exception,
            attempts=self.failed,
            seconds=self.seconds,
        )


def words_of(exception: BaseException) -> str:
    """Return what an exception says, whatever it is."""
    try:
        return str(exception)
    except Exception:  # noqa: BLE001  (somebody's exception cannot say what it is; the item failed all the same)
        return "no message"


def in_place_of(failure: WorkItemResult, supplied: WorkItemResult) -> WorkItemResult:
    """Return the result that was supplied for a failure; what it says nothing about is the failure's."""
    return replace(
        supplied,
        context=failure.context if supplied.context is None else supplied.context,
        token_usage=supplied.token_usage if any(map(supplied.tokens, no_tokens())) else failure.token_usage,
        attempts=supplied.attempts or failure.attempts,
        seconds=supplied.seconds or failure.seconds,
    )


def skipped(item: LLMWorkItem) -> WorkItemResult:
    """Return the result of an item that a middleware skipped."""
    return WorkItemResult(item_id=item.item_id, success=False, error=SKIPPED, context=item.context)


SKIPPED = "skipped"
"""The error, and the category, of an item that a middleware did not let through."""
