"""Every exception batchwright raises; this docstring is the tree.

BatchwrightError
├── ConfigurationError                  a flag, variable or settings value is wrong
├── InputError                          a report, document, prompt or answer file is wrong
│   └── ChangedInputError               the items a job was about are no longer the same
├── AnswerError                         a model's answer is not the JSON that was asked for
├── BudgetError                         it would cost more than a person allowed
├── TrackingError                       the tracking file, a record or a payload folder
│   ├── UnknownJobError                 no job (or more than one) matches the given name
│   ├── NoRoomError                     the job has to wait until the provider takes more
│   └── ClaimedJobError                 another live process is sending this job
├── JobNotReadyError (ValueError)       results asked for before the job has any
└── LLMProviderError                    anything a provider said or did
    ├── LLMProviderConfigurationError   key missing or refused, unknown model
    ├── LLMQuotaError                   quota or credit used up: waiting a little does not help
    ├── LLMRateLimitError               too many requests now: waiting helps
    ├── LLMInvalidRequestError          the provider refused the request as it is
    │   └── LLMRequestTooLargeError     too many bytes or requests in one job
    ├── LLMNotFoundError                the provider does not know this job or file
    ├── LLMServerError                  the provider failed (5xx, overloaded)
    ├── LLMConnectionError              nothing reached the provider, or no answer came back
    ├── LLMOutcomeUnknownError          a create was sent and its answer lost: it may have been paid for
    └── LLMResponseError                the provider answered something nobody can read

A failed *operation* is an exception; a failed *request* inside a job is data (`batchwright.result.Failure`).
"""

from typing import ClassVar


class BatchwrightError(Exception):
    """The root of every exception of this package."""


class ConfigurationError(BatchwrightError):
    """A flag, an environment variable or a settings value is missing or wrong."""


class InputError(BatchwrightError):
    """Something the user gave to be processed cannot be used."""


class ChangedInputError(InputError):
    """The items a job was created for have changed since, so its answers would land on other items."""


class AnswerError(BatchwrightError):
    """A model's answer is not the JSON that was asked for: prose, cut short, or of another shape."""


class BudgetError(BatchwrightError):
    """What was asked for would cost more than a person allowed, or nobody knows what it costs."""


class TrackingError(BatchwrightError):
    """The tracking file, one of its records or a payload folder cannot be used."""


class UnknownJobError(TrackingError):
    """No tracked job, or more than one, matches the given name."""


class NoRoomError(TrackingError):
    """The provider takes no more jobs or tokens at this moment; the job stays planned and is sent later."""


class ClaimedJobError(TrackingError):
    """Another process that is still alive holds this job's claim."""


class JobNotReadyError(BatchwrightError, ValueError):
    """Results were asked for before the job has any; a `ValueError`, as callers of the guides expect."""


class LLMProviderError(BatchwrightError):
    """A provider's operation failed.

    `status_code` is the HTTP status (None when there was no answer), `request_id` the vendor's own id for support,
    `retry_after` the seconds the vendor asked us to wait. `retryable` says whether the same call may succeed later.
    """

    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        provider_name: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.provider_name = provider_name
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.code = code
        self.retryable = self.retryable_by_default if retryable is None else retryable


class LLMProviderConfigurationError(LLMProviderError):
    """The key is missing or refused, or the provider does not offer what it is configured to use."""


class LLMQuotaError(LLMProviderError):
    """Quota or credit is used up; trying again soon does not help."""


class LLMRateLimitError(LLMProviderError):
    """Too many requests at this moment; `retry_after` says how long to wait, where the vendor said it."""

    retryable_by_default = True


class LLMInvalidRequestError(LLMProviderError):
    """The provider refused the request; sending it unchanged would fail again."""


class LLMRequestTooLargeError(LLMInvalidRequestError):
    """The job has too many requests or too many bytes for this provider."""


class LLMNotFoundError(LLMProviderError):
    """The provider does not know the job or file."""


class LLMServerError(LLMProviderError):
    """The provider failed on its side or is overloaded."""

    retryable_by_default = True


class LLMConnectionError(LLMProviderError):
    """The network failed. For a create, this is raised only when the request provably never left."""

    retryable_by_default = True


class LLMOutcomeUnknownError(LLMProviderError):
    """A create was sent and its answer never came: the job may exist and be paid for. Never send it again blindly."""


class LLMResponseError(LLMProviderError):
    """The provider's answer cannot be decoded."""
