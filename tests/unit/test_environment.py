import importlib.util
import sys
from pathlib import Path

import pytest

PROJECT = """
[build-system]
requires = ["hatchling"]

[project]
name = "batchwright"
dependencies = ["click"]
"""
ENVIRONMENT = Path(__file__).parents[2] / "scripts" / "environment.py"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The script, as if it lay in an empty checkout whose package index answers nothing."""
    spec = importlib.util.spec_from_file_location("checkout_environment", ENVIRONMENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "constraints.txt").touch()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho looking >&2\necho 'ERROR: no index' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return module


def test_an_environment_of_somebody_else_is_left_alone(environment, tmp_path, capsys):
    other = tmp_path / ".venv" / "precious"
    other.parent.mkdir()
    other.write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        environment.ready()
    assert other.read_text() == "mine"
    assert "move .venv away" in capsys.readouterr().err


def test_a_link_is_left_alone(environment, tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / environment.STAMP).write_text("old")
    (tmp_path / ".venv").symlink_to(target)
    with pytest.raises(SystemExit, match="2"):
        environment.ready()
    assert (target / environment.STAMP).read_text() == "old"


def test_a_set_up_that_fails_says_why_in_a_line_and_can_be_done_again(environment, tmp_path, capsys):
    for _ in range(2):
        with pytest.raises(SystemExit, match="2"):
            environment.ready()
        told = capsys.readouterr().err.splitlines()
        assert told[1:] == ["setting up .venv failed; it needs the package index: ERROR: no index"]
        assert (tmp_path / ".venv" / environment.STAMP).read_text() == "unfinished"
        (tmp_path / ".venv" / "half").touch()


@pytest.mark.parametrize(
    ("project", "made_again"),
    [
        (PROJECT + "[tool.ruff]\nline-length = 100\n", False),
        (PROJECT.replace('"click"', '"click", "rich"'), True),
        (PROJECT + '[project.scripts]\nbatchwright = "batchwright.cli.main:entry"\n', True),
    ],
)
def test_an_environment_is_made_again_only_when_something_else_is_installed(
    environment, tmp_path, capsys, project, made_again
):
    (tmp_path / ".venv").mkdir()
    stamp = environment._fingerprint(tmp_path / "constraints.txt", "dev")
    (tmp_path / ".venv" / environment.STAMP).write_text(stamp)
    (tmp_path / "pyproject.toml").write_text(project)
    if made_again:
        with pytest.raises(SystemExit, match="2"):
            environment.ready()
        assert "setting up .venv" in capsys.readouterr().err
    else:
        assert environment.ready() == tmp_path / ".venv" / "bin"
