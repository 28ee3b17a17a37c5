"""Every touch of disk or network in this process, counted; and sudden death at the one that was named.

Calls that change something outside the process are wrapped, so that death can come right before and right after them
(and, for a write, when half of it is done). An audit hook watches for what the wrappers do not know: such a touch is
counted as well, and death comes right before it. What cannot be told from outside, reading, is no touch.
"""

import builtins
import fcntl
import io
import os
import sys
import threading
from pathlib import Path

import httpx2

CRASHED = 77
"""The exit code of a process that died where it was told to."""

BEFORE, AMID, AFTER = "before", "amid", "after"

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CALLS = ("replace", "rename", "remove", "unlink", "mkdir", "rmdir", "link", "symlink", "fsync", "fchmod", "truncate")
_STILL = frozenset({"flock", "fsync"})
"""A lock goes with its process; and what is not synced is lost to a power failure only, not to a process's death."""
_AUDITED = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
    | {"socket.connect", "fcntl.flock", "fcntl.lockf", "subprocess.Popen"}
)


class Touches:
    """Counts from 1; with `at` and `moment`, ends the process there. To be installed once, in a process of its own."""

    def __init__(self, at=None, moment=BEFORE):
        self.names = []
        """What was touched, in order; names with `*` can be cut in the middle, with `!` only be stopped before.

        Those with `=` left everything outside as it was, once the process is dead.
        """
        self._at, self._moment = at, moment
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._on = True

    def install(self):
        for name in _CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        fcntl.flock = self._wrapped("flock", fcntl.flock)
        transport = httpx2.HTTPTransport
        transport.handle_request = self._wrapped("send", transport.handle_request)
        self._wrap_opening()
        sys.addaudithook(self._audited)

    def outside(self, act):
        """Do what belongs to the test and not to the program."""
        self._on = False
        act()
        self._on = True

    def _begin(self, name):
        with self._lock:
            self.names.append(name)
            number = len(self.names)
        self._die(number, BEFORE)
        return number

    def _die(self, number, moment):
        if number == self._at and moment == self._moment:
            os._exit(CRASHED)

    @property
    def _counting(self):
        return self._on and not getattr(self._thread, "inside", False)

    def _around(self, name, call, *arguments, **options):
        number = self._begin(name)
        self._thread.inside = True
        try:
            return call(*arguments, **options)
        except FileExistsError:
            self._still(number)
            raise
        finally:
            self._thread.inside = False
            if name in _STILL:
                self._still(number)
            self._die(number, AFTER)

    def _still(self, number):
        self.names[number - 1] = self.names[number - 1].rstrip("=") + "="

    def _wrapped(self, name, call):
        def touching(*arguments, **options):
            if not self._counting:
                return call(*arguments, **options)
            return self._around(name, call, *arguments, **options)

        return touching

    def _wrap_opening(self):
        """Count opening for writing, and every write to what was opened so."""
        touches, raw_open, io_open, fdopen = self, os.open, io.open, os.fdopen

        class Raw(io.FileIO):
            def write(self, data):
                if not touches._counting:
                    return super().write(data)
                number = touches._begin("write*")
                if (number, AMID) == (touches._at, touches._moment):
                    super().write(bytes(data)[: len(data) // 2])
                    os._exit(CRASHED)
                try:
                    return super().write(data)
                finally:
                    touches._die(number, AFTER)

        def open_handle(path, flags, *more, **options):
            if flags & _WRITING and self._counting:
                return self._around("open", raw_open, path, flags, *more, **options)
            return raw_open(path, flags, *more, **options)

        def open_file(
            file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None
        ):
            plain = opener is None and isinstance(file, (str, Path))
            if not (plain and self._counting and set(mode) & set("wax")):
                return io_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = self._around("open", Raw, str(file), mode.replace("b", "").replace("t", ""))
            binary = io.BufferedWriter(raw)
            return binary if "b" in mode else io.TextIOWrapper(binary, encoding, errors, newline)

        def adopt(handle, mode="r", buffering=-1, *more, **options):
            if self._counting and mode == "wb":
                return io.BufferedWriter(Raw(handle, "w"), buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
            return fdopen(handle, mode, buffering, *more, **options)

        os.open, os.fdopen = open_handle, adopt
        io.open = builtins.open = open_file

    def _audited(self, event, arguments):
        if event == "open":
            path, mode, flags = arguments
            writing = (mode is None and flags & _WRITING) or (mode is not None and set(mode) & set("wax+"))
            if writing and isinstance(path, (str, bytes)) and self._counting:
                self._begin("open!")
        elif event in _AUDITED and self._counting:
            self._begin(f"{event}!")
