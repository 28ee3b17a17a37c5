"""What is needed to speak to a vendor: its key and its address, from arguments, the emulator, or the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchwright.config import EMULATOR_VARIABLE, KEY_VARIABLES, Environment
from batchwright.errors import LLMProviderConfigurationError

EMULATOR_PREFIXES: Mapping[str, str] = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini"}
"""The emulator's path for each vendor, as its SDK's base URL wants it."""

EMULATOR_KEY = "emulator-no-key-needed"
"""Sent to the emulator, so that a real key never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What is needed to speak to one vendor."""

    api_key: str = field(repr=False)
    base_url: str | None
    """None means the vendor's own address."""
    source: str
    """Where the key came from, for a person: a variable's name, `argument`, `emulator`."""


def find_credentials(
    provider_name: str,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    environment: Environment | None = None,
) -> Credentials:
    """Return the key and address for `provider_name`: arguments first, then the emulator, then the environment.

    Raises `LLMProviderConfigurationError` naming the variables to set when there is no key.
    """
    environment = environment or Environment.load()
    emulator = environment.get(EMULATOR_VARIABLE)
    if api_key is None and base_url is None and emulator is not None:
        address = emulator.rstrip("/") + EMULATOR_PREFIXES[provider_name]
        return Credentials(api_key=EMULATOR_KEY, base_url=address, source="emulator")
    if api_key:
        return Credentials(api_key=api_key, base_url=base_url, source="argument")
    found = environment.first(*KEY_VARIABLES[provider_name])
    if found is None:
        names = " or ".join(KEY_VARIABLES[provider_name])
        raise LLMProviderConfigurationError(
            f"no key for {provider_name}: set {names} (in the environment or in .env); `batchwright demo` needs none",
            provider_name=provider_name,
        )
    return Credentials(api_key=found[1], base_url=base_url, source=found[0])
