"""Providers by name; only the one that is asked for is imported."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from batchwright.config import PROVIDER_NAMES, Environment, limits_from
from batchwright.errors import ConfigurationError
from batchwright.providers.base import Provider

_CLASSES = {"gemini": "GeminiLLM", "openai": "OpenAILLM", "anthropic": "AnthropicLLM"}


def provider_class(name: str) -> type[Provider]:
    """Return the class of a provider. Raises `ConfigurationError` for an unknown name."""
    if name not in _CLASSES:
        raise ConfigurationError(f"no provider {name!r}; known: {', '.join(PROVIDER_NAMES)}")
    module = import_module(f"batchwright.providers.{name}.adapter")
    found: type[Provider] = getattr(module, _CLASSES[name])
    return found


def open_provider(
    name: str, *, model: str | None = None, environment: Environment | None = None, **options: Any
) -> Provider:
    """Return a provider ready for use; `options` are its constructor's.

    Raises `ConfigurationError` for an unknown name or a missing SDK, `LLMProviderConfigurationError` for a missing key.
    """
    make: Any = provider_class(name)
    environment = environment or Environment.load()
    provider: Provider = make(model=model, environment=environment, **options)
    overrides: dict[str, Any] = dict(limits_from(environment, name))
    provider.limits = replace(provider.limits, **overrides)
    return provider
