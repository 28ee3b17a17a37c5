"""Tools by name: functions and toolboxes of plugins, tools of the model's vendor, and functions of one's own."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llm
from llm.utils import instantiate_from_spec

from batchwright.errors import ConfigurationError

Toolset = Callable[[], list[Any]]
"""Makes the tools of one row: toolboxes have a state, and rows know nothing of each other."""


def toolset(specs: Sequence[str], functions: Sequence[str], model: Any) -> Toolset | None:
    """Return what makes the tools that were asked for, or None for none.

    `specs` are names, or `Toolbox(arguments)`; `functions` are Python texts whose public functions are tools. Raises
    `ConfigurationError` for tools that are not there, and for a model that uses none.
    """
    if not specs and not functions:
        return None
    if not model.supports_tools and not model.supported_server_side_tools:
        raise ConfigurationError(f"{model.model_id} does not support tools; see: llm models --tools")
    known: dict[str, Any] = {**llm.get_tools(), **{kind.__name__: kind for kind in model.supported_server_side_tools}}
    unknown = [spec for spec in specs if _name(spec) not in known]
    if unknown:
        raise ConfigurationError(_unknown(unknown, known))
    own = [tool for text in functions for tool in _functions(text)]

    def make() -> list[Any]:
        return [*own, *(_made(spec, known) for spec in specs)]

    try:
        make()
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"--tools {' '.join(specs)}: {exc}") from exc
    return make


def _name(spec: str) -> str:
    return spec.partition("(")[0].strip()


def _made(spec: str, known: Mapping[str, Any]) -> Any:
    found = known[_name(spec)]
    if not inspect.isclass(found):
        return found
    return instantiate_from_spec({name: kind for name, kind in known.items() if inspect.isclass(kind)}, spec)


def _functions(text: str) -> list[llm.Tool]:
    """Return the tools of a Python text, which the person who runs this has written."""
    space: dict[str, Any] = {}
    try:
        exec(text, space)  # noqa: S102  (what --functions is for, as in the tool)
        return [llm.Tool.function(value) for name, value in space.items() if callable(value) and name[0] != "_"]
    except Exception as exc:  # a person's own program may fail in any way
        raise ConfigurationError(f"--functions: {type(exc).__name__}: {exc}") from exc


def _unknown(unknown: Sequence[str], known: Mapping[str, Any]) -> str:
    near = [name for spec in unknown for name in difflib.get_close_matches(_name(spec), known, n=1)]
    hint = f"is it {', '.join(near)}?" if near else f"known: {', '.join(known)}" if known else "none are installed"
    return f"Tool(s) {', '.join(unknown)} not found; {hint} See: llm tools"
