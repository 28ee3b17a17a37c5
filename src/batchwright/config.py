"""Settings: flag, environment, `.env`, settings file, default, in this order.

The only reader of the environment. Every setting has a variable; a settings file's values are taken for variables that
are set nowhere else, so that whoever asks for one need not know where it came from.
"""

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchwright.config_files import read_settings
from batchwright.errors import ConfigurationError

PROVIDER_NAMES = ("gemini", "openai", "anthropic")
"""Every provider there is, in the order in which a default is looked for."""

KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "gemini": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
}
"""Where each provider's key is looked for; the first one set wins (GOOGLE_API_KEY first, as in google-genai)."""

EMULATOR_VARIABLE = "BATCHWRIGHT_EMULATOR_URL"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing that a person may set."""

    name: str
    """In a settings file; dotted where it stands in a table."""
    variable: str
    says: str
    default: str = ""
    """As text; empty where none is set."""
    option: str | None = None
    """Of the command line, where there is one."""
    kinds: tuple[type, ...] = (str,)
    """What it may be in a settings file."""


SETTINGS = (
    Setting(
        name="provider",
        variable="LLM_PRIMARY",
        says="the provider to use",
        default=PROVIDER_NAMES[0],
        option="--provider",
    ),
    Setting(
        name="fallback",
        variable="LLM_FALLBACK",
        says="providers to go on with when a quota is used up",
        kinds=(str, list),
    ),
    Setting(
        name="batch_size",
        variable="LLM_CATEGORISER_BATCH_SIZE",
        says="issues in one request",
        default=str(DEFAULT_BATCH_SIZE),
        option="--batch-size",
        kinds=(int,),
    ),
    Setting(
        name="documents_dir",
        variable="BATCHWRIGHT_DOCUMENTS_DIR",
        says="the documents and their reports",
        default="Documents",
        option="--documents-dir",
    ),
    Setting(
        name="report",
        variable="BATCHWRIGHT_REPORT",
        says="the issue report",
        default="language-check-report.csv in documents_dir",
        option="--from-report",
    ),
    Setting(
        name="tracking_file",
        variable="BATCHWRIGHT_TRACKING_FILE",
        says="which jobs there are",
        default="data/batch_jobs.json",
        option="--tracking-file",
    ),
    Setting(
        name="state_file",
        variable="BATCHWRIGHT_STATE_FILE",
        says="which batches are complete",
        default="data/llm_categoriser_state.json",
        option="--state-file",
    ),
    Setting(
        name="prompts_dir",
        variable="BATCHWRIGHT_PROMPTS_DIR",
        says="prompts of your own",
        default="prompts",
        option="--prompts-dir",
    ),
    Setting(
        name="emulator",
        variable=EMULATOR_VARIABLE,
        says="a local emulator in place of the providers",
        option="--emulator",
    ),
    Setting(
        name="grace",
        variable=GRACE_VARIABLE,
        says="seconds between two looks that must agree",
        default=f"{DEFAULT_GRACE:.0f}",
        kinds=(int, float),
    ),
    *(
        Setting(
            name=f"limits.{provider}.{limit}",
            variable=f"BATCHWRIGHT_{provider}_{limit}".upper(),
            says="a limit of your account",
            kinds=(int,),
        )
        for provider in PROVIDER_NAMES
        for limit in SETTABLE_LIMITS
    ),
)
"""Every setting but the keys, which belong in no file that others read."""

_SETTINGS_BY_NAME = {setting.name: setting for setting in SETTINGS}
_PROCESS = "environment"


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables of the process, with those of a `.env` file beneath them, and settings files beneath those."""

    variables: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where a variable came from, for a person: a file's name, an option; the process's own are left out."""

    @classmethod
    def load(cls, dotenv: Path | None = None) -> "Environment":
        """Read the process environment, `dotenv` (default: `.env`, if there is one), and settings files.

        The files are those of the working directory. Raises `ConfigurationError` when a file that was asked for by
        name does not exist, and for a settings file that is no TOML, or sets what nobody knows.
        """
        if dotenv is not None and not dotenv.is_file():
            raise ConfigurationError(f"no such file: {dotenv}; --dotenv names a file of KEY=value lines")
        path = dotenv or Path(".env")
        from_file: dict[str, str] = {}
        if path.is_file():
            from dotenv import dotenv_values  # noqa: PLC0415  (only where there is a file to read)

            from_file = {name: value for name, value in dotenv_values(path).items() if value}
        return (
            _from_settings_files(Path())
            .overlaid(from_file, str(path))
            .overlaid({name: value for name, value in os.environ.items() if value}, _PROCESS)
        )

    def overlaid(self, variables: Mapping[str, str], origin: str) -> "Environment":
        """Return this with other variables above it, which came from `origin`."""
        origins = {name: where for name, where in self.origins.items() if name not in variables}
        if origin != _PROCESS:
            origins |= dict.fromkeys(variables, origin)
        return Environment({**self.variables, **variables}, origins)

    def origin(self, name: str) -> str:
        """Return where a variable that is set came from, for a person."""
        return self.origins.get(name, _PROCESS)

    def called(self, name: str) -> str:
        """Return what a person calls a variable: its name, or that of the setting in the file that set it."""
        origin = self.origin(name)
        setting = next((setting.name for setting in SETTINGS if setting.variable == name), name)
        return f"{origin}: {setting}" if origin.endswith(".toml") else name

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
class Settings:
    """What the commands need to know; paths are relative to the working directory unless absolute."""

    documents_dir: Path = Path("Documents")
    report: Path | None = None
    """The issue report; None means `language-check-report.csv` in `documents_dir`."""
    tracking_file: Path = Path("data/batch_jobs.json")
    state_file: Path = Path("data/llm_categoriser_state.json")
    prompts_dir: Path = Path("prompts")
    environment: Environment = field(default_factory=lambda: Environment({}), repr=False)

    @classmethod
    def over(cls, environment: Environment, given: Mapping[str, Path]) -> "Settings":
        """Return the settings of an environment; `given` are fields that flags set."""
        fields: dict[str, Any] = {
            setting.name: Path(value)
            for setting in SETTINGS
            if setting.name in cls.__dataclass_fields__ and (value := environment.get(setting.variable)) is not None
        }
        return cls(**(fields | dict(given)), environment=environment)

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
            called = self.environment.called(GRACE_VARIABLE)
            raise ConfigurationError(
                f"{called} is {value!r}; it is a number of seconds up to a day ({LONGEST_GRACE:.0f}), e.g. 60"
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
            raise ConfigurationError(f"{environment.called(variable)} is {value!r}; it is a whole number of 1 or more")
        found[name] = number
    return found


def batch_size_from(environment: Environment, flag: int | None) -> int:
    """Return the items a batch holds: the flag, `LLM_CATEGORISER_BATCH_SIZE`, or 10. Raises `ConfigurationError`."""
    if flag is not None:
        value, source = str(flag), "--batch-size"
    else:
        found = environment.first("LLM_CATEGORISER_BATCH_SIZE")
        source, value = found or ("", str(DEFAULT_BATCH_SIZE))
        source = environment.called(source)
    number = _positive(value)
    if number is None:
        raise ConfigurationError(f"{source} is {value!r}; a batch holds 1 item or more, e.g. {DEFAULT_BATCH_SIZE}")
    return number


def provider_from(environment: Environment, flag: str | None) -> str:
    """Return the provider to use: the flag, `LLM_PRIMARY`, or gemini. Raises `ConfigurationError`."""
    source, value = ("--provider", flag) if flag else environment.first("LLM_PRIMARY") or ("", PROVIDER_NAMES[0])
    return _provider_name(value, environment.called(source))


def fallbacks_from(environment: Environment) -> tuple[str, ...]:
    """Return the providers that `LLM_FALLBACK` names, separated by commas, each once. Raises `ConfigurationError`."""
    words = (environment.get("LLM_FALLBACK") or "").split(",")
    return tuple(
        dict.fromkeys(_provider_name(word, environment.called("LLM_FALLBACK")) for word in words if word.strip())
    )


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


def _from_settings_files(folder: Path) -> Environment:
    """Return what the settings files of a folder set, as variables. Raises `ConfigurationError`."""
    variables: dict[str, str] = {}
    origins: dict[str, str] = {}
    for name, found in read_settings(folder).items():
        setting = _SETTINGS_BY_NAME.get(name)
        if setting is None:
            raise ConfigurationError(f"{found.file}: {_unknown(name)}")
        values = found.value if isinstance(found.value, list) else [found.value]
        texts = values is not found.value or all(isinstance(value, str) for value in values)
        if type(found.value) not in setting.kinds or not texts:
            kinds = " or ".join(_TOML_WORDS[kind] for kind in setting.kinds)
            raise ConfigurationError(f"{found.file}: {name} is {found.value!r}; it is {kinds}")
        variables[setting.variable] = ",".join(map(str, values))
        origins[setting.variable] = found.file
    return Environment(variables, origins)


_TOML_WORDS: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number", list: "a list of texts"}


def _unknown(name: str) -> str:
    variables = [variable for variables in KEY_VARIABLES.values() for variable in variables]
    if "key" in name.lower():
        return (
            f"{name} does not belong in a file that others read; set {', '.join(variables)} in .env, which stays here"
        )
    near = difflib.get_close_matches(name, _SETTINGS_BY_NAME, n=3, cutoff=0.5)
    return f"no setting {name!r}; " + (f"is it {' or '.join(near)}?" if near else "see: batchwright config")
