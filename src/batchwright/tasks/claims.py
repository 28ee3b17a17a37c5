"""Which documents are being asked about live at this moment, so that no second process asks the same.

A claim is a kernel lock on a file, free the moment its holder dies. Take and look only in the planning turn
(`JobFolders.planning`): then nobody else takes one meanwhile, and whoever plans a job sees every claim.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from batchwright.closing import Closing
from batchwright.errors import TrackingError
from batchwright.tasks.planning import DocumentKey

BUSY = "a live run is asking about it now; run the same command again when that has ended"
"""Why a document is left out of a job."""


class DocumentClaims(Closing):
    """The claims one process holds; a context manager that frees them all. `folder` is shared by the workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[DocumentKey, int] = {}

    def take(self, key: DocumentKey) -> bool:
        """Claim a document; false if another process, or another object of this one, holds it.

        Raises `TrackingError` if the lock's file cannot be made.
        """
        path = self._path(key)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as exc:
            raise TrackingError(f"cannot claim {'/'.join(key)}: {exc.strerror or exc} ({path})") from exc
        if not _locked(handle):
            os.close(handle)
            return False
        self._held[key] = handle
        return True

    def release(self, key: DocumentKey) -> None:
        """Let others ask about the document; one that is not held stays as it is."""
        handle = self._held.pop(key, None)
        if handle is not None:
            os.close(handle)

    def busy(self, keys: Iterable[DocumentKey]) -> frozenset[DocumentKey]:
        """Return those of `keys` that somebody holds."""
        return frozenset(key for key in keys if self._is_held(key))

    def close(self) -> None:
        """Release everything."""
        for key in list(self._held):
            self.release(key)

    def _is_held(self, key: DocumentKey) -> bool:
        if key in self._held:
            return True
        try:
            handle = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False  # no file, no claim
        try:
            return not _locked(handle)
        finally:
            os.close(handle)

    def _path(self, key: DocumentKey) -> Path:
        digest = hashlib.sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()[:20]
        return self._folder / f"asking-{digest}.lock"


def _locked(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
