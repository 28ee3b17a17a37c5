"""The sample workspace: documents, their issue report and the prompts, as a newcomer's first try.

This package is its home; the folders of the same names at the root of the repository are made from it by
`scripts/sync-workspace`.
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from batchwright.errors import InputError

CONTENT = {"Documents": "Documents", "prompts": "prompts", "gitignore": ".gitignore"}
"""What a workspace is made of: name in this package to name in the workspace (build tools heed a dotted one)."""


def prompts_folder() -> Traversable:
    """Return the folder of prompts that are used where a workspace has none of its own."""
    return files(__name__).joinpath("prompts")


def contents() -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield every file of the sample workspace: its place in it, and its bytes."""
    root = files(__name__)
    for name, target in CONTENT.items():
        yield from _walk(root.joinpath(name), PurePosixPath(target))


def copy_to(folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Copy the sample workspace into `folder`, which is made where needed; return the files that were written.

    A file that is there already is left alone and not in the list, unless `overwrite` asks for it. Raises `InputError`
    where the folder cannot be written.
    """
    written = []
    for place, data in contents():
        target = folder / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb" if overwrite else "xb") as file:
                file.write(data)
        except FileExistsError as exc:
            if not target.is_file():
                raise InputError(f"the sample workspace cannot be copied: {target} is in the way") from exc
            continue
        except OSError as exc:
            raise InputError(f"the sample workspace cannot be copied: {target} ({exc.strerror or exc})") from exc
        written.append(target)
    return written


def _walk(node: Traversable, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    if node.is_file():
        yield place, node.read_bytes()
        return
    for child in sorted(node.iterdir(), key=lambda child: child.name):
        yield from _walk(child, place / child.name)
