"""`init`: a new workspace."""

from pathlib import Path

import click

from batchwright.cli.options import GuideCommand
from batchwright.cli.output import data, shown_path, talk
from batchwright.config_files import FILE
from batchwright.errors import ConfigurationError, InputError
from batchwright.workspace import contents

IGNORED = ".gitignore"
"""The one file of a workspace that a folder may have before."""
EMPTY = frozenset({"prompts", IGNORED})
"""What an empty workspace has of the sample; documents are its owner's."""
FOLDERS = ("Documents", "data")
"""Folders that are made where nothing brings them."""

SETTINGS_FILE = """\
# Settings of this workspace; a flag or an environment variable goes before them. See: batchwright config
# Keys do not belong here: put them in .env, e.g. OPENAI_API_KEY=...

# provider = "gemini"            # or "openai", "anthropic"
# fallback = ["openai"]          # to go on with when a quota is used up
# batch_size = 10                # issues in one request
# documents_dir = "Documents"

# [limits.gemini]                # what your account allows, where it is not the provider's usual
# max_concurrent_jobs = 100
"""
"""Every line a comment: a new workspace behaves as one without the file."""


@click.command("init", cls=GuideCommand)
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--empty", is_flag=True, help="Without the sample documents: for documents of your own.")
def command(folder: Path, *, empty: bool) -> None:
    """Make a workspace in FOLDER (here, unless another is named) with sample documents to try.

    Nothing that is there already is changed: if a file would be, nothing is made. (A .gitignore may be there.)

    \b
    Examples:
      batchwright init my-course
      batchwright init --empty
    """  # noqa: D301  (\b keeps click from wrapping the examples)
    files = {folder / place: content for place, content in contents() if not empty or {*place.parts[:1]} & EMPTY} | {
        folder / FILE: SETTINGS_FILE.encode()
    }
    ignored = folder / IGNORED
    if ignored.exists():
        content = files.pop(ignored).decode()
        lines = [line for line in content.splitlines() if line and not line.startswith("#")]
        talk(f"{shown_path(ignored)} is there already and stays as it is; it should have: {' '.join(lines)}")
    there = [path for path in files if path.exists() or path.is_symlink()]
    if there:
        names = ", ".join(shown_path(path) for path in there[:5])
        more = f" and {len(there) - 5} more" if len(there) > 5 else ""  # noqa: PLR2004  (as many as are named)
        raise ConfigurationError(f"there is a workspace here already, and nothing was changed: {names}{more}")
    _write(folder, files)
    data(f"Made a workspace in {shown_path(folder.absolute())}: {len(files)} files.")
    talk("Next: put a key in .env (see `batchwright doctor`), then `batchwright batch-create --dry-run`.")


def _write(folder: Path, files: dict[Path, bytes]) -> None:
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content)
    except OSError as exc:
        raise InputError(f"the workspace cannot be made: {exc.filename or folder}: {exc.strerror or exc}") from exc
