import re
import subprocess
import sys
from pathlib import Path

import pytest

from batchwright.errors import InputError
from batchwright.tasks.categorise import CategoriseTask
from batchwright.workspace import contents, copy_to

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(tmp_path):
    copy_to(tmp_path)
    notices = []
    made = CategoriseTask(
        documents_dir=tmp_path / "Documents",
        report=tmp_path / "Documents" / "language-check-report.csv",
        prompts_dir=tmp_path / "prompts",
        notify=notices.append,
    )
    yield made
    assert notices == []


def requests(task):
    for document in task.documents():
        batch = task.make_batch(document, 0, document.item_ids)
        yield document, task.build_request(batch, "id")


def test_the_repositorys_root_has_the_same_workspace_as_the_package():
    for place, data in contents():
        if place.parts[0] in {"Documents", "prompts"}:
            assert (ROOT / place).read_bytes() == data, f"{place}: run scripts/sync-workspace"


def test_the_sync_script_finds_nothing_to_do():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "sync-workspace", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_copy_is_whole_and_only_documents_prompts_and_gitignore(tmp_path):
    written = copy_to(tmp_path / "new" / "folder")
    assert {path.relative_to(tmp_path / "new" / "folder").parts[0] for path in written} == {
        "Documents",
        "prompts",
        ".gitignore",
    }
    assert {path.read_bytes() for path in written} == {data for _, data in contents()}


def test_a_copy_never_touches_what_is_there(tmp_path):
    mine = tmp_path / "prompts" / "categorise" / "user.md.j2"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    written = copy_to(tmp_path)
    assert mine not in written
    assert mine.read_text() == "mine"
    assert copy_to(tmp_path) == []
    assert mine in copy_to(tmp_path, overwrite=True)
    assert mine.read_text() != "mine"


@pytest.mark.parametrize("way", ["Documents", "Documents/language-check-report.csv/in the way"])
def test_something_in_the_way_is_named(tmp_path, way):
    path = tmp_path / way
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    with pytest.raises(InputError, match="Documents"):
        copy_to(tmp_path)


def test_two_subjects_three_documents_about_thirty_issues_and_one_without_a_page(task):
    documents = task.documents()
    assert len({document.group for document in documents}) == 2
    assert len(documents) >= 3
    assert 25 <= sum(len(document.item_ids) for document in documents) <= 35
    texts = [request.messages[0].parts[0].text for _, request in requests(task)]
    assert sum(text.count('"page_number": null') for text in texts) == 1


def test_both_page_bases_occur():
    documents = [data.decode() for place, data in contents() if place.parts[0] == "Documents" and place.suffix == ".md"]
    firsts = {re.search(r"^\{(\d+)\}-{48}$", text, re.MULTILINE)[1] for text in documents}
    assert firsts == {"0", "1"}


def test_every_issue_of_the_report_is_on_the_page_it_names(task):
    for document, request in requests(task):
        passages = " ".join(request.messages[0].parts[0].text.rpartition("```json")[0].split())
        for row in task.identify(document).values():
            context = row["highlighted_context"].removeprefix("...").removesuffix("...")
            plain = context.replace(f"**{row['issue']}**", row["issue"]).replace("<br>", " ")
            candidates = (plain, plain.replace("**", " "), context.replace("**", ""))
            assert any(" ".join(text.split()) in passages for text in candidates), context


def test_the_report_is_written_as_the_real_one_is():
    (report,) = [data for place, data in contents() if place.suffix == ".csv"]
    assert report.startswith(
        b"Subject,Filename,Page,Rule ID,Type,Issue,Message,Suggestions,Highlighted Context,Pass Code\r\n"
    )
    assert report.count(b"\r\n") == report.count(b"\n")
