"""Create, watch, read the reports: on the sample workspace, with each provider."""

import csv
import re

import pytest

PROVIDERS = ("gemini", "openai", "anthropic")
COLUMNS = b"issue_id,page_number,issue,highlighted_context,pass_code,error_category,confidence_score,reasoning"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request):
    return request.param


@pytest.fixture(scope="module")
def finished(provider, open_workspace, tmp_path_factory):
    """The sample workspace after its first run, by the installed program."""
    with open_workspace(tmp_path_factory.mktemp(provider)) as workspace:
        workspace.created = workspace.run("batch-create", "--provider", provider, check=0, installed=True)
        workspace.watched = workspace.run("batch-watch", check=0, installed=True)
        yield workspace


def test_every_issue_becomes_a_row_with_the_verdict_the_model_gave_on_it(finished):
    assert finished.wrong_rows() == []
    assert sum(len(finished.rows(path)) for path in finished.reports) == 30


def test_reports_have_the_guides_columns_and_no_byte_order_mark_of_their_own(finished):
    assert [report.read_bytes().split(b"\n")[0] for report in finished.reports] == [COLUMNS] * 3


def test_the_state_file_lists_every_batch(finished):
    assert finished.state == {
        "version": "1.0",
        "subjects": {
            "Art-and-Design": {"guidance-for-teaching.md": {"completed_batches": [0, 1], "total_issues": 11}},
            "Geography": {
                "fieldwork-handbook.md": {"completed_batches": [0], "total_issues": 5},
                "gcse-geography.md": {"completed_batches": [0, 1], "total_issues": 14},
            },
        },
    }


def test_the_output_is_in_the_guides_words(finished):
    (job,) = finished.jobs
    created = finished.created.stdout.splitlines()
    assert "Processing Geography/gcse-geography.md (14 issues)..." in created
    assert f"  Batch 1: Created job {job}" in created
    assert created[-4:] == ["Summary:", "  Total documents: 3", "  Total batches: 5", "  Created jobs: 1"]
    watched = finished.watched.stdout.splitlines()
    assert watched[0].startswith(f"Job {job} (")
    assert "  Saved 14 result(s) to Documents/Geography/document_reports/gcse-geography.csv" in watched
    summary = ["Summary:", "  Checked: 1", "  Completed: 1", "  Failed: 0", "  Still pending: 0"]
    assert watched[-7:-2] == summary
    tokens, cost = watched[-2:]
    assert re.fullmatch(r"  Tokens: [\d,]+ in.*, [\d,]+ out.*", tokens)
    assert re.fullmatch(r"  Cost: \$0\.\d+ \(live it would have been \$0\.\d+ more\)", cost)


def test_what_is_answered_is_never_sent_again_whatever_the_batch_size(finished, provider):
    for words in ((), ("--batch-size", "3")):
        again = finished.run("batch-create", "--provider", provider, *words, check=0)
        assert "Created jobs: 0" in again.stdout
        assert "Already answered issues: 30" in again.stdout
    sent = finished.emulator.stats(provider)
    assert (sent["creates"], sent["requests"]) == (1, 5)


def test_what_is_pending_is_never_sent_again_whatever_the_batch_size_or_provider(workspace, emulator):
    emulator.behave(stuck=True)
    workspace.run("batch-create", "--provider", "openai", check=0)
    for words in (("--provider", "openai", "--batch-size", "3"), ("--provider", "gemini", "--jobs-per", "batch")):
        again = workspace.run("batch-create", *words, check=0)
        assert "Already pending issues: 30" in again.stdout
    assert emulator.total("creates") == 1


def test_a_byte_order_mark_in_the_issue_report_is_kept_in_the_reports(workspace):
    issues = workspace.folder / "Documents" / "language-check-report.csv"
    issues.write_bytes(BYTE_ORDER_MARK + issues.read_bytes().replace(b"\n", b"\r\n"))
    workspace.run("batch-create", "--provider", "openai", "--subjects", "Art and Design", check=0)
    workspace.run("batch-watch", check=0)
    (report,) = workspace.reports
    assert report.read_bytes().startswith(BYTE_ORDER_MARK + COLUMNS)


def test_columns_and_notes_a_person_added_survive_a_forced_second_run(workspace, emulator):
    only = ("--provider", "openai", "--documents", "fieldwork-handbook")
    workspace.run("batch-create", *only, check=0)
    workspace.run("batch-fetch", "--check-all-pending", check=0)
    report = workspace.report_of("Geography", "fieldwork-handbook.md")
    before = workspace.rows(report)
    rows = [{"reviewer": "Nia", **row, "note": f"a, b on {row['issue_id']}"} for row in before]
    rows[0]["error_category"] = "to be replaced"
    with report.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(reversed(rows))

    workspace.run("batch-create", *only, "--force", check=0)
    workspace.run("batch-fetch", "--check-all-pending", check=0)

    merged = workspace.rows(report)
    assert list(merged[0]) == list(rows[0])
    assert [(row.pop("reviewer"), row.pop("note")) for row in merged] == [("Nia", f"a, b on {n}") for n in range(5)]
    assert merged == before
    assert emulator.stats("openai")["creates"] == 2


@pytest.mark.parametrize(
    ("words", "documents"),
    [
        (("--subjects", "Geography", "Art and Design"), 3),
        (("--subjects", "art-and-design"), 1),
        (("--documents", "gcse-geography.md", "guidance-for-teaching"), 2),
        (("--subjects=geography", "--documents=gcse-*"), 1),
    ],
)
def test_subjects_and_documents_choose_as_the_guide_writes_them(workspace, words, documents):
    shown = workspace.run("batch-create", "--provider", "openai", "--dry-run", *words, check=0)
    assert f"Total documents: {documents}" in shown.stdout


def test_batch_size_and_provider_come_from_the_environment_where_no_option_says_them(workspace, emulator):
    settings = {"LLM_CATEGORISER_BATCH_SIZE": "2", "LLM_PRIMARY": "openai"}
    workspace.run("batch-create", "--documents", "fieldwork-handbook", env=settings, check=0)
    assert [batch["issue_ids"] for batch in workspace.only_job["batches"]] == [[0, 1], [2, 3], [4]]
    assert emulator.stats("openai")["requests"] == 3
    workspace.run("batch-create", "--subjects", "Art-and-Design", "--batch-size", "5", env=settings, check=0)
    assert emulator.stats("openai")["requests"] == 3 + 3
