"""`batchwright demo`: the whole job in an empty folder, from this installation and from a wheel."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORTS = {
    "batchwright-demo/Documents/Art-and-Design/document_reports/guidance-for-teaching.csv": 11,
    "batchwright-demo/Documents/Geography/document_reports/fieldwork-handbook.csv": 5,
    "batchwright-demo/Documents/Geography/document_reports/gcse-geography.csv": 14,
}


@pytest.fixture
def empty(bare):
    """An empty folder, and nothing that says there is an emulator: the demo brings its own."""
    bare.url = None
    return bare


def shown_reports(stdout):
    return {path: int(rows) for path, rows in re.findall(r"^  (\S+\.csv) \((\d+) rows\)$", stdout, re.MULTILINE)}


@pytest.mark.parametrize("provider", ["gemini", "openai", "anthropic"])
def test_the_demo_runs_in_an_empty_folder_and_shows_its_reports(empty, provider):
    done = empty.run("demo", "--provider", provider, check=0)
    assert shown_reports(done.stdout) == REPORTS
    assert {path: len(empty.rows(path)) for path in REPORTS} == REPORTS
    assert "All 30 rows are what the emulator's log says it answered." in done.stdout
    assert [path.name for path in empty.folder.iterdir()] == ["batchwright-demo"]
    assert list(empty.home.iterdir()) == []


def test_a_second_demo_keeps_what_a_person_changed_and_uses_no_keys_and_settings_of_the_real_world(empty):
    empty.run("demo", "--provider", "openai", check=0)
    page = empty.folder / "batchwright-demo/Documents/Geography/markdown/fieldwork-handbook.md"
    page.write_text("changed\n")
    (empty.folder / ".env").write_text("OPENAI_API_KEY=real\nOPENAI_BASE_URL=http://127.0.0.1:9\n")
    broken = {"BATCHWRIGHT_EMULATOR_URL": "http://127.0.0.1:9", "LLM_PRIMARY": "acme", "OPENAI_API_KEY": "real"}
    done = empty.run("demo", "--provider", "openai", env=broken, check=0)
    assert shown_reports(done.stdout) == REPORTS
    assert page.read_text() == "changed\n"


def test_a_folder_with_something_else_in_it_is_refused_and_left_as_it_is(empty):
    mine = empty.folder / "mine" / "report.csv"
    mine.parent.mkdir()
    mine.write_text("precious")
    before = empty.tree()
    assert "choose an empty folder" in empty.run("demo", "--dir", "mine", check=2).stderr
    assert empty.tree() == before


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="the build tool is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def test_a_wheel_holds_the_sample_workspace_and_nothing_but_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    folder = ROOT / "src" / "batchwright" / "workspace"
    samples = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(ROOT / "src")) for path in samples} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"batchwright"}
    assert not [name for name in names if name.endswith((".pyc", ".env"))]


def test_the_demo_runs_from_a_wheel(wheel, empty, tmp_path):
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    only_wheel = {"PYTHONPATH": str(target)}
    where = subprocess.run(
        [sys.executable, "-c", "import batchwright; print(batchwright.__file__)"],
        cwd=empty.folder,
        env=empty.environment(only_wheel),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(target)
    assert shown_reports(empty.run("demo", "--provider", "openai", env=only_wheel, check=0).stdout) == REPORTS
