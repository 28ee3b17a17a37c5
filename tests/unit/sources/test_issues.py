import csv
import io

import pytest

from batchwright.errors import InputError
from batchwright.sources.issues import read_report

HEADER = "Subject,Filename,Page,Rule ID,Type,Issue,Message,Suggestions,Highlighted Context,Pass Code"
LINE = "Art,a.md,3,RULE,style,word,Message.,other,...a **word** here...,LT"


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.csv"

    def write(text, encoding="utf-8"):
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return path

    return write


def line(subject="Art", filename="a.md", page="1", issue="word", context="a **word**"):
    target = io.StringIO()
    csv.writer(target).writerow([subject, filename, page, "R", "style", issue, "M", "S", context, "LT"])
    return target.getvalue()


def test_issues_are_numbered_from_0_within_each_document_however_they_are_mixed(report):
    text = f"{HEADER}\r\n" + line(filename="b.md", issue="1") + line(issue="2") + line(filename="b.md", issue="3")
    found = read_report(report(text))
    assert [(d.subject, d.filename) for d in found.documents] == [("Art", "b.md"), ("Art", "a.md")]
    assert [[(i.issue_id, i.issue) for i in d.issues] for d in found.documents] == [[(0, "1"), (1, "3")], [(0, "2")]]


def test_every_column_lands_in_its_field(report):
    (document,) = read_report(report(f"{HEADER}\n{LINE}\n")).documents
    (issue,) = document.issues
    assert (issue.page, issue.rule_id, issue.type, issue.issue) == (3, "RULE", "style", "word")
    assert (issue.message, issue.suggestions, issue.pass_code) == ("Message.", "other", "LT")
    assert issue.highlighted_context == "...a **word** here..."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_byte_order_mark_is_remembered_and_no_part_of_the_first_column(report, encoding):
    found = read_report(report(f"{HEADER}\r\n{LINE}\r\n", encoding))
    assert found.byte_order_mark is (encoding == "utf-8-sig")
    assert found.documents[0].subject == "Art"


def test_columns_come_in_any_order_spelling_of_case_and_with_others_among_them(report):
    text = "extra,highlighted  context, ISSUE,filename,Subject,RuleID\nx,...c...,w,a.md,Art,R1\n"
    (document,) = read_report(report(text)).documents
    assert document.issues[0].rule_id == "R1"
    assert document.issues[0].highlighted_context == "...c..."
    assert document.issues[0].page is None
    assert document.issues[0].pass_code == ""


def test_line_breaks_and_quotes_inside_cells_are_kept(report):
    context = 'one "two"\r\n**three**, four\nfive'
    (document,) = read_report(report(f"{HEADER}\r\n" + line(context=context))).documents
    assert document.issues[0].highlighted_context == context


def test_blank_lines_and_empty_cells_beyond_the_header_are_nothing(report):
    found = read_report(report(f"\n{HEADER}\n\n{LINE},,\n,,,,,,,,,\n"))
    assert len(found.documents[0].issues) == 1


@pytest.mark.parametrize("page", ["xii", "3.5", "-1", "0", "1_0", "٣", "9" * 5_000])
def test_a_page_that_is_no_number_from_1_counts_as_none_and_is_said(report, page):
    found = read_report(report(f"{HEADER}\n" + line(page=page)))
    assert found.documents[0].issues[0].page is None
    (notice,) = found.notices
    assert "line 2" in notice


def test_an_empty_page_needs_no_notice(report):
    found = read_report(report(f"{HEADER}\n" + line(page="") + line(page=" 12 ")))
    assert [issue.page for issue in found.documents[0].issues] == [None, 12]
    assert found.notices == ()


@pytest.mark.parametrize("column", ["Subject", "Filename", "Issue", "Highlighted Context"])
def test_a_missing_needed_column_is_named_with_the_columns_there(report, column):
    path = report(HEADER.replace(column, "Other") + "\n" + LINE)
    with pytest.raises(InputError, match=rf"no column '{column}'.*report\.csv.*'Other'"):
        read_report(path)


def test_a_column_that_is_there_twice_is_refused(report):
    with pytest.raises(InputError, match="twice"):
        read_report(report(f"{HEADER},issue\n{LINE},x\n"))


def test_a_missing_report_is_named(tmp_path):
    with pytest.raises(InputError, match=r"does not exist: .*nothing\.csv"):
        read_report(tmp_path / "nothing.csv")


def test_a_folder_in_place_of_the_report_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path)


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\n"])
def test_a_report_without_a_header_is_empty(report, text):
    with pytest.raises(InputError, match="is empty"):
        read_report(report(text))


def test_a_report_with_nothing_but_a_header_has_no_issues(report):
    with pytest.raises(InputError, match="no issues"):
        read_report(report(f"{HEADER}\r\n"))


def test_bytes_that_are_not_utf8_are_told_by_their_offset(report):
    with pytest.raises(InputError, match=r"not UTF-8: .*report\.csv, byte 7 is 0xe9"):
        read_report(report("Subject\xe9".encode("latin-1")))


def test_utf16_is_not_guessed(report):
    with pytest.raises(InputError, match="byte 0 is 0xff"):
        read_report(report(f"{HEADER}\n{LINE}\n", "utf-16"))


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", "../a.md", "a/b.md", "/etc/passwd", "a\\b.md", "C:a.md", "a..b", ".", "a\x00b", "a\tb", "a\nb.md"],
)
@pytest.mark.parametrize("column", ["subject", "filename"])
def test_a_name_that_could_leave_the_documents_folder_is_refused_with_its_line(report, column, name):
    text = f"{HEADER}\r\n" + line() + line(**{column: name})
    with pytest.raises(InputError, match="line 3"):
        read_report(report(text))


def test_lines_are_counted_as_an_editor_does(report):
    text = f"{HEADER}\n" + line(context="a\nb\nc") + line(subject="..")
    with pytest.raises(InputError, match="line 5"):
        read_report(report(text))


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(report):
    text = f'{HEADER}\n{LINE}\nArt,a.md,1,R,style,"word,M,S,c,LT\n' + f"{LINE}\n" * 3
    with pytest.raises(InputError, match="line 3"):
        read_report(report(text))


@pytest.mark.parametrize("bad", ["Art,a.md,3", f"{LINE},shifted"])
def test_a_line_that_does_not_fit_the_header_is_refused(report, bad):
    with pytest.raises(InputError, match=r"header has 10: .*line 3"):
        read_report(report(f"{HEADER}\n{LINE}\n{bad}\n"))
