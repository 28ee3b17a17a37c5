"""The providers of a run in their order: the next one takes over when the quota of the one before is used up."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchwright.errors import ConfigurationError, LLMProviderError, LLMQuotaError
from batchwright.providers.base import Answerer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChange:
    """One provider's quota is used up, told once however many calls found out."""

    exhausted: str
    """Its name."""
    successor: str | None
    """Who is asked from now on; None when nobody is left."""
    error: LLMQuotaError

    def __str__(self) -> str:
        """Say it to a person."""
        return f"{self.error}{'' if self.successor is None else f'; going on with {self.successor}'}"


class ProviderChain:
    """Who is asked now. Raises `ConfigurationError` without any provider."""

    def __init__(
        self, providers: Sequence[Answerer], *, on_change: Callable[[ProviderChange], None] | None = None
    ) -> None:
        if not providers:
            raise ConfigurationError("nobody can be asked: give at least one provider")
        self._providers = tuple(providers)
        self._on_change = on_change
        self._at = 0
        self._last: LLMProviderError | None = None

    @property
    def current(self) -> Answerer:
        """The provider to ask; the last one when all have given up."""
        return self._providers[min(self._at, len(self._providers) - 1)]

    @property
    def first(self) -> Answerer:
        """The preferred one: the model that a request names is one of its models."""
        return self._providers[0]

    @property
    def exhausted(self) -> bool:
        """Whether every provider has used up its quota."""
        return self._at == len(self._providers)

    def give_up(self, provider: Answerer, error: LLMQuotaError) -> None:
        """Pass on to the next provider; of many calls that find one exhausted, the first does it."""
        if self.exhausted or provider is not self._providers[self._at]:
            return
        self._at += 1
        self._last = error
        change = ProviderChange(
            exhausted=provider.name, successor=None if self.exhausted else self.current.name, error=error
        )
        _log.warning(
            "quota used up",
            extra={"event": "provider.exhausted", "provider": change.exhausted, "successor": change.successor},
        )
        if self._on_change is not None:
            self._on_change(change)

    def quota_error(self) -> LLMQuotaError:
        """Return the error that tells of all of them."""
        last = self._last
        names = ", ".join(provider.name for provider in self._providers)
        return LLMQuotaError(
            f"every provider has used up its quota ({names}); the last said: {last}",
            provider_name=self.current.name,
            status_code=last.status_code if last else None,
            request_id=last.request_id if last else None,
            retry_after=last.retry_after if last else None,
            code=last.code if last else None,
        )
