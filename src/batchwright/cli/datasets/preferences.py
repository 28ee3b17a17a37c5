"""What a person has set for runs over datasets: `batch-config.yaml` of the llm tool, or `[batch]` in our settings file.

Both have the same shape:

    defaults:        {concurrency, rate_limit, model, resume_on_failure}
    rate_limits:     {model: prompts a minute}
    output:          {format, save_to_logs}
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from batchwright.config_files import Found, read_table
from batchwright.errors import ConfigurationError

_KNOWN: Final = {
    "defaults": ("concurrency", "rate_limit", "model", "resume_on_failure"),
    "output": ("format", "save_to_logs"),
}
SAID: Final[Mapping[str, str]] = {
    "defaults.concurrency": "requests at the same time",
    "defaults.rate_limit": "prompts a minute, at most",
    "defaults.model": "the model to ask",
    "defaults.resume_on_failure": "whether the same command goes on with a run that did not end well",
    "rate_limits": "prompts a minute, at most, of one model",
    "output.format": "format of an output whose name does not say it",
    "output.save_to_logs": "whether answers go into the log of the llm tool",
}
"""What each setting is, for a person."""
_TABLES: Final = ("defaults", "rate_limits", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Values for what no option says; None where nothing is set."""

    concurrency: int | None = None
    rate_limit: float | None = None
    """Prompts a minute, for models that have no limit of their own."""
    model: str | None = None
    resume_on_failure: bool = False
    """Whether a run that did not end well goes on when the same is asked again, without `--resume`."""
    rate_limits: Mapping[str, float] = field(default_factory=dict)
    """Prompts a minute by model."""
    format: str | None = None
    save_to_logs: bool = True

    def rate_for(self, names: Iterable[str], option: float | None = None) -> float | None:
        """Return the prompts a minute for a model with these names: the option, its own limit, the default; or None."""
        if option is not None:
            return option
        own = (self.rate_limits[name] for name in names if name in self.rate_limits)
        return next(own, self.rate_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One setting, for a person who asks what counts."""

    name: str
    """In the file, dotted: `defaults.concurrency`, `rate_limits.gpt-4o`."""
    says: str
    value: str | None
    """As text; None where nothing is set and there is no default."""
    is_set: bool
    """Whether the file says it; else it is the default."""


def listed(document: object, preferences: Preferences) -> list[Preference]:
    """Return every setting of a document, of which `preferences` were made, in the order of its tables. Pure."""
    tables: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
    found = []
    for name, says in SAID.items():
        table, _, key = name.partition(".")
        given: Mapping[str, Any] = tables.get(table) or {}
        if key:
            default = {"concurrency": "1", "resume_on_failure": "false", "save_to_logs": "true"}.get(key)
            is_set = given.get(key) is not None
            value = _as_text(given[key]) if is_set else default
            found.append(Preference(name=name, says=says, value=value, is_set=is_set))
        else:
            for model, rate in preferences.rate_limits.items():
                limit = Preference(name=f"{name}.{model}", says=says, value=_as_text(rate), is_set=True)
                found.append(limit)
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def workspace_preferences(folder: Path) -> tuple[Preferences, Found | None]:
    """Return what `[batch]` of a folder's settings files says, and where that is. Raises `ConfigurationError`."""
    found = read_table(folder, "batch")
    if found is None:
        return Preferences(), None
    return preferences_from(found.value, f"{found.file}: batch"), found


def preferences_from(document: object, source: str) -> Preferences:
    """Return what a document says; `source` names it in messages. Raises `ConfigurationError` for what is wrong in it.

    An empty document sets nothing.
    """
    tables = _table(document, source, "it", _TABLES)
    defaults = _table(tables.get("defaults"), source, "defaults", _KNOWN["defaults"])
    output = _table(tables.get("output"), source, "output", _KNOWN["output"])
    limits = _table(tables.get("rate_limits"), source, "rate_limits", None)
    return Preferences(
        concurrency=_whole(defaults.get("concurrency"), source, "defaults.concurrency"),
        rate_limit=_rate(defaults.get("rate_limit"), source, "defaults.rate_limit"),
        model=_of(str, defaults.get("model"), source, "defaults.model"),
        resume_on_failure=bool(_of(bool, defaults.get("resume_on_failure"), source, "defaults.resume_on_failure")),
        rate_limits={
            str(name): rate
            for name, value in limits.items()
            if (rate := _rate(value, source, f"rate_limits.{name}")) is not None
        },
        format=_format(output.get("format"), source),
        save_to_logs=_of(bool, output.get("save_to_logs"), source, "output.save_to_logs") is not False,
    )


def _table(value: object, source: str, name: str, known: tuple[str, ...] | None) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{source}: {name} is {value!r}; it is a table of names and values")
    for key in value if known is not None else ():
        if key not in (known or ()):
            near = difflib.get_close_matches(str(key), known or (), n=1, cutoff=0.5)
            hint = f"is it {near[0]}?" if near else f"known: {', '.join(known or ())}"
            raise ConfigurationError(f"{source}: no setting {key!r} in {name}; {hint}")
    return value


def _of(kind: type, value: Any, source: str, name: str) -> Any:
    if value is not None and type(value) is not kind:
        word = {str: "a text", bool: "true or false"}[kind]
        raise ConfigurationError(f"{source}: {name} is {value!r}; it is {word}")
    return value


def _whole(value: Any, source: str, name: str) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigurationError(f"{source}: {name} is {value!r}; it is a whole number of 1 or more")
    return value


def _rate(value: Any, source: str, name: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < float("inf"):
        raise ConfigurationError(f"{source}: {name} is {value!r}; it is a number of prompts a minute, more than 0")
    return float(value)


def _format(value: Any, source: str) -> str | None:
    from batchwright.reports.datasets.base import Format  # noqa: PLC0415  (for the names)

    known = [str(format_) for format_ in Format]
    if value is not None and value not in known:
        raise ConfigurationError(f"{source}: output.format is {value!r}; known: {', '.join(known)}")
    return None if value is None else str(value)
