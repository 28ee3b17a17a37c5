"""`LLMService`: one front over an ordered list of providers.

It keeps nothing: whoever creates a job keeps the two names it returns. Any object with the guide's methods will do as a
provider; one that lacks a method, or raises `NotImplementedError` from it, is passed over.
"""

import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from batchwright.errors import ConfigurationError, LLMOutcomeUnknownError, LLMProviderError, LLMQuotaError

_log = logging.getLogger(__name__)


class ProviderStatus(StrEnum):
    """What became of one provider that was tried."""

    SUCCESS = "success"
    """It did what was asked."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """Its quota or credit is used up; the next one is tried."""
    UNSUPPORTED = "unsupported"
    """It does not offer this; the next one is tried."""
    FAILED = "failed"
    """It failed in another way; nobody else is tried."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """A create was sent and its answer lost; trying another would risk paying twice."""


Reporter = Callable[[str, ProviderStatus, Exception | None], None]
"""Called for every provider that is tried: its name, what became of it, and the error if there was one."""


class UnknownProviderError(ConfigurationError, ValueError):
    """A provider name that this service does not have."""


class LLMService:
    """The first of `providers` that can do a thing does it; the order is the preference.

    Two providers of one name are told apart as `gemini` and `gemini-2`. Raises `ConfigurationError` without any.
    """

    def __init__(self, providers: Sequence[Any], *, reporter: Reporter | None = None) -> None:
        if not providers:
            raise ConfigurationError("LLMService needs at least one provider, e.g. LLMService([GeminiLLM()])")
        self._providers = _named(providers)
        self._reporter = reporter

    @property
    def provider_order(self) -> tuple[str, ...]:
        """The names of the providers in the order in which they are tried."""
        return tuple(self._providers)

    def create_batch_job(
        self, batch_payload: Sequence[Sequence[str] | str], *, filter_json: bool = False
    ) -> tuple[str, str]:
        """Create a batch job and return (provider name, job name); both are needed to find it again.

        Raises `ValueError` for an empty payload, `NotImplementedError` if nobody supports batches, `LLMQuotaError` if
        everybody who does has used up the quota, and any other error of a provider as it comes:
        `LLMOutcomeUnknownError` above all, for then a job may exist.
        """
        if not batch_payload:
            raise ValueError("the batch payload is empty; give a sequence of prompts, each a sequence of strings")
        name, job_name = self._first("create_batch_job", batch_payload, filter_json=filter_json)
        return name, str(job_name)

    def get_batch_job_status(self, provider_name: str, batch_job_name: str) -> Any:
        """Return the provider's status of a job, a `BatchJob` with `state` and `done`."""
        return self._method(provider_name, "get_batch_job")(batch_job_name)

    def fetch_batch_results(self, provider_name: str, batch_job_name: str) -> Sequence[Any]:
        """Return the answers of a finished job in the order of its prompts.

        Raises `ValueError` while it is unfinished or has no results, `LLMProviderError` when it or a request failed.
        """
        results: Sequence[Any] = self._method(provider_name, "fetch_batch_results")(batch_job_name)
        return results

    def cancel_batch_job(self, provider_name: str, batch_job_name: str) -> Any:
        """Ask the provider to cancel a job and return its status after that."""
        return self._method(provider_name, "cancel_batch_job")(batch_job_name)

    def generate(self, user_prompts: Sequence[str] | str, *, filter_json: bool = False) -> Any:
        """Answer one prompt now, at the live price. Raises as `create_batch_job` does."""
        if not user_prompts:
            raise ValueError("the prompt is empty")
        return self._first("generate", user_prompts, filter_json=filter_json)[1]

    def batch_generate(self, batch: Sequence[Sequence[str] | str], *, filter_json: bool = False) -> Sequence[Any]:
        """Answer many prompts now, in parallel, in their order. Raises as `create_batch_job` does."""
        if not batch:
            raise ValueError("the batch is empty; give a sequence of prompts, each a sequence of strings")
        results: Sequence[Any] = self._first("batch_generate", batch, filter_json=filter_json)[1]
        return results

    def health_check(self) -> dict[str, bool]:
        """Return for each provider whether it answers; the reporter is told why one does not."""
        return {name: self._is_healthy(name) for name in self._providers}

    def _is_healthy(self, name: str) -> bool:
        try:
            healthy = self._method(name, "health_check")() is not False
        except NotImplementedError as exc:
            self._report(name, ProviderStatus.UNSUPPORTED, exc)
            return False
        except LLMProviderError as exc:
            self._report(name, _status_of(exc), exc)
            return False
        self._report(name, ProviderStatus.SUCCESS if healthy else ProviderStatus.FAILED, None)
        return healthy

    def _first(self, method: str, payload: Any, *, filter_json: bool) -> tuple[str, Any]:
        """Return (name, result) of the first provider that is able and willing."""
        exhausted: LLMQuotaError | None = None
        for name in self._providers:
            try:
                result = self._method(name, method)(payload, filter_json=filter_json)
            except (LLMQuotaError, NotImplementedError) as exc:
                exhausted = exc if isinstance(exc, LLMQuotaError) else exhausted
                self._report(name, _status_of(exc), exc)
                continue
            except Exception as exc:
                self._report(name, _status_of(exc), exc)
                raise
            self._report(name, ProviderStatus.SUCCESS, None)
            return name, result
        order = ", ".join(self._providers)
        if exhausted is None:
            raise NotImplementedError(f"none of the providers ({order}) supports {method}")
        raise LLMQuotaError(
            f"every provider that supports {method} has used up its quota ({order}); the last said: {exhausted}",
            provider_name=exhausted.provider_name,
            status_code=exhausted.status_code,
            request_id=exhausted.request_id,
            retry_after=exhausted.retry_after,
            code=exhausted.code,
        ) from exhausted

    def _method(self, provider_name: str, method: str) -> Callable[..., Any]:
        provider = self._providers.get(provider_name)
        if provider is None:
            raise UnknownProviderError(f"Provider not found: {provider_name!r}; known: {', '.join(self._providers)}")
        found = getattr(provider, method, None)
        if not callable(found):
            raise NotImplementedError(f"{provider_name} does not support {method}")
        bound: Callable[..., Any] = found
        return bound

    def _report(self, name: str, status: ProviderStatus, error: Exception | None) -> None:
        _log.debug("provider tried", extra={"event": "service.tried", "provider": name, "status": status.value})
        if self._reporter is not None:
            self._reporter(name, status, error)


def _status_of(error: Exception) -> ProviderStatus:
    if isinstance(error, LLMQuotaError):
        return ProviderStatus.QUOTA_EXHAUSTED
    if isinstance(error, NotImplementedError):
        return ProviderStatus.UNSUPPORTED
    return ProviderStatus.OUTCOME_UNKNOWN if isinstance(error, LLMOutcomeUnknownError) else ProviderStatus.FAILED


def _named(providers: Sequence[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for provider in providers:
        name = str(getattr(provider, "name", None) or type(provider).__name__)
        number = 1
        while (unique := name if number == 1 else f"{name}-{number}") in named:
            number += 1
        named[unique] = provider
    return named
