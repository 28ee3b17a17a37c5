"""Bad input gets a clear error that names the object and the next step, and nothing is lost."""

import os

import pytest

REPORT = "Documents/language-check-report.csv"
HEADER = "Subject,Filename,Page,Rule ID,Type,Issue,Message,Suggestions,Highlighted Context,Pass Code\n"
CREATE = ("batch-create", "--provider", "openai")


@pytest.fixture
def refused(workspace):
    """Run a command that must refuse: with its exit code, nothing changed or sent; return what it says."""

    def run(*words, code=2, env=None):
        before = workspace.tree()
        done = workspace.run(*words, env=env, check=code)
        after = workspace.tree()
        assert "Traceback" not in done.stdout + done.stderr
        assert before.items() <= after.items()
        assert all(path.endswith((".lock", "batch_jobs/.gitignore")) for path in after.keys() - before.keys())
        assert outside(workspace) == {"workspace", "home", "emulator"}
        assert workspace.emulator.total("creates") == 0
        return done.stderr

    return run


def unsaid(message, words):
    """Return which of the words that a message needs it lacks."""
    return [word for word in words if word not in message]


def outside(workspace):
    assert list(workspace.home.iterdir()) == []
    return {path.name for path in workspace.folder.parent.iterdir()}


def write_report(workspace, text):
    (workspace.folder / REPORT).write_text(text, encoding="utf-8")


def test_a_missing_report(workspace, refused):
    (workspace.folder / REPORT).unlink()
    assert unsaid(refused(*CREATE), [REPORT, "does not exist"]) == []
    assert unsaid(refused(*CREATE, "--from-report", "other.csv"), ["other.csv"]) == []


def test_a_report_without_a_needed_column(workspace, refused):
    write_report(workspace, HEADER.replace("Highlighted Context", "Context") + "Geography,a.md,1,R,g,has,m,,c,LT\n")
    assert unsaid(refused(*CREATE), [REPORT, "'Highlighted Context'", "'Context'"]) == []


@pytest.mark.parametrize("text", ["", HEADER, "\n\n"])
def test_an_empty_report(workspace, refused, text):
    write_report(workspace, text)
    assert unsaid(refused(*CREATE), [REPORT]) == []


@pytest.mark.parametrize(
    ("subject", "filename"),
    [
        ("Geography", "../../../escaped.md"),
        ("Geography", "/tmp/escaped.md"),
        ("..", "escaped.md"),
        ("../outside", "escaped.md"),
        ("/tmp", "escaped.md"),
        ("Geography", "C:\\escaped.md"),
    ],
)
def test_a_name_that_leads_out_of_the_documents_folder(workspace, refused, subject, filename):
    write_report(workspace, HEADER + f"{subject},{filename},1,R,g,has,m,,c,LT\n")
    assert unsaid(refused(*CREATE), [REPORT, "line 2"]) == []


def test_a_name_in_the_tracking_file_that_leads_out_of_the_documents_folder(workspace):
    workspace.run(*CREATE, "--limit", "1", check=0)
    text = workspace.tracking_file.read_text().replace('"Art-and-Design"', '"../../.."')
    workspace.tracking_file.write_text(text)
    for words in (["--check-all-pending"], ["--job-names", "job-", "--accept-changed"]):
        done = workspace.run("batch-fetch", *words, check=0)
        assert "No results returned" in done.stdout
        assert "../../../guidance-for-teaching.md" in done.stdout
    assert outside(workspace) == {"workspace", "home", "emulator"}
    assert workspace.reports == []


def test_a_document_that_is_missing_is_skipped_and_named_and_the_others_go_on(workspace):
    (workspace.folder / "Documents/Geography/markdown/gcse-geography.md").unlink()
    done = workspace.run(*CREATE, check=3)
    assert "Warning: Geography/gcse-geography.md skipped: " in done.stderr
    assert "Documents/Geography/markdown/gcse-geography.md" in done.stderr
    assert "Total documents: 2" in done.stdout
    workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert len(workspace.reports) == 2


