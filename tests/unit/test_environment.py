import importlib.util
import sys
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / "scripts" / "environment.py"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The script, as if it lay in an empty checkout whose package index answers nothing."""
    spec = importlib.util.spec_from_file_location("checkout_environment", ENVIRONMENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").touch()
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
