"""Prompt files: jinja2 templates in a sandbox, from the workspace's prompts folder, else from those that came with us.

What is filled in is data and stays data: a value is never rendered as a template. A missing variable is an error, not
an empty place in a prompt that somebody pays for.
"""

import json
import re
from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import jinja2
from jinja2.loaders import split_template_path
from jinja2.sandbox import ImmutableSandboxedEnvironment

from batchwright.errors import InputError

_BACKTICKS = re.compile(r"`{3,}")


class Prompts:
    """The prompt files of one workspace. A file is looked for in each folder in turn; the first that has it counts."""

    def __init__(self, folders: Sequence[Path | Traversable]) -> None:
        self._folders = tuple(folders)
        self._environment = ImmutableSandboxedEnvironment(
            loader=_FolderLoader(self._folders),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # a prompt is not HTML; escaping would change the documents' words
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["fenced"] = fenced
        self._environment.filters["json"] = json_lines

    def render(self, name: str, /, **values: object) -> str:
        """Return the prompt, without blank lines around it.

        `values` are plain data, or frozen dataclasses of such. Raises `InputError` naming file and line for a missing
        file, a mistake in the template, a variable it does not get, or anything the sandbox refuses.
        """
        try:
            return self._environment.get_template(name).render(values).strip()
        except jinja2.TemplateNotFound as exc:
            wanted_by = "" if exc.name == name else f" (included by {self._place(exc, name)})"
            searched = " or ".join(str(folder) for folder in self._folders)
            raise InputError(f"prompt file {exc.name!r}{wanted_by} is not in {searched}") from exc
        except jinja2.TemplateSyntaxError as exc:
            raise InputError(f"prompt file {exc.filename or exc.name}, line {exc.lineno}: {exc.message}") from exc
        except InputError:
            raise
        except Exception as exc:  # a template is a user's program: it may raise anything
            raise InputError(f"prompt file {self._place(exc, name)}: {exc or type(exc).__name__}") from exc

    def _place(self, error: BaseException, name: str) -> str:
        """Return file and line of the template in which the error arose: jinja2 puts them in the traceback."""
        place = name
        step = error.__traceback__
        while step is not None:
            filename = step.tb_frame.f_code.co_filename
            if any(filename.startswith(str(folder)) for folder in self._folders):
                place = f"{filename}, line {step.tb_lineno}"
            step = step.tb_next
        return place


class _FolderLoader(jinja2.BaseLoader):
    """Loads from folders on disk or in a package, and from nowhere else."""

    def __init__(self, folders: Sequence[Path | Traversable]) -> None:
        self._folders = folders

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        del environment
        parts = split_template_path(template)
        for folder in self._folders:
            file = folder.joinpath(*parts)
            if file.is_file():
                _stay_inside(folder, file)
                return _text(file), str(file), None
        raise jinja2.TemplateNotFound(template)


def _stay_inside(folder: Path | Traversable, file: Path | Traversable) -> None:
    if isinstance(folder, Path) and isinstance(file, Path) and not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"prompt file {file} leads out of the prompts folder {folder}")


def _text(file: Path | Traversable) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"prompt file {file} is not UTF-8 (byte {exc.start}); save it as UTF-8") from exc
    except OSError as exc:
        raise InputError(f"prompt file {file} cannot be read: {exc.strerror or exc}") from exc


def fenced(text: str, info: str = "") -> str:
    """Return `text` in a code fence that is longer than any run of backticks in it, so that it cannot break out."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{info}\n{text}\n{fence}"


def json_lines(rows: Sequence[Any]) -> str:
    """Return `rows` as a JSON array, one element a line, letters as they are.

    Three backticks in a row are written as escapes: the array then fits in the plainest fence, and means the same.
    """
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    array = f"[\n{lines}\n]" if rows else "[]"
    return _BACKTICKS.sub(lambda run: r"\u0060" * len(run[0]), array)
