"""The llm tool's saved templates and fragments, as the templates that runs over datasets are made with.

The tool's `$name` becomes `{name}`, a column, unless `-p` or the template's own defaults say what it is; `$input` is
the row's own prompt. Everything else is text and stays text.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from string import Template as DollarTemplate
from typing import Any, Final

import llm
import sqlite_utils
from llm.cli import FragmentNotFound, LoadTemplateError, load_template, resolve_fragments
from llm.migrations import migrate

from batchwright.errors import ConfigurationError

ROW: Final = "{}"
"""The row's own prompt, in a template of ours."""
_INPUT: Final = "input"
_SPACE: Final = re.compile(r"\s")


def saved_template(name: str) -> llm.Template:
    """Return a saved template by its name, path, URL or `loader:name`. Raises `ConfigurationError`."""
    try:
        return load_template(name)
    except LoadTemplateError as exc:
        raise ConfigurationError(f"{exc}; see: llm templates") from exc
    except Exception as exc:  # the network, a file that is no text
        raise ConfigurationError(f"the template {name} cannot be read: {exc}") from exc


def prompt_of(template: llm.Template, params: Mapping[str, str], around: str | None) -> str | None:
    """Return the template of ours that a saved one makes of `around`, which is one of ours too or None for the row.

    One that names neither `$input` nor a column is put before the row's prompt, as the tool does.
    """
    if not template.prompt:
        return around
    values = _values(template, params)
    text = _converted(template.prompt, values, around or ROW)
    names = _names(template.prompt)
    if _INPUT in names or names - values.keys():
        return text
    return f"{text}\n{around or ROW}"


def system_of(template: llm.Template, params: Mapping[str, str]) -> str | None:
    """Return a saved template's system prompt. Raises `ConfigurationError` where it would differ from row to row."""
    if not template.system:
        return None
    values = _values(template, params)
    missing = sorted(_names(template.system) - values.keys())
    if missing:
        raise ConfigurationError(
            f"the system prompt of the template {template.name} is the same for all rows and has no columns: "
            f"say what {', '.join(missing)} is with -p NAME VALUE"
        )
    try:
        return DollarTemplate(template.system).substitute(values)
    except ValueError as exc:
        raise ConfigurationError(f"the system prompt of the template {template.name}: {exc}") from exc


def _names(text: str) -> set[str]:
    """Return the names after a dollar; the tool's own list leaves out those in braces."""
    found = DollarTemplate.pattern.finditer(text)
    return {name for one in found if (name := one["named"] or one["braced"])}


def _values(template: llm.Template, params: Mapping[str, str]) -> dict[str, Any]:
    return {**(template.defaults or {}), **params}


def _converted(text: str, values: Mapping[str, Any], around: str) -> str:
    """Return a text of the tool as a template of ours."""
    pieces = []
    end = 0
    for found in DollarTemplate.pattern.finditer(text):
        name = found["named"] or found["braced"]
        if name is None and not found["escaped"]:
            raise ConfigurationError(f"the template has a $ that names nothing, before {text[found.end() :][:20]!r}")
        pieces.append(_literal(text[end : found.start()]))
        if name is None:
            pieces.append("$")
        elif name == _INPUT:
            pieces.append(around)
        else:
            pieces.append(_literal(str(values[name])) if name in values else f"{{{name}}}")
        end = found.end()
    return "".join([*pieces, _literal(text[end:])])


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


class Fragments:
    """Fragments of the tool's database, of files, addresses and plugins, each looked for once."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._found: dict[str, llm.Fragment] = {}
        self._names: dict[str, str] = {}

    def find(self, name: str) -> llm.Fragment:
        """Return a fragment by its alias, hash, path, URL or `loader:name`. Raises `ConfigurationError`."""
        name = self._names.get(name, name)
        if name not in self._found:
            self._found[name] = self._resolved(name)
        return self._found[name]

    def before(self, names: Sequence[str], template: str | None) -> str:
        """Return a template with fragments before it, each on a line, as the tool puts them before a prompt."""
        return "\n".join([*(f"!fragment {self._word(name)}" for name in names), template or ROW])

    def _word(self, name: str) -> str:
        """Return the name without spaces, by which a template can ask for it."""
        word = _SPACE.sub("_", name)
        self._names[word] = name
        return word

    def _resolved(self, name: str) -> llm.Fragment:
        if name == "-":
            raise ConfigurationError("a fragment cannot be read from standard input here; give it as a file")
        self._database.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite_utils.Database(self._database)
        try:
            migrate(database)
            (found,) = resolve_fragments(database, [name])
        except FragmentNotFound as exc:
            raise ConfigurationError(f"{exc}; see: llm fragments") from exc
        except Exception as exc:  # the network, a file that is no text, a loader that returns several
            raise ConfigurationError(f"the fragment {name} cannot be used: {exc}") from exc
        finally:
            with suppress(Exception):
                database.close()
        assert isinstance(found, llm.Fragment), "attachments were not allowed"
        return found
