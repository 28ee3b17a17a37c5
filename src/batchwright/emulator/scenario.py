"""What the emulated services do: how long jobs take, what fails, which limits hold. Pure settings, no I/O.

A scenario has one block of settings per vendor. Its JSON form, as a file or over `/_emulator/scenario`, is::

    {"log_bodies": true,
     "in_progress_s": 5,                                  <- applies to every vendor
     "providers": {"openai": {"fail_every": 3, "limits": {"max_requests": 10}}},
     "faults": [{"name": "drop_after", "provider": "gemini", "on": ["create"], "times": 1}]}
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from batchwright.emulator.faults.rules import Fault, FaultError, parse_faults
from batchwright.emulator.vendor import Vendor

_MB = 1_000_000  # the vendors say MB and GB and do not say which; the smaller reading is the safe one
_DAY_S = 86_400.0

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Responder(StrEnum):
    """How the emulated model answers."""

    AUTO = "auto"
    """`categorise` where the last user message holds issues, else `schema` where a schema is asked for, else `echo`."""
    ECHO = "echo"
    """The last user text, unchanged."""
    SCHEMA = "schema"
    """A value that satisfies the request's output schema, derived from a hash of the prompt."""
    CATEGORISE = "categorise"
    """A verdict for each object with an `issue_id` in the last user message."""


class Ending(StrEnum):
    """How a job ends that nothing else has ended."""

    SUCCEEDED = "succeeded"
    """Well; single requests may have failed."""
    EXPIRED = "expired"
    """Its window closes when it would have been done, with `stuck_fraction` of its requests answered."""
    CANCELLED = "cancelled"
    """Somebody cancels it when it would have been done, with `stuck_fraction` of its requests answered."""


class ScenarioError(ValueError):
    """The settings are not a scenario; the message names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the vendor refuses to take more of; the defaults are the vendor's own numbers (see `DEFAULT_LIMITS`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    max_requests: Count
    """Requests in one batch; 0 = no limit."""
    max_input_bytes: Count
    """Size of the uploaded file, or of the create body for Anthropic."""
    max_inline_bytes: Count = 0
    """Size of a create body that carries its requests (Gemini only)."""
    max_active_jobs: Count = 0
    """Unfinished batches at once; 0 = no limit."""
    requests_per_minute: Count = 0
    """Live calls in a minute; 0 = no limit, and no answer speaks of one."""
    tokens_per_minute: Count = 0
    """Tokens of what live calls ask in a minute; 0 as above."""
    window_s: Seconds = _DAY_S
    """Seconds after which an unfinished batch expires."""
    results_kept_s: Seconds = 30 * _DAY_S
    """Seconds that results stay available (from creation of the file at OpenAI, of the batch elsewhere)."""
    files_kept_s: Seconds = 30 * _DAY_S
    """Seconds that uploaded files stay available."""


DEFAULT_LIMITS: Mapping[Vendor, Limits] = {
    Vendor.OPENAI: Limits(max_requests=50_000, max_input_bytes=200 * _MB),
    Vendor.ANTHROPIC: Limits(max_requests=100_000, max_input_bytes=256 * _MB, results_kept_s=29 * _DAY_S),
    Vendor.GEMINI: Limits(
        max_requests=0,
        max_input_bytes=2000 * _MB,
        max_inline_bytes=20 * _MB,
        max_active_jobs=100,
        window_s=2 * _DAY_S,
        results_kept_s=42 * _DAY_S,
        files_kept_s=2 * _DAY_S,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one emulated vendor does. A job keeps the settings that held when it was created."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    limits: Limits
    validating_s: Seconds = 0.2
    """Seconds a new job is looked at before it runs (Gemini: pending)."""
    in_progress_s: Seconds = 1.0
    """Seconds a job runs."""
    finalizing_s: Seconds = 0.2
    """Seconds a finished job is being written out."""
    cancelling_s: Seconds = 0.2
    """Seconds between a cancel request and the cancelled state."""
    polls_until_done: Annotated[int, Field(ge=1)] | None = None
    """When set, durations are ignored and the n-th GET of the job is the first to see it ended."""
    stuck: bool = False
    """The job runs until its window closes, and expires."""
    stuck_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the requests that are answered all the same in a job that is stuck, or does not end well."""
    ends_as: Ending = Ending.SUCCEEDED
    """How a job ends that nothing else has ended."""
    fail_every: Count = 0
    """Every k-th request of a job fails on the vendor's side; 0 = none."""
    fail_positions: tuple[Count, ...] = ()
    """Positions (from 0) of requests that fail on the vendor's side."""
    shuffle: bool = False
    """Result lines come in another order than the requests."""
    seed: int = 0
    """Decides the order of shuffled results."""
    responder: Responder = Responder.AUTO
    """Who answers."""

    def fails(self, position: int) -> bool:
        """Whether the request at `position` (from 0) fails on the vendor's side."""
        return position in self.fail_positions or (self.fail_every > 0 and (position + 1) % self.fail_every == 0)

    def order(self, count: int) -> range | list[int]:
        """The positions 0 to `count` - 1 in the order in which their results are written."""
        if not self.shuffle:
            return range(count)
        positions = list(range(count))
        random.Random(self.seed).shuffle(positions)  # noqa: S311 - reproducible, not secret
        return positions


