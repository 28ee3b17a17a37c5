"""What a live run says: what happens document by document, and what it came to."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from batchwright.cli.exits import ExitCode, Terminated
from batchwright.cli.live.lines import DocumentLines
from batchwright.cli.live.progress import LiveProgress, clock_face, price
from batchwright.cli.money import tokens
from batchwright.cli.output import data, talk, warning
from batchwright.errors import BatchwrightError
from batchwright.live.documents.feed import Begun, Ended, LeftOut
from batchwright.live.documents.run import Event, Noticed, Outcome
from batchwright.live.engine.answering import ProviderChange
from batchwright.live.engine.tally import Progress
from batchwright.result import FailureKind, Result
from batchwright.tasks.base import Task
from batchwright.tasks.planning import DocumentKey


@dataclass(slots=True, kw_only=True)
class Found:
    """What a live run came to; filled while it runs."""

    documents: set[DocumentKey] = field(default_factory=set)
    """That were asked about."""
    saved: int = 0
    """Rows on disk."""
    unanswered: int = 0
    """Items that were asked and have no row."""
    left_out: list[LeftOut] = field(default_factory=list)
    progress: Progress | None = None
    error: BatchwrightError | None = None
    """What ended the run early."""
    signalled: signal.Signals | None = None
    """Who ended it early."""

    def verdict(self, *, left_out: bool) -> ExitCode:
        """Return the exit code. Raises what ended the run early."""
        if self.error is not None:
            raise self.error
        if self.signalled is signal.SIGINT:
            raise KeyboardInterrupt
        if self.signalled is not None:
            raise Terminated
        failed = self.unanswered or self.left_out or left_out
        return ExitCode.ITEMS_FAILED if failed else ExitCode.OK


class Teller:
    """Prints what happens, document by document."""

    def __init__(self, *, task: Task, progress: LiveProgress) -> None:
        self._task = task
        self._progress = progress
        self.lines = DocumentLines()

    def tell(self, event: Event) -> None:
        """Print one event."""
        with self._progress.printing():
            match event:
                case Begun():
                    heading = f"Processing {'/'.join(event.key)} ({event.items} {self._task.items_word})..."
                    self.lines.begin(event.key, partial(data, heading))
                case LeftOut():
                    self.lines.say(event.key, partial(warning, f"{'/'.join(event.key)} skipped: {event.reason}"))
                case Ended():
                    self.lines.end(event.key)
                case Noticed():
                    warning(event.message)
                case Outcome():
                    for message in event.warnings if event.answered.result.succeeded else ():
                        self.lines.say(event.key, partial(warning, message))
                    line = f"  Batch {event.question.batch.index}: {_told(event, self._task.items_word)}"
                    self.lines.say(event.key, partial(data, line))

    def tell_change(self, change: ProviderChange) -> None:
        """Print that a provider's quota is used up."""
        with self._progress.printing():
            warning(change)


def _told(outcome: Outcome, items: str) -> str:
    """Say what came of a question."""
    result = outcome.answered.result
    if outcome.error is not None:
        return f"Failed to save - {outcome.error}"
    if not result.succeeded:
        return f"Failed - {_reason(result)}"
    parts = [f"saved {outcome.saved} result(s)"]
    again = sum(len(question.batch.item_ids) for question in outcome.again)
    if again:
        parts.append(f"asking {again} {items} again")
    if outcome.unanswered:
        parts.append(f"{len(outcome.unanswered)} {items} without a usable answer")
    return ", ".join(parts)


def _reason(result: Result) -> str:
    if result.failure is None:
        return result.status.value
    if result.failure.kind is FailureKind.ACCOUNT:
        return "the account's key, credit or quota"  # what it is, is told once, and not with every batch
    return result.failure.message


def summarise(found: Found, others: Mapping[str, int]) -> None:
    """Print the summary, and in it each further count that is not zero."""
    data("Summary:")
    data(f"  Total documents: {len(found.documents)}")
    data(f"  Saved results: {found.saved}")
    counts = {"Without a usable answer": found.unanswered, **others}
    for label, number in counts.items():
        if number:
            data(f"  {label}: {number}")
    progress = found.progress
    if progress is not None and progress.done:
        data(f"  Requests: {progress.done}")
        data(f"  Tokens: {tokens(progress.usage)}")
        data(f"  Cost: {price(progress)}")
        data(f"  Time: {clock_face(progress.seconds)}")
    if found.unanswered:
        talk("What has no usable answer is asked again when the same command is run again.")
