"""A program that begins commands of batchwright in processes that have other people's libraries loaded already.

Loading a vendor's SDK takes most of a command's processor time, and the pages give a hundred commands. Each still runs
in a process of its own, from the command's entry to its exit code, with its own folder, variables and streams, and
loads batchwright itself. The installed program is what `tests/acceptance` runs.

    python -P warm_commands.py SOCKET PROGRAM    listens at SOCKET; PROGRAM, which it writes, stands for `batchwright`
"""

import contextlib
import gc
import importlib
import marshal
import os
import select
import signal
import socket
import sys
from pathlib import Path

LOADED = (
    "anthropic.resources.messages.batches",
    "anyio",
    "filelock",
    "google.genai.types",
    "h11",
    "httpcore2",
    "jinja2",
    "openai.resources",
    "sqlite3",
    "starlette.routing",
    "uvicorn",
)
CLIENT = """\
#!{python} -SE
import marshal, os, signal, socket, sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    socket.send_fds(server, [b"!"], [0, 1, 2])
    server.sendall(marshal.dumps((os.getcwd(), sys.argv, dict(os.environ))))
    server.shutdown(socket.SHUT_WR)
    pid = int.from_bytes(server.recv(8), "big")
    signal.signal(signal.SIGINT, lambda number, frame: os.kill(pid, number))
    code = server.recv(1)
sys.exit(code[0])
"""


def main(path: str, program: Path) -> None:
    """Take calls as long as stdin is open. Returns in every process that is to run a command, and is set up for it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        program.write_text(CLIENT.format(python=sys.executable, path=path), encoding="utf-8")
        program.chmod(0o755)
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        for name in LOADED:
            importlib.import_module(name)
        gc.freeze()
        call = _next_call(listener)
    with call:
        _, streams, _, _ = socket.recv_fds(call, 1, 3)
        folder, arguments, variables = marshal.loads(call.makefile("rb").read())
        if child := os.fork():
            for stream in streams:
                os.close(stream)
            _tell(call, child)
            os._exit(0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = arguments


def _next_call(listener: socket.socket) -> socket.socket:
    """Return, in a new process for each of them, a call; ends the program when stdin does, however its parent died."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for these processes
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        call, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return call
        call.close()
    sys.exit()


def _tell(call: socket.socket, child: int) -> None:
    """Tell the caller who runs its command, and at the end the command's exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    call.sendall(child.to_bytes(8, "big"))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):  # the caller was killed
        call.sendall(bytes([code if code >= 0 else 128 - code]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
    from batchwright.cli.main import entry

    entry()
