"""Make the virtual environments that the commands beside this file run in; needs nothing but `python3`."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)


def _refuse(message: str) -> None:
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
    digest = hashlib.sha256(f"{sys.version}\n{extras}\n{ROOT}".encode())
    for path in (ROOT / "pyproject.toml", constraints):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ready(name: str = ".venv", *, constraints: str = "constraints.txt", extras: str = "dev") -> Path:
    """Return the `bin` folder of an environment that has batchwright installed from this checkout; make it if need be.

    Made again when pyproject.toml, the constraints or the Python changed; otherwise this costs a few milliseconds.
    """
    _check_python()
    folder = ROOT / name
    pins = ROOT / constraints
    stamp = folder / "batchwright.stamp"
    wanted = _fingerprint(pins, extras)
    binaries = folder / "bin"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return binaries
    sys.stderr.write(f"setting up {name} (once; a minute or less)\n")
    if folder.exists():
        shutil.rmtree(folder)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The build backend is pinned with the rest, so nothing is resolved a second time in an isolated build.
    subprocess.run([*install, "-c", str(pins), "hatchling", "editables"], check=True)
    target = f"{ROOT}[{extras}]" if extras else str(ROOT)
    subprocess.run([*install, "-c", str(pins), "--no-build-isolation", "--editable", target], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return binaries


def run(command: list[str], **variables: str) -> int:
    """Run a command from the repository's root and return its exit code."""
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode
