"""One run of a stage, in the thread that called it: from the pages to the figures."""

import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from batchwright.live.stage.bridge import Emit, events_of
from batchwright.live.stage.building import Preparing
from batchwright.live.stage.call_log import CallLog
from batchwright.live.stage.checkpoint import Checkpoint
from batchwright.live.stage.counting import StageCount, summary
from batchwright.live.stage.handling import Handling
from batchwright.live.stage.lanes import Event
from batchwright.live.stage.logger import Logger
from batchwright.live.stage.nouns import LLMBatchConfig, LLMResult, StageStats
from batchwright.live.stage.preparation import Preparation
from batchwright.live.stage.progress import REFRESH, StageProgress

Work = Callable[[Preparation, Emit[Event]], Coroutine[Any, Any, None]]
"""Asks about every page and emits what becomes of it."""

_BACKLOG = 4
"""Events that may wait for the handler; answers that wait when a stage is interrupted are asked for again."""


class StageRun:
    """What one run needs beside its pages. `checkpoint` is ours, or None where pages are not marked here."""

    def __init__(
        self,
        stage: str,
        *,
        config: LLMBatchConfig,
        checkpoint: Checkpoint | None,
        log_dir: Path | None,
        logger: Logger,
    ) -> None:
        self._stage = stage
        self._config = config
        self._checkpoint = checkpoint
        self._log_dir = log_dir
        self._logger = logger

    def execute(
        self, pages: Iterable[Any], builder: Callable[[Any], Any], handler: Callable[[LLMResult], object], work: Work
    ) -> StageStats:
        """Run, and return the figures. Raises what ends a stage early, after telling how far it came."""
        total = len(pages) if isinstance(pages, Sized) else None
        count = StageCount(began=time.monotonic(), total=total)
        say, ended = self._logger.info, ""
        try:
            with self._during():
                self._take_all(self._preparation(pages, builder), self._handling(handler, count), count, work)
        except BaseException as exc:
            say, ended = self._logger.error, f"; stopped by {type(exc).__name__}"
            raise
        finally:
            stats = count.stats(time.monotonic())
            say(summary(self._stage, stats, count.first_failure) + ended)
        return stats

    @contextmanager
    def _during(self) -> Iterator[None]:
        """Let what the handler says to the checkpoint be about this stage."""
        if self._checkpoint is None:
            yield
            return
        with self._checkpoint.during(self._stage), closing(self._checkpoint):
            yield

    def _take_all(self, preparation: Preparation, handling: Handling, count: StageCount, work: Work) -> None:
        def asking(emit: Emit[Event]) -> Coroutine[Any, Any, None]:
            return work(preparation, emit)

        shown = self._config.show_progress
        bars = StageProgress(self._stage, count.total, shown=shown, say=self._logger.info)
        with bars, closing(events_of(asking, backlog=_BACKLOG, tick=REFRESH)) as events:
            for event in events:
                if event is not None:
                    handling(event)
                bars.show(count.progress(time.monotonic()), prepared=preparation.built)
            bars.show(count.progress(time.monotonic()), prepared=preparation.built, last=True)

    def _preparation(self, pages: Iterable[Any], builder: Callable[[Any], Any]) -> Preparation:
        threads = self._config.parallel_builders
        preparing = Preparing(builder, config=self._config, is_completed=self._is_completed)
        return Preparation(pages, preparing, threads=threads, ahead=2 * threads)

    def _handling(self, handler: Callable[[LLMResult], object], count: StageCount) -> Handling:
        marks = self._checkpoint is not None and self._config.mark_completed
        return Handling(
            self._stage,
            handler,
            count=count,
            mark=self._mark if marks else None,
            call_log=None if self._log_dir is None else CallLog(self._log_dir),
            complain=self._logger.error,
        )

    def _is_completed(self, page: Any) -> bool:
        return self._checkpoint is not None and self._checkpoint.is_completed(page, stage=self._stage)

    def _mark(self, page: Any) -> None:
        if self._checkpoint is not None:
            self._checkpoint.mark_completed(page, stage=self._stage)
