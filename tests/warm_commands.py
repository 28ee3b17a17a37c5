"""A program that begins commands in processes that have batchwright and other people's libraries loaded already.

Loading them takes nearly all of a command's processor time, and the tests give a thousand commands. Each still runs in
a process of its own, from the command's entry to its exit code, with its own folder, variables and streams. The
installed programs are run where a test says so.

    python -P warm_commands.py FOLDER    writes FOLDER/batchwright, FOLDER/llm and FOLDER/python, which stand for them
"""

import atexit
import contextlib
import gc
import importlib
import marshal
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

import httpcore2

LOADED = (
    "anthropic.resources.messages.batches",
    "anyio",
    "filelock",
    "google.genai.types",
    "h11",
    "jinja2",
    "llm.default_plugins.openai_models",
    "llm.embeddings",
    "llm.migrations",
    "openai.resources",
    "sqlite3",
    "sqlite_utils",
    "starlette.routing",
    "uvicorn",
)
NAMES = ("batchwright", "llm", "python")
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


def serve(folder: Path) -> str:
    """Take calls as long as stdin is open. Returns, in every process that is to run a command, the command's name."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        for name in NAMES:
            program = folder / name
            program.write_text(CLIENT.format(python=sys.executable, path=str(folder / "socket")), encoding="utf-8")
            program.chmod(0o755)
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        _load()
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
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:0] = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv = arguments
    return Path(arguments[0]).name


def _load() -> None:
    """Load what commands need; not the part of the llm tool that looks for plugins, which each command finds itself."""
    for name in LOADED:
        importlib.import_module(name)
    package = importlib.import_module("batchwright")
    for found in pkgutil.walk_packages(package.__path__, "batchwright."):
        if not found.name.startswith(("batchwright.__main__", "batchwright.plugins")):
            importlib.import_module(found.name)
    # Each client would read the certificates of the world anew, and speak plain HTTP to the emulator.
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
    httpcore2.default_ssl_context(_trust_env=True)
    assert "llm.cli" not in sys.modules, "its plugins would be this program's"
    gc.collect()
    gc.freeze()


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
    """Tell the caller who runs its command, and at the end the command's exit code; end it where the caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    call.sendall(child.to_bytes(8, "big"))
    _await(call, child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):  # the caller was killed
        call.sendall(bytes([code if code >= 0 else 128 - code]))


def _await(call: socket.socket, child: int) -> None:
    """Wait until the child has ended; where its caller ends before, end it, and with it what it began."""
    handle = os.pidfd_open(child)
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    waiting.register(call, 0)  # its end is told unasked
    ended = {found for found, _ in waiting.poll()}
    os.close(handle)
    if ended == {call.fileno()}:
        os.killpg(child, signal.SIGKILL)


def _python(arguments: list[str]) -> None:
    """Do what Python does with these words, of which it knows what tests give it."""
    while arguments[0].startswith("-") and arguments[0] not in {"-c", "-m"}:
        flag, wanted, *arguments = arguments
        if flag != "-W":
            raise SystemExit(f"no test has given Python {flag} yet")
        action, _, category = wanted.partition("::")
        warnings.simplefilter(action, getattr(__import__("builtins"), category or "Warning"))
    what, *rest = arguments
    sys.argv = rest if what == "-m" else [what, *rest]
    if what == "-c":
        code, *rest = rest
        sys.argv = ["-c", *rest]
        sys.path.insert(0, "")
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), main.__dict__)
    elif what == "-m":
        sys.path.insert(0, "")
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(what).resolve().parent))
        runpy.run_path(what, run_name="__main__")


def _run(name: str) -> None:
    if name == "batchwright":
        importlib.import_module("batchwright.cli.main").entry()
    elif name == "llm":
        importlib.import_module("llm.cli").cli()
    else:
        _python(sys.argv[1:])


def _code_of(ending: SystemExit) -> int:
    if ending.code is None or isinstance(ending.code, int):
        return ending.code or 0
    sys.stderr.write(f"{ending.code}\n")
    return 1


def run(name: str) -> None:
    """Run a command and end the process as Python ends one, but for taking apart what was loaded before it began."""
    code = 0
    try:
        _run(name)
    except SystemExit as ending:
        code = _code_of(ending)
    except BaseException:  # noqa: BLE001  (as Python says it of a program)
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    run(serve(Path(sys.argv[1])))