def test_malformed_page_markers_are_told_and_read_as_text(workspace):
    workspace.make_document([("has", "a page")], text="{1}-----\na page\n{x}-----\n{7\n{3}------\nend\n{2}-----\n")
    done = workspace.run(*CREATE, check=0)
    assert "one.md" in done.stderr
    workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert workspace.wrong_rows() == []


def test_an_unknown_subject_or_document(refused):
    assert unsaid(refused(*CREATE, "--subjects", "History"), ["'History'", "Art-and-Design, Geography"]) == []
    assert unsaid(refused(*CREATE, "--documents", "history.md"), ["'history.md'", "Geography/gcse-geography.md"]) == []


def test_an_unknown_provider(refused):
    assert unsaid(refused("batch-create", "--provider", "acme"), ["'acme'", "gemini, openai, anthropic"]) == []
    assert unsaid(refused("batch-create", env={"LLM_PRIMARY": "acme"}), ["LLM_PRIMARY", "'acme'"]) == []


@pytest.mark.parametrize("words", [["batch-fetch", "--job-names"], ["batch-cancel", "--job-names"], ["batch-show"]])
def test_an_unknown_job(refused, words):
    assert unsaid(refused(*words, "job-nosuchjob000"), ["'job-nosuchjob000'", "batchwright batch-list"]) == []


@pytest.mark.parametrize("words", [["batch-fetch"], ["batch-cancel"]])
def test_no_job_named_at_all(refused, words):
    assert unsaid(refused(*words), ["No jobs specified", "--job-names", "batch-list"]) == []


@pytest.mark.parametrize(
    ("provider", "variables"),
    [("gemini", "GOOGLE_API_KEY or GEMINI_API_KEY"), ("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")],
)
def test_a_missing_key(refused, provider, variables):
    says = [f"set {variables}", "batchwright demo"]
    assert (
        unsaid(refused("batch-create", "--provider", provider, code=4, env={"BATCHWRIGHT_EMULATOR_URL": None}), says)
        == []
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"schema_version": 2, "jobs": {', "damaged"),
        ("", "empty"),
        ('{"schema_version": 99, "jobs": {}}', "schema version 99"),
        ("[]", "damaged"),
        ('{"schema_version": 2, "jobs": {"job-000000000000": {"status": 1}}}', "damaged"),
    ],
)
def test_a_damaged_or_newer_tracking_file_is_kept_as_it_is(workspace, refused, text, reason):
    workspace.tracking_file.parent.mkdir()
    workspace.tracking_file.write_text(text)
    assert unsaid(refused("batch-list"), ["data/batch_jobs.json", reason, "kept as it is"]) == []


@pytest.mark.parametrize(
    "words",
    [
        CREATE,
        ["batch-fetch", "--check-all-pending"],
        ["batch-watch"],
        ["batch-show", "job-0"],
        ["batch-cancel", "--cancel-all-pending"],
    ],
)
def test_no_command_touches_a_damaged_tracking_file(workspace, refused, words):
    workspace.tracking_file.parent.mkdir()
    workspace.tracking_file.write_text('{"schema_version": 2, "jobs": {')
    assert unsaid(refused(*words), ["data/batch_jobs.json", "damaged", "kept as it is"]) == []


def test_a_damaged_state_file_is_kept_and_told_and_the_rows_are_written(workspace):
    state = workspace.folder / "data" / "llm_categoriser_state.json"
    state.parent.mkdir()
    state.write_text("{")
    workspace.run(*CREATE, check=0)
    done = workspace.run("batch-fetch", "--check-all-pending", check=0)
    assert "data/llm_categoriser_state.json" in done.stderr
    assert state.read_text() == "{"
    assert workspace.wrong_rows() == []


def test_a_data_folder_that_cannot_be_written(workspace):
    (workspace.folder / "data").write_text("a file is in the way")
    done = workspace.run(*CREATE, check=2)
    assert "data" in done.stderr
    assert "Traceback" not in done.stderr
    assert workspace.emulator.total("creates") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="modes mean nothing to root")
def test_a_read_only_data_folder(workspace, refused):
    (workspace.folder / "data").mkdir(mode=0o555)
    assert unsaid(refused(*CREATE), ["data", "Permission denied"]) == []