def _defaults(vendor: Vendor) -> Settings:
    # Gemini's cancel is terminal almost at once.
    cancelling_s = 0.0 if vendor is Vendor.GEMINI else 0.2
    return Settings(limits=DEFAULT_LIMITS[vendor], cancelling_s=cancelling_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The settings of the whole emulator."""

    openai: Settings = field(default_factory=lambda: _defaults(Vendor.OPENAI))
    anthropic: Settings = field(default_factory=lambda: _defaults(Vendor.ANTHROPIC))
    gemini: Settings = field(default_factory=lambda: _defaults(Vendor.GEMINI))
    faults: tuple[Fault, ...] = ()
    """What goes wrong, the first that strikes first."""
    log_bodies: bool = True
    """Whether prompts and answers are shown by `/_emulator/log`."""

    def of(self, vendor: Vendor) -> Settings:
        """The settings of one vendor."""
        return {Vendor.OPENAI: self.openai, Vendor.ANTHROPIC: self.anthropic, Vendor.GEMINI: self.gemini}[vendor]

    @classmethod
    def everywhere(cls, **settings: Any) -> Self:
        """The default scenario with `settings` (fields of `Settings`) applied to every vendor."""
        return cls.parse(settings)

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read the JSON form; what it leaves out has its default. Raises `ScenarioError`."""
        return cls().patched(document)

    def patched(self, document: Any) -> Self:
        """This scenario with the settings of `document` (JSON form) over it. Raises `ScenarioError`."""
        if not isinstance(document, Mapping):
            raise ScenarioError("a scenario is a JSON object")
        whole = {"providers", "log_bodies", "faults"}
        shared = {name: value for name, value in document.items() if name not in whole}
        own = document.get("providers", {})
        if not isinstance(own, Mapping) or not all(isinstance(value, Mapping) for value in own.values()):
            raise ScenarioError('"providers" is an object of objects: {"openai": {...}}')
        if unknown := sorted(set(own) - set(Vendor)):
            raise ScenarioError(f"unknown provider {unknown[0]!r}; known: {', '.join(Vendor)}")
        log_bodies = document.get("log_bodies", self.log_bodies)
        if not isinstance(log_bodies, bool):
            raise ScenarioError("log_bodies: true or false")
        blocks = {str(v): _overlaid(self.of(v), shared, own.get(str(v), {})) for v in Vendor}
        try:
            faults = parse_faults(document["faults"]) if "faults" in document else self.faults
        except FaultError as exc:
            raise ScenarioError(f"faults: {exc}") from exc
        return type(self)(log_bodies=log_bodies, faults=faults, **blocks)

    def to_json(self) -> dict[str, Any]:
        """The JSON form, complete; `parse` reads it back."""
        return {
            "log_bodies": self.log_bodies,
            "faults": [fault.to_json() for fault in self.faults],
            "providers": {str(v): settings_to_json(self.of(v)) for v in Vendor},
        }


_SETTINGS = TypeAdapter(Settings)


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """One vendor's settings as plain JSON values."""
    document: dict[str, Any] = _SETTINGS.dump_python(settings, mode="json")
    return document


def settings_from_json(document: Mapping[str, Any]) -> Settings:
    """Read what `settings_to_json` wrote. Raises `ScenarioError`."""
    try:
        return _SETTINGS.validate_python(document)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise ScenarioError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from exc


def _overlaid(base: Settings, *layers: Mapping[str, Any]) -> Settings:
    merged = asdict(base)
    for layer in layers:
        limits = layer.get("limits", {})
        if not isinstance(limits, Mapping):
            raise ScenarioError("limits: an object")
        merged |= {**layer, "limits": {**merged["limits"], **limits}}
    return settings_from_json(merged)
