"""LLM batch jobs you can trust: documents and datasets through the providers' Batch APIs.

The public names; each is imported when it is first used, and an SDK only when its provider is made.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchwright.answer import Answer, parse_answer, parse_result
    from batchwright.errors import (
        AnswerError,
        BatchwrightError,
        ConfigurationError,
        InputError,
        JobNotReadyError,
        LLMConnectionError,
        LLMInvalidRequestError,
        LLMNotFoundError,
        LLMOutcomeUnknownError,
        LLMProviderConfigurationError,
        LLMProviderError,
        LLMQuotaError,
        LLMRateLimitError,
        LLMRequestTooLargeError,
        LLMResponseError,
        LLMServerError,
        TrackingError,
    )
    from batchwright.job import BatchJob, JobState, RequestCounts
    from batchwright.live.datasets import BatchResponse, batch_from_csv, batch_process
    from batchwright.live.engine.answering import Answered, Ask, LiveEngine, ProviderChange, QuotaPolicy
    from batchwright.live.limits.limiter import Limiter, RateLimiter
    from batchwright.live.metrics.prometheus import PrometheusObserver
    from batchwright.live.metrics.telemetry import OpenTelemetryObserver
    from batchwright.live.processor.journal import Journal, SqliteJournal
    from batchwright.live.processor.middleware import Middleware
    from batchwright.live.processor.observers import MetricsObserver, Observer, ProcessingEvent
    from batchwright.live.processor.pool import ParallelBatchProcessor
    from batchwright.live.processor.settings import ProcessorConfig, RateLimitConfig, RetryConfig
    from batchwright.live.processor.strategies import ExponentialBackoffStrategy, FixedDelayStrategy, RateLimitStrategy
    from batchwright.live.processor.work import BatchResult, LLMWorkItem, WorkItemResult
    from batchwright.live.stage.checkpoint import Checkpoint
    from batchwright.live.stage.logger import StageLogger, stage_logger
    from batchwright.live.stage.metrics import PageMetrics, llm_result_to_metrics
    from batchwright.live.stage.nouns import LLMBatchConfig, LLMRequest, LLMResult, StageStats
    from batchwright.live.stage.processor import LLMBatchProcessor, batch_process_with_preparation
    from batchwright.providers.anthropic.adapter import AnthropicLLM
    from batchwright.providers.anthropic.classifier import AnthropicErrorClassifier
    from batchwright.providers.base import Limits, Provider, Rates
    from batchwright.providers.classifiers import DefaultErrorClassifier, ErrorClassifier, ErrorInfo
    from batchwright.providers.gemini.adapter import GeminiLLM
    from batchwright.providers.gemini.classifier import GeminiErrorClassifier
    from batchwright.providers.openai.adapter import OpenAILLM
    from batchwright.providers.openai.classifier import OpenAIErrorClassifier
    from batchwright.providers.registry import open_provider
    from batchwright.request import DocumentPart, ImagePart, Message, OutputSchema, Params, Request, Role, TextPart
    from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
    from batchwright.service import LLMService, ProviderStatus
    from batchwright.usage import Usage

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerError",
    "Answered",
    "AnthropicErrorClassifier",
    "AnthropicLLM",
    "Ask",
    "BatchJob",
    "BatchResponse",
    "BatchResult",
    "BatchwrightError",
    "Checkpoint",
    "ConfigurationError",
    "DefaultErrorClassifier",
    "DocumentPart",
    "ErrorClassifier",
    "ErrorInfo",
    "ExponentialBackoffStrategy",
    "Failure",
    "FailureKind",
    "FinishReason",
    "FixedDelayStrategy",
    "GeminiErrorClassifier",
    "GeminiLLM",
    "ImagePart",
    "InputError",
    "JobNotReadyError",
    "JobState",
    "Journal",
    "LLMBatchConfig",
    "LLMBatchProcessor",
    "LLMConnectionError",
    "LLMInvalidRequestError",
    "LLMNotFoundError",
    "LLMOutcomeUnknownError",
    "LLMProviderConfigurationError",
    "LLMProviderError",
    "LLMQuotaError",
    "LLMRateLimitError",
    "LLMRequest",
    "LLMRequestTooLargeError",
    "LLMResponseError",
    "LLMResult",
    "LLMServerError",
    "LLMService",
    "LLMWorkItem",
    "Limiter",
    "Limits",
    "LiveEngine",
    "Message",
    "MetricsObserver",
    "Middleware",
    "Observer",
    "OpenAIErrorClassifier",
    "OpenAILLM",
    "OpenTelemetryObserver",
    "OutputSchema",
    "PageMetrics",
    "ParallelBatchProcessor",
    "Params",
    "ProcessingEvent",
    "ProcessorConfig",
    "PrometheusObserver",
    "Provider",
    "ProviderChange",
    "ProviderStatus",
    "QuotaPolicy",
    "RateLimitConfig",
    "RateLimitStrategy",
    "RateLimiter",
    "Rates",
    "Request",
    "RequestCounts",
    "Result",
    "ResultStatus",
    "RetryConfig",
    "Role",
    "SqliteJournal",
    "StageLogger",
    "StageStats",
    "TextPart",
    "TrackingError",
    "Usage",
    "WorkItemResult",
    "__version__",
    "batch_from_csv",
    "batch_process",
    "batch_process_with_preparation",
    "llm_result_to_metrics",
    "open_provider",
    "parse_answer",
    "parse_result",
    "stage_logger",
]

_HOMES = {
    "batchwright.answer": ("Answer", "parse_answer", "parse_result"),
    "batchwright.errors": (
        "AnswerError",
        "BatchwrightError",
        "ConfigurationError",
        "InputError",
        "JobNotReadyError",
        "LLMConnectionError",
        "LLMInvalidRequestError",
        "LLMNotFoundError",
        "LLMOutcomeUnknownError",
        "LLMProviderConfigurationError",
        "LLMProviderError",
        "LLMQuotaError",
        "LLMRateLimitError",
        "LLMRequestTooLargeError",
        "LLMResponseError",
        "LLMServerError",
        "TrackingError",
    ),
    "batchwright.job": ("BatchJob", "JobState", "RequestCounts"),
    "batchwright.live.datasets": ("BatchResponse", "batch_from_csv", "batch_process"),
    "batchwright.live.engine.answering": ("Answered", "Ask", "LiveEngine", "ProviderChange", "QuotaPolicy"),
    "batchwright.live.processor.journal": ("Journal", "SqliteJournal"),
    "batchwright.live.limits.limiter": ("Limiter", "RateLimiter"),
    "batchwright.live.processor.middleware": ("Middleware",),
    "batchwright.live.processor.observers": ("MetricsObserver", "Observer", "ProcessingEvent"),
    "batchwright.live.processor.pool": ("ParallelBatchProcessor",),
    "batchwright.live.metrics.prometheus": ("PrometheusObserver",),
    "batchwright.live.processor.settings": ("ProcessorConfig", "RateLimitConfig", "RetryConfig"),
    "batchwright.live.stage.checkpoint": ("Checkpoint",),
    "batchwright.live.stage.logger": ("StageLogger", "stage_logger"),
    "batchwright.live.stage.metrics": ("PageMetrics", "llm_result_to_metrics"),
    "batchwright.live.stage.nouns": ("LLMBatchConfig", "LLMRequest", "LLMResult", "StageStats"),
    "batchwright.live.stage.processor": ("LLMBatchProcessor", "batch_process_with_preparation"),
    "batchwright.live.processor.strategies": ("ExponentialBackoffStrategy", "FixedDelayStrategy", "RateLimitStrategy"),
    "batchwright.live.metrics.telemetry": ("OpenTelemetryObserver",),
    "batchwright.live.processor.work": ("BatchResult", "LLMWorkItem", "WorkItemResult"),
    "batchwright.providers.anthropic.adapter": ("AnthropicLLM",),
    "batchwright.providers.anthropic.classifier": ("AnthropicErrorClassifier",),
    "batchwright.providers.base": ("Limits", "Provider", "Rates"),
    "batchwright.providers.classifiers": ("DefaultErrorClassifier", "ErrorClassifier", "ErrorInfo"),
    "batchwright.providers.gemini.adapter": ("GeminiLLM",),
    "batchwright.providers.gemini.classifier": ("GeminiErrorClassifier",),
    "batchwright.providers.openai.adapter": ("OpenAILLM",),
    "batchwright.providers.openai.classifier": ("OpenAIErrorClassifier",),
    "batchwright.providers.registry": ("open_provider",),
    "batchwright.request": (
        "DocumentPart",
        "ImagePart",
        "Message",
        "OutputSchema",
        "Params",
        "Request",
        "Role",
        "TextPart",
    ),
    "batchwright.result": ("Failure", "FailureKind", "FinishReason", "Result", "ResultStatus"),
    "batchwright.service": ("LLMService", "ProviderStatus"),
    "batchwright.usage": ("Usage",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