def test_a_report_that_cannot_be_written_keeps_its_answers_until_it_can(workspace, emulator):
    workspace.run(*CREATE, check=0)
    in_the_way = workspace.folder / "Documents" / "Geography" / "document_reports"
    in_the_way.write_text("a file is in the way")

    done = workspace.run("batch-fetch", "--check-all-pending", check=0)
    assert "Documents/Geography/document_reports" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in workspace.reports] == ["guidance-for-teaching.csv"]
    assert "answers are kept" in workspace.run("batch-list", "--show-errors", check=0).stdout
    workspace.run(*CREATE)
    assert emulator.stats("openai")["creates"] == 1

    in_the_way.unlink()
    workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
    assert workspace.wrong_rows() == []


def test_a_report_that_another_program_holds_open_is_replaced_whole(workspace):
    only = (*CREATE, "--documents", "fieldwork-handbook")
    workspace.run(*only, check=0)
    workspace.run("batch-fetch", "--check-all-pending", check=0)
    report = workspace.report_of("Geography", "fieldwork-handbook.md")
    before = report.read_bytes()
    with report.open("rb") as held:
        workspace.run(*only, "--force", check=0)
        workspace.run("batch-fetch", "--check-all-pending", "--strict", check=0)
        assert held.read() == before
    assert report.read_bytes() == before


def test_a_report_that_is_not_ours_is_kept_as_it_is(workspace):
    report = workspace.report_of("Geography", "fieldwork-handbook.md")
    report.parent.mkdir()
    report.write_bytes(b"name;marks\nNia;12\n")
    done = workspace.run(*CREATE, check=3)
    assert "fieldwork-handbook.csv" in done.stderr
    assert "issue_id" in done.stderr
    assert report.read_bytes() == b"name;marks\nNia;12\n"


@pytest.mark.parametrize("size", ["0", "-1", "ten", "1.5"])
def test_a_batch_size_that_is_none(refused, size):
    assert unsaid(refused(*CREATE, "--batch-size", size), ["--batch-size", size]) == []


def test_a_batch_size_in_the_environment_that_is_none(refused):
    assert (
        unsaid(refused(*CREATE, env={"LLM_CATEGORISER_BATCH_SIZE": "0"}), ["LLM_CATEGORISER_BATCH_SIZE", "'0'"]) == []
    )


def test_a_limit_below_one(refused):
    assert unsaid(refused(*CREATE, "--limit", "0"), ["--limit", "0"]) == []


@pytest.mark.parametrize(
    "words",
    [
        ["batch-create", "--subjects"],
        ["batch-create", "--subjects", "--force"],
        ["batch-create", "--documents="],
        ["batch-create", "--provider"],
        ["batch-fetch", "--job-names"],
        ["batch-fetch", "--wait", "--timeout"],
        ["batch-list", "--status"],
    ],
)
def test_an_option_left_without_its_value(refused, words):
    option = next(word for word in reversed(words) if word != "--force")
    assert unsaid(refused(*words), [option.rstrip("=")]) == []


@pytest.mark.parametrize(
    "words", [["batch-fetch", "--wait", "--timeout", "soon"], ["batch-list", "--status", "done"], ["batch-nothing"]]
)
def test_a_value_or_command_that_does_not_exist(refused, words):
    assert unsaid(refused(*words), [words[-1]]) == []


def test_a_log_file_or_dotenv_file_that_cannot_be(workspace, refused):
    assert unsaid(refused("batch-list", "--log-file", f"{REPORT}/x.log"), ["--log-file", f"{REPORT}/x.log"]) == []
    assert unsaid(refused(*CREATE, "--dotenv", "missing.env"), ["missing.env"]) == []


def test_an_address_of_the_emulator_that_nobody_listens_at(workspace):
    env = {"BATCHWRIGHT_EMULATOR_URL": "http://127.0.0.1:9"}
    done = workspace.run(*CREATE, env=env, check=3)
    assert "Waiting to be sent - " in done.stdout
    assert "Traceback" not in done.stderr
    assert workspace.emulator.total("creates") == 0
    assert workspace.only_job["state"] == "planned"
    workspace.run("batch-watch", check=0)
