"""The stage processor: pages in, one model call each, results handled as they come."""

import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from batchwright.live.engine.answering import LiveEngine
from batchwright.live.limits.limiter import RateLimiter
from batchwright.live.processor.autoscale import Bounds
from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
from batchwright.live.stage.bridge import Emit
from batchwright.live.stage.building import bind
from batchwright.live.stage.checkpoint import Checkpoint
from batchwright.live.stage.lanes import Event, Lanes
from batchwright.live.stage.logger import Logger, stage_logger
from batchwright.live.stage.nouns import LLMBatchConfig, LLMRequest, LLMResult, StageStats
from batchwright.live.stage.preparation import Preparation
from batchwright.live.stage.run import StageRun
from batchwright.providers.base import Provider
from batchwright.providers.model_names import Route, route_of
from batchwright.providers.registry import open_provider

RequestBuilder = Callable[..., LLMRequest | tuple[LLMRequest, Any] | None]
"""`(page, …) -> request`, `(request, extra data)`, or None to skip the page. Called in threads, several at once."""
ResultHandler = Callable[[LLMResult], object]
"""Called for every answered page, failed ones included, one at a time, in the thread that runs the stage."""

_MAX_WORKERS = """\
batch_process_with_preparation() takes no max_workers; it is the processor's:
    config = LLMBatchConfig(max_workers=10)
    processor = LLMBatchProcessor(..., config=config)
    batch_process_with_preparation(..., processor=processor)  # uses config.max_workers"""
_ON_THE_WAY = 4
_LONGEST_COOLDOWN = 3600.0
"""Seconds to which cooldowns grow that follow one another without a success."""


class LLMBatchProcessor:
    """Runs stages with one set of settings.

    `checkpoint` is a `Checkpoint`: pages that it has are skipped, and a page enters it once its handler has returned
    (see `LLMBatchConfig.mark_completed`). Another object is left to your handler. `logger` is told what fails and how
    a stage ended; `log_dir` gets a JSON file for each request with what was sent and answered, None writes none.
    Raises `ConfigurationError` for a model whose provider is unknown.
    """

    def __init__(
        self,
        checkpoint: Any = None,
        logger: Logger | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        config: LLMBatchConfig | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.logger = logger if logger is not None else stage_logger()
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.config = config or LLMBatchConfig()
        self._own = None if self.config.model is None else route_of(self.config.model, base_url=self.config.base_url)

    def run(
        self,
        stage_name: str,
        pages: Iterable[Any],
        request_builder: RequestBuilder,
        result_handler: ResultHandler,
        logger: Logger | None = None,
        **kwargs: Any,
    ) -> StageStats:
        """Ask about every page; see `batch_process_with_preparation`."""
        for name, function in (("request_builder", request_builder), ("result_handler", result_handler)):
            if inspect.iscoroutinefunction(function):
                raise TypeError(f"{name} is asynchronous; a stage calls plain functions")
        logger = logger if logger is not None else self.logger
        offered = {"logger": logger, "stage_name": stage_name}
        if self.config.model is not None:
            offered["model"] = self.config.model
        builder = bind(request_builder, kwargs, offered)
        if builder.ignored:
            ignored = f"{stage_name}: request_builder takes no {', '.join(builder.ignored)}; left out"
            logger.warning(ignored)
        checkpoint = self.checkpoint if isinstance(self.checkpoint, Checkpoint) else None
        run = StageRun(stage_name, config=self.config, checkpoint=checkpoint, log_dir=self.log_dir, logger=logger)

        async def work(preparation: Preparation, emit: Emit[Event]) -> None:
            lanes = Lanes(open_provider=self._open_provider, make_engine=self._engine, emit=emit, most=self._most)
            await lanes.run(preparation.outcomes())
            if preparation.broken is not None:
                raise preparation.broken

        return run.execute(pages, builder, result_handler, work)

    @property
    def _most(self) -> int:
        """Pages that may be open at once: one for each worker, and a few whose answers are on their way out."""
        workers = self.config.max_workers
        return (Bounds().highest if workers == "auto" else workers) + _ON_THE_WAY

    def _open_provider(self, route: Route) -> Provider:
        """Open a provider; the settings' key is for the settings' model."""
        own = self._own is None or self._own.provider_name == route.provider_name
        key = self.config.api_key if own else None
        return open_provider(route.provider_name, model=route.model, api_key=key, base_url=self.config.base_url)

    def _engine(self, provider: Provider) -> LiveEngine:
        config = self.config
        return LiveEngine(
            [provider],
            config=ProcessorConfig(
                max_workers=config.max_workers,
                timeout_per_item=config.timeout,
                retry=RetryConfig(max_attempts=config.max_retries + 1),
                rate_limit=RateLimitConfig(
                    cooldown_seconds=config.cooldown, max_cooldown_seconds=max(config.cooldown, _LONGEST_COOLDOWN)
                ),
            ),
            limiter=RateLimiter(
                requests_per_minute=config.requests_per_minute, tokens_per_minute=config.tokens_per_minute
            ),
        )


def batch_process_with_preparation(
    stage_name: str,
    pages: Iterable[Any],
    request_builder: RequestBuilder,
    result_handler: ResultHandler,
    processor: LLMBatchProcessor,
    logger: Logger | None = None,
    **kwargs: Any,
) -> StageStats:
    """Build a request of every page, ask, and hand each result to `result_handler` as it comes.

    `request_builder(page, …)` gets of `kwargs` what it names, and `model`, `logger` and `stage_name` where it names
    those. Builders run in threads; the handler runs here, for one result at a time. An exception in either fails its
    page, is logged, and the rest goes on. What ends the stage is raised, after what was in flight is handled:
    `LLMQuotaError`, `LLMProviderConfigurationError` (no key, or refused), whatever `pages` raises. Run it again with
    the same checkpoint to go on. Raises `TypeError` for arguments that do not fit the builder, and for
    asynchronous functions.
    """
    if "max_workers" in kwargs:
        raise TypeError(_MAX_WORKERS)
    return processor.run(stage_name, pages, request_builder, result_handler, logger, **kwargs)
