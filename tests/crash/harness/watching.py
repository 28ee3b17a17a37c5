"""How a program of this harness gets on: what it says meanwhile, what it keeps, and when a run counts as hung."""

import faulthandler
import json
import os
import re
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

STILL_S = 240
"""Seconds without any sign of a run after which it is taken to hang. A busy machine makes a run slow, not still."""
_LOOK_S = 1.0
_LONGEST_NAP_S = 0.05


class Stillness:
    """Tells when neither what was said nor any file of a folder has changed for long."""

    def __init__(self, *roots, still=STILL_S, clock=time.monotonic):
        """`roots` are folders and files; those that are not there yet are signs once they come."""
        self._roots, self._still, self._clock = roots, still, clock
        self._looked = self._moved = clock()
        self._seen = signs(*roots)

    def lasts(self):
        """Say whether all has been still for that long; the files are looked at once a second at most."""
        now = self._clock()
        if now - self._looked < _LOOK_S:
            return False
        self._looked = now
        seen = signs(*self._roots)
        if seen != self._seen:
            self._seen, self._moved = seen, now
        return now - self._moved >= self._still


def signs(*roots):
    """What changes while a run gets on: the size and the time of change of every file."""
    found = {}
    for root in roots:
        inside = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
        for path in (root, *inside):
            with suppress(FileNotFoundError):
                status = path.stat()
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


def exit_code(child):
    """Return the exit code of a child, negative for a signal, or None while it runs."""
    ended, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def await_end(child, poll, *roots, still=STILL_S):
    """Wait until `poll` returns the exit code of the process `child`, and return it: negative for a signal.

    One that leaves all under `roots` as it is for `still` seconds is ended by SIGABRT: the code then is its negative.
    """
    stillness, began = Stillness(*roots, still=still), time.monotonic()
    while (code := poll()) is None:
        if stillness.lasts():
            os.kill(child, signal.SIGABRT)
        time.sleep(min(_LONGEST_NAP_S, 0.001 + 0.02 * (time.monotonic() - began)))
    return code


def say_where_if_aborted():
    """Let SIGABRT write to stderr where each thread of this process is, before it ends it."""
    faulthandler.enable(2)


def note(text):
    """Say something to whoever watches, beside the figures; a soak shows it at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Findings(dict):
    """What was violated, by the crash that it was found after; said at once, and kept for a look at it."""

    def __init__(self, place):
        super().__init__()
        self._place = place

    def add(self, name, wrong):
        """Note what is wrong after the crash of that name, if anything is."""
        if wrong:
            self[name] = list(wrong)
            note(f"VIOLATION {name}: {'; '.join(self[name])} (kept in {keep(self._place, name)})")


def keep(place, name):
    """Copy what the next crash would overwrite, and the emulator's requests; return the folder."""
    folder = place.root / "kept" / re.sub(r"[^A-Za-z0-9]+", "-", name)[:60]
    shutil.copytree(place.folder, folder / "workspace", dirs_exist_ok=True)
    (folder / "said.txt").write_text(place.said(), encoding="utf-8")
    (folder / "requests.json").write_text(json.dumps(place.emulator.requests(place.work.provider)), encoding="utf-8")
    return folder
