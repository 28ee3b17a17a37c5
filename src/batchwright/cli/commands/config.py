"""`config`: every setting, its value, and where that came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from batchwright.cli.datasets.preferences import Preference, listed, workspace_preferences
from batchwright.cli.options import ListingCommand, workspace_options
from batchwright.cli.output import data, json_document, table
from batchwright.cli.workbench import OPTION_OF, settings_from
from batchwright.config import (
    GRACE_VARIABLE,
    KEY_VARIABLES,
    SETTINGS,
    Environment,
    Setting,
    Settings,
    batch_size_from,
    fallbacks_from,
    limits_from,
    provider_from,
)
from batchwright.config_files import FILES


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A setting as it counts now."""

    setting: Setting
    value: str | None
    source: str
    """An option, `environment`, a file's name, or `default`."""


@click.command("config", cls=ListingCommand)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@workspace_options
def command(*, as_json: bool, **given: Any) -> None:
    """Show every setting, its value, and where that came from; of keys only whether they are there.

    A flag comes first, then the environment, .env, batchwright.toml, pyproject.toml ([tool.batchwright]), the default.

    \b
    Examples:
      batchwright config
      batchwright config --json
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    settings = settings_from(given)
    _require_valid(settings)
    preferences, found = workspace_preferences(Path())
    of_runs = listed(found.value if found is not None else None, preferences)
    file = "" if found is None else found.file
    shown = [_shown(setting, settings, given) for setting in SETTINGS]
    if as_json:
        json_document(
            "config",
            settings=[_as_json(item) for item in shown],
            batch=[_preference_as_json(item, file) for item in of_runs],
            keys=[_key_as_json(name, settings.environment) for name in KEY_VARIABLES],
            files=[name for name in FILES if Path(name).is_file()],
        )
        return
    told = [item for item in shown if item.value is not None or not item.setting.name.startswith("limits.")]
    table([(item.setting.name, item.value or "not set", f"({item.source})" if item.value else "") for item in told])
    data()
    table([_preference_told(item, file) for item in of_runs])
    data()
    table([(f"{name} key", key_line(name, settings.environment)) for name in KEY_VARIABLES])


def key_line(provider_name: str, environment: Environment) -> str:
    """Return whether a provider's key is there, never the key."""
    found = environment.first(*KEY_VARIABLES[provider_name])
    if found is None:
        return f"not set ({' or '.join(KEY_VARIABLES[provider_name])})"
    origin = environment.origin(found[0])
    return f"set ({found[0]}{'' if origin == 'environment' else f', {origin}'})"


def _require_valid(settings: Settings) -> None:
    """Raise `ConfigurationError` for a value that cannot be."""
    environment = settings.environment
    provider_from(environment, None)
    fallbacks_from(environment)
    batch_size_from(environment, None)
    _ = settings.grace
    for name in KEY_VARIABLES:
        limits_from(environment, name)


def _shown(setting: Setting, settings: Settings, given: Mapping[str, Any]) -> Shown:
    environment = settings.environment
    option = OPTION_OF.get(setting.name)
    flag = given.get(option) if option else None
    if flag is not None:
        return Shown(setting=setting, value=str(flag), source=str(setting.option))
    value = environment.get(setting.variable)
    if value is not None:
        return Shown(setting=setting, value=value, source=environment.origin(setting.variable))
    default = f"{settings.grace:g}" if setting.variable == GRACE_VARIABLE else setting.default  # another when emulated
    return Shown(setting=setting, value=default or None, source="default")


def _as_json(item: Shown) -> Mapping[str, Any]:
    setting = item.setting
    return {
        "name": setting.name,
        "value": item.value,
        "source": item.source if item.value is not None else None,
        "variable": setting.variable,
        "option": setting.option,
        "meaning": setting.says,
    }


def _preference_told(item: Preference, file: str) -> tuple[str, str, str]:
    """Return the line of a setting of runs over datasets."""
    source = "" if item.value is None else f"({file if item.is_set else 'default'})"
    return f"batch.{item.name}", item.value or "not set", source


def _preference_as_json(item: Preference, file: str) -> Mapping[str, Any]:
    source = None if item.value is None else file if item.is_set else "default"
    return {"name": f"batch.{item.name}", "value": item.value, "source": source, "meaning": item.says}


def _key_as_json(provider_name: str, environment: Environment) -> Mapping[str, Any]:
    names: Sequence[str] = KEY_VARIABLES[provider_name]
    found = environment.first(*names)
    return {
        "provider": provider_name,
        "set": found is not None,
        "variable": found[0] if found else None,
        "source": environment.origin(found[0]) if found else None,
        "variables": list(names),
    }
