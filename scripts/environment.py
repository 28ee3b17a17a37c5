"""Make the virtual environments that the commands beside this file run in; needs nothing but `python3`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
STAMP = "batchwright.stamp"
"""In an environment that was made here: what it was made from, or that it is unfinished."""


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(message + "\n")
    raise SystemExit(2)


def _check_python() -> None:
    if sys.version_info < MINIMUM:
        _refuse(f"batchwright needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    try:
        import ensurepip  # noqa: F401, PLC0415  (only to see whether it is there)
        import venv  # noqa: F401, PLC0415
    except ImportError:
        _refuse(
            "this Python comes without its venv module; install it first, e.g. on Debian and Ubuntu:\n"
            "  sudo apt-get install python3-venv"
        )


def _fingerprint(constraints: Path, extras: str) -> str:
    """Return a digest of what decides about an environment; how code is linted and tested does not."""
    import tomllib  # noqa: PLC0415  (the Python that is too old for it has not been told so yet, at the top)

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = json.dumps([settings["build-system"], settings["project"]], sort_keys=True)
    digest = hashlib.sha256(f"{sys.version}\n{extras}\n{ROOT}\n{installed}".encode())
    digest.update(constraints.read_bytes())
    return digest.hexdigest()


def _make_room(folder: Path) -> None:
    """Begin an environment in `folder`; what lies there is deleted if it was made here, and else left alone."""
    ours = folder.is_dir() and not folder.is_symlink() and ((folder / STAMP).is_file() or not any(folder.iterdir()))
    if os.path.lexists(folder) and not ours:
        _refuse(f"{folder} was not made by this script; move {folder.name} away, then try again")
    if ours:
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / STAMP).write_text("unfinished", encoding="utf-8")


def _step(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        _refuse(f"setting up {name} failed: {error}")
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or [f"exit {done.returncode}"]
        _refuse(f"setting up {name} failed; it needs the package index: {errors[-1]}")


def ready(name: str = ".venv", *, constraints: str = "constraints.txt", extras: str = "dev") -> Path:
    """Return the `bin` folder of an environment that has batchwright installed from this checkout; make it if need be.

    Made again when the project's dependencies or entry points, the constraints or the Python changed; otherwise this
    costs a few milliseconds. Ends the program with 2 where it cannot be made, or something else has its name.
    """
    _check_python()
    folder = ROOT / name
    pins = ROOT / constraints
    stamp = folder / STAMP
    wanted = _fingerprint(pins, extras)
    binaries = folder / "bin"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return binaries
    sys.stderr.write(f"setting up {name} (once; a minute or less)\n")
    _make_room(folder)
    _step(name, [sys.executable, "-m", "venv", str(folder)])
    install = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The build backend is pinned with the rest, so nothing is resolved a second time in an isolated build.
    _step(name, [*install, "-c", str(pins), "hatchling", "editables"])
    target = f"{ROOT}[{extras}]" if extras else str(ROOT)
    _step(name, [*install, "-c", str(pins), "--no-build-isolation", "--editable", target])
    stamp.write_text(wanted, encoding="utf-8")
    return binaries


def run(command: list[str], **variables: str) -> int:
    """Run a command from the repository's root and return its exit code."""
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode
