"""Files that are whole or not there: temp file in the same folder, fsync, rename, fsync of the folder.

Everything here raises plain `OSError`; the callers know what the file means to a person and say so.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
"""What file systems answer that cannot fsync a folder; they order the rename themselves."""


@contextmanager
def replacing(path: Path, temporary: Path) -> Iterator[BinaryIO]:
    """Write `temporary`, and give it the name `path` once it is whole and on disk.

    Whatever goes wrong, `path` stays as it was. The caller makes sure that nobody else writes `temporary` at the same
    time (by a lock or by owning the folder), so one left behind by a killed process is simply removed. A read-only
    `path` is respected, though a rename would not need its permission.
    """
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    file = os.fdopen(handle, "wb", buffering=1 << 17)
    try:
        yield file
        file.flush()
        _keep_mode(path, file.fileno())
        os.fsync(file.fileno())
        file.close()
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # it flushes, which fails once more where a full disk was the trouble
            file.close()
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def replace_durably(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace the content of `path`; the caller holds a lock, so the temp name can be a fixed one and never litters."""
    with replacing(path, path.with_name(f".{path.name}.tmp")) as file:
        file.writelines(chunks)


def sync_folder(folder: Path) -> None:
    """Make names that were just made or changed in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def make_folder(folder: Path) -> bool:
    """Make `folder` and its parents durable; return whether it is new."""
    if folder.is_dir():
        return False
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return False
    sync_folder(folder.parent)
    return True


def _keep_mode(path: Path, handle: int) -> None:
    with suppress(FileNotFoundError):
        os.fchmod(handle, path.stat().st_mode & 0o7777)
