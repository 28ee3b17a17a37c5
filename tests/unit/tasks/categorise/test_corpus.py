"""The real report and its documents; skipped where they are not at hand (`BATCHWRIGHT_SHARED` names their folder)."""

import os
from pathlib import Path

import pytest

from batchwright.tasks.categorise import CategoriseTask

SHARED = Path(os.environ.get("BATCHWRIGHT_SHARED") or Path(__file__).parents[4].parent / "shared")
DOCUMENTS = SHARED / "corpus" / "Documents"

pytestmark = pytest.mark.skipif(not DOCUMENTS.is_dir(), reason=f"no corpus in {SHARED}")


@pytest.fixture(scope="module")
def task():
    return CategoriseTask(
        documents_dir=DOCUMENTS,
        report=DOCUMENTS / "language-check-report.csv",
        prompts_dir=DOCUMENTS / "no prompts here",
        notify=lambda _: None,
    )


def requests(task):
    for document in task.documents():
        for index, start in enumerate(range(0, len(document.item_ids), 10)):
            batch = task.make_batch(document, index, document.item_ids[start : start + 10])
            yield document, batch, task.build_request(batch, "id")


def plain(text):
    return " ".join(text.split())


def test_the_corpus_has_38_documents_872_issues_and_107_batches(task):
    documents = task.documents()
    assert len(documents) == 38
    assert sum(len(document.item_ids) for document in documents) == 872
    assert sum(1 for _ in requests(task)) == 107


def test_the_passages_hold_the_context_of_96_in_100_issues_that_have_a_page(task):
    found = total = 0
    for document, batch, request in requests(task):
        identity = task.identify(document)
        (message,) = request.messages
        passages = plain(message.parts[0].text.rpartition("```json\n")[0])
        pages = {issue.issue_id: issue.page for issue in task._issues((batch.group, batch.document), batch.item_ids)}
        for issue_id, page in pages.items():
            if page is None:
                continue
            context = identity[issue_id]["highlighted_context"].removeprefix("...").removesuffix("...")
            highlight = identity[issue_id]["issue"]
            forms = (context.replace("**", ""), context.replace(f"**{highlight}**", highlight))
            total += 1
            found += any(plain(form) in passages for form in forms)
    assert total == 862
    assert found / total >= 0.96
