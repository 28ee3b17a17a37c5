"""Settings and credentials: flag, then environment, then `.env`, then default. The only reader of the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchwright.errors import ConfigurationError, LLMProviderConfigurationError

PROVIDER_NAMES = ("gemini", "openai", "anthropic")
"""Every provider there is, in the order in which a default is looked for."""

KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "gemini": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
}
"""Where each provider's key is looked for; the first one set wins (GOOGLE_API_KEY first, as in google-genai)."""

EMULATOR_VARIABLE = "BATCHWRIGHT_EMULATOR_URL"
EMULATOR_PREFIXES: Mapping[str, str] = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini"}
"""The emulator's path for each vendor, as its SDK's base URL wants it."""

EMULATOR_KEY = "emulator-no-key-needed"
"""Sent to the emulator, so that a real key never is."""

GRACE_VARIABLE = "BATCHWRIGHT_GRACE"
DEFAULT_GRACE = 60.0
"""Seconds between two looks that must agree before a job counts as lost, or as never created."""
UNFENCED_GRACE = 900.0
"""The same where a create that takes effect late cannot be kept from running: more than the 600 s that clients wait."""
EMULATED_GRACE = 0.2
LONGEST_GRACE = 86_400.0

SETTABLE_LIMITS = (
    "max_requests",
    "max_bytes",
    "max_concurrent_jobs",
    "max_creations_per_hour",
    "max_enqueued_tokens",
)
"""Fields of `providers.base.Limits` that the environment may set."""

DEFAULT_BATCH_SIZE = 10


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables of the process, with those of a `.env` file beneath them."""

    variables: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls, dotenv: Path | None = None) -> "Environment":
        """Read the process environment and `dotenv` (default: `.env` in the working directory, if there is one).

        Raises `ConfigurationError` when a file that was asked for by name does not exist.
        """
        if dotenv is not None and not dotenv.is_file():
            raise ConfigurationError(f"no such file: {dotenv}; --dotenv names a file of KEY=value lines")
        path = dotenv or Path(".env")
        from_file: dict[str, str] = {}
        if path.is_file():
            from dotenv import dotenv_values  # noqa: PLC0415  (only where there is a file to read)

            from_file = {name: value for name, value in dotenv_values(path).items() if value}
        return cls({**from_file, **{name: value for name, value in os.environ.items() if value}})

    def first(self, *names: str) -> tuple[str, str] | None:
        """Return (name, value) of the first of `names` that is set and not empty."""
        for name in names:
            value = self.variables.get(name, "").strip()
            if value:
                return name, value
        return None

    def get(self, name: str) -> str | None:
        """Return the value of `name`, or None if it is unset or empty."""
        found = self.first(name)
        return found[1] if found else None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the commands need to know; paths are relative to the working directory unless absolute."""

    documents_dir: Path = Path("Documents")
    report: Path | None = None
    """The issue report; None means `language-check-report.csv` in `documents_dir`."""
    tracking_file: Path = Path("data/batch_jobs.json")
    state_file: Path = Path("data/llm_categoriser_state.json")
    prompts_dir: Path = Path("prompts")
    environment: Environment = field(default_factory=lambda: Environment({}), repr=False)

    @property
    def issue_report(self) -> Path:
        """The report to read."""
        return self.report or self.documents_dir / "language-check-report.csv"

    @property
    def grace(self) -> float:
        """Seconds between two looks that must agree: `BATCHWRIGHT_GRACE`, or a minute. Raises `ConfigurationError`."""
        value = self.environment.get(GRACE_VARIABLE)
        if value is None:
            return EMULATED_GRACE if self.emulated else DEFAULT_GRACE
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= LONGEST_GRACE:  # which not-a-number is not either
            raise ConfigurationError(
                f"{GRACE_VARIABLE} is {value!r}; it is a number of seconds up to a day ({LONGEST_GRACE:.0f}), e.g. 60"
            )
        return seconds

    @property
    def unfenced_grace(self) -> float:
        """Seconds as `grace`, where nothing keeps a create that takes effect late from running."""
        given = self.environment.get(GRACE_VARIABLE) is not None
        return self.grace if given or self.emulated else UNFENCED_GRACE

    @property
    def batch_size(self) -> int:
        """Items a batch holds where no flag says so. Raises `ConfigurationError`."""
        return batch_size_from(self.environment, None)

    @property
    def emulated(self) -> bool:
        """Whether everything goes to an emulator."""
        return self.environment.get(EMULATOR_VARIABLE) is not None


def limits_from(environment: Environment, provider_name: str) -> dict[str, int]:
    """Return the limits a person set for a provider: `BATCHWRIGHT_GEMINI_MAX_CONCURRENT_JOBS=50` and the like.

    Raises `ConfigurationError` for a value that is no positive whole number.
    """
    found: dict[str, int] = {}
    for name in SETTABLE_LIMITS:
        variable = f"BATCHWRIGHT_{provider_name}_{name}".upper()
        value = environment.get(variable)
        if value is None:
            continue
        number = _positive(value)
        if number is None:
            raise ConfigurationError(f"{variable} is {value!r}; it is a whole number of 1 or more")
        found[name] = number
    return found


def batch_size_from(environment: Environment, flag: int | None) -> int:
    """Return the items a batch holds: the flag, `LLM_CATEGORISER_BATCH_SIZE`, or 10. Raises `ConfigurationError`."""
    if flag is not None:
        value, source = str(flag), "--batch-size"
    else:
        found = environment.first("LLM_CATEGORISER_BATCH_SIZE")
        source, value = found or ("", str(DEFAULT_BATCH_SIZE))
    number = _positive(value)
    if number is None:
        raise ConfigurationError(f"{source} is {value!r}; a batch holds 1 item or more, e.g. {DEFAULT_BATCH_SIZE}")
    return number


def provider_from(environment: Environment, flag: str | None) -> str:
    """Return the provider to use: the flag, `LLM_PRIMARY`, or gemini. Raises `ConfigurationError`."""
    source, value = ("--provider", flag) if flag else environment.first("LLM_PRIMARY") or ("", PROVIDER_NAMES[0])
    return _provider_name(value, source)


def fallbacks_from(environment: Environment) -> tuple[str, ...]:
    """Return the providers that `LLM_FALLBACK` names, separated by commas, each once. Raises `ConfigurationError`."""
    words = (environment.get("LLM_FALLBACK") or "").split(",")
    return tuple(dict.fromkeys(_provider_name(word, "LLM_FALLBACK") for word in words if word.strip()))


def _provider_name(value: str, source: str) -> str:
    name = value.strip().lower()
    if name not in PROVIDER_NAMES:
        raise ConfigurationError(f"{source}: no provider {value!r}; known: {', '.join(PROVIDER_NAMES)}")
    return name


def _positive(text: str) -> int | None:
    """Return the whole number of 1 or more that `text` is, or None."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number >= 1 else None
