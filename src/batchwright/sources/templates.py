"""From a row to a prompt: a template with `{column}` in it, a jinja2 file, or the row itself.

What is filled in is data and stays data: braces in a cell mean nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import PROMPT_COLUMN, Row, cell_text

Prompter = Callable[[Row], str]
"""Makes a row's prompt. Raises `InputError` naming the line where that cannot be."""

FragmentOf = Callable[[str], str]
"""Returns the text of a fragment by its name. Raises `InputError` for one that is not there."""

_TOKEN: Final = re.compile(r"(?P<doubled>\{\{|\}\})|\{(?P<name>[^{}\n]*)\}|(?P<open>\{)")
_FRAGMENT: Final = re.compile(r"!fragment[ \t]+(?P<name>\S+)")
_UNDEFINED: Final = re.compile(r"'(?P<name>.+)' is undefined")
_LISTED: Final = 20
_ALL_TEXT: Final = {str}


def compile_template(text: str, *, fragment_of: FragmentOf | None = None) -> Prompter:
    """Return what fills a row into `text`: `{column}` is a cell, `{{` and `}}` are braces.

    `{}` is the row's prompt without a template. `{a.b}` is the member `b` of the JSON object in column `a`, where there
    is no column `a.b`. `!fragment NAME` is replaced by what `fragment_of` returns, as it stands. Raises
    `ConfigurationError` for a brace that opens nothing.
    """
    names: list[str] = []
    pieces: list[str] = []
    for piece, is_fragment in _fragments(text, fragment_of):
        pieces.append(_escaped(piece) if is_fragment else _form(piece, names))
    form = "".join(pieces)
    if not names:
        plain = form % ()
        return lambda _: plain
    return _filler(form, names)


def column_names_in(text: str) -> tuple[str, ...]:
    """Return the columns that a template asks for, each once. Raises `ConfigurationError` as `compile_template`."""
    names: list[str] = []
    _form(_FRAGMENT.sub("", text), names)
    return tuple(dict.fromkeys(names))


def template_file(path: Path) -> Prompter:
    """Return what renders a row with a jinja2 file, in a sandbox: columns are its variables, `row` has all of them.

    It may include files of its own folder. Raises `ConfigurationError` where there is no such file.
    """
    if not path.is_file():
        raise ConfigurationError(f"Template file not found: {path}")
    from batchwright.sources.prompts import Prompts  # noqa: PLC0415  (jinja2 is not needed for `{column}`)

    prompts = Prompts((path.absolute().parent,))

    def prompt(row: Row) -> str:
        try:
            return prompts.render(path.name, **{"row": row.cells, **row.cells})
        except InputError as exc:
            undefined = _UNDEFINED.search(str(exc.__cause__))
            if undefined:
                raise _unknown(undefined["name"], row) from exc
            raise InputError(f"{row.place}: {exc}") from exc

    return prompt


def plain_prompt(row: Row) -> str:
    """Return a row's prompt without a template: the column `prompt`, or the only one, or `name: value` lines."""
    cells = row.cells
    if PROMPT_COLUMN in cells:
        return cell_text(cells[PROMPT_COLUMN])
    if len(cells) == 1:
        return cell_text(next(iter(cells.values())))
    return "\n".join([f"{name}: {cell_text(value)}" for name, value in cells.items()])


def _fragments(text: str, fragment_of: FragmentOf | None) -> list[tuple[str, bool]]:
    """Return a template's pieces in order, and whether each came from a fragment."""
    pieces = []
    end = 0
    for found in _FRAGMENT.finditer(text):
        if fragment_of is None:
            raise ConfigurationError(f"the template asks for the fragment {found['name']!r}, and there are none here")
        pieces += [(text[end : found.start()], False), (fragment_of(found["name"]), True)]
        end = found.end()
    return [*pieces, (text[end:], False)]


def _form(text: str, names: list[str]) -> str:
    """Return `text` as a form for the % operator, and add to `names` what its places stand for."""
    pieces = []
    end = 0
    for token in _TOKEN.finditer(text):
        pieces.append(_escaped(text[end : token.start()]))
        end = token.end()
        if token["open"]:
            raise ConfigurationError(
                f"the template has a brace that is never closed, before {text[end : end + 20]!r}; "
                "one that is meant as it stands is doubled: {{"
            )
        if token["doubled"]:
            pieces.append(token["doubled"][0])
        else:
            names.append(token["name"].strip())
            pieces.append("%s")
    return "".join([*pieces, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _filler(form: str, names: Sequence[str]) -> Prompter:
    single = len(names) == 1
    cells_of: Callable[[Mapping[str, Any]], Any] = itemgetter(*names)

    def prompt(row: Row) -> str:
        try:
            values = cells_of(row.cells)
        except KeyError:
            values = [_looked_up(name, row) for name in names]
            return form % tuple(map(cell_text, values))
        if single:
            return form % (cell_text(values),)
        return form % (values if set(map(type, values)) == _ALL_TEXT else tuple(map(cell_text, values)))

    return prompt


def _looked_up(name: str, row: Row) -> Any:
    """Return the cell of that name, what it names inside a JSON object, or for none the row. Raises `InputError`."""
    if name in row.cells:
        return row.cells[name]
    if not name:
        return plain_prompt(row)
    value: Any = row.cells
    for step in name.split("."):
        if not isinstance(value, Mapping) or step not in value:
            raise _unknown(name, row)
        value = value[step]
    return value


def _unknown(name: str, row: Row) -> InputError:
    known = list(row.cells)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return InputError(
        f"Template variable not found: {name} ({row.place}; its columns are: {', '.join(known[:_LISTED])}{more}; "
        "a brace that is meant as it stands is doubled: {{ }})"
    )
