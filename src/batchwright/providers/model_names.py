"""Which provider a model's name means. Pure."""

import re
from dataclasses import dataclass

from batchwright.errors import ConfigurationError

ROUTER = "openai"
"""Whose format routers and local servers speak."""

_PREFIXES = {"openai": "openai", "anthropic": "anthropic", "google": "gemini", "gemini": "gemini", "models": "gemini"}
_FAMILIES = (
    (re.compile(r"(?:ft:)?(?:gpt-|chatgpt-|o\d)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-|gemma-"), "gemini"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A provider, and the model in that provider's own name."""

    provider_name: str
    model: str


def route_of(name: str, *, base_url: str | None = None) -> Route:
    """Return whom `name` means: `openai/gpt-5.4-mini`, `google/gemini-2.5-flash`, or a family's plain name.

    With `base_url` the name is the router's, slash and all. Raises `ConfigurationError` where it tells of nobody.
    """
    if base_url is not None:
        return Route(provider_name=ROUTER, model=name)
    prefix, _, rest = name.partition("/")
    provider = _PREFIXES.get(prefix.lower())
    if provider is not None and rest:
        return Route(provider_name=provider, model=rest)
    for family, provider_name in _FAMILIES:
        if family.match(name):
            return Route(provider_name=provider_name, model=name)
    raise ConfigurationError(
        f"model {name!r} names no provider: put openai/, anthropic/ or google/ in front, "
        "or set base_url to the address of the router that serves it"
    )
