import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from batchwright.errors import InputError
from batchwright.reports.base import ReportSpec, Row
from batchwright.reports.document_csv import (
    Coverage,
    answered_ids,
    examine,
    merge_rows,
    read_rows,
    refuse_unwritable,
)

SPEC = ReportSpec(
    columns=("id", "issue", "context", "verdict"), key="id", identity=("issue", "context"), answer="verdict"
)
MERGE = """
import sys
from pathlib import Path
from batchwright.reports.base import ReportSpec
from batchwright.reports.document_csv import merge_rows
spec = ReportSpec(columns=("id", "verdict"), key="id", identity=(), answer="verdict")
first = int(sys.argv[3])
for number in range(first, first + 15):
    rows = [{"id": str(number), "verdict": "ok"}]
    merge_rows(Path(sys.argv[1]), spec, rows, lock_folder=Path(sys.argv[2]))
"""


def row(number: int, verdict: str = "fine", **cells: str) -> Row:
    return {
        "id": str(number),
        "issue": f"word {number}",
        "context": f"a word {number} here",
        "verdict": verdict,
    } | cells


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Documents" / "Geography" / "document_reports" / "gcse.csv"


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "data" / "batch_jobs" / "locks"


def write(path: Path, content: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere: be nobody for a while, where we are root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_new_report_has_the_header_and_its_rows_sorted_by_number(path, locks):
    outcome = merge_rows(path, SPEC, [row(10), row(9), row(2, verdict='say "no", please')], lock_folder=locks)
    assert path.read_bytes() == (
        b"id,issue,context,verdict\n"
        b'2,word 2,a word 2 here,"say ""no"", please"\n'
        b"9,word 9,a word 9 here,fine\n"
        b"10,word 10,a word 10 here,fine\n"
    )
    assert (outcome.path, outcome.saved, outcome.added, outcome.total) == (path, 3, 3, 3)


def test_a_report_without_rows_still_has_its_header(path, locks):
    merge_rows(path, SPEC, [], lock_folder=locks)
    assert path.read_bytes() == b"id,issue,context,verdict\n"
    assert read_rows(path, SPEC) == ()


def test_no_report_has_no_rows(path):
    assert read_rows(path, SPEC) == ()
    assert examine(path, SPEC, {0: row(0)}) == Coverage(answered=frozenset(), changed=frozenset())


def test_merging_replaces_by_key_and_keeps_the_rest(path, locks):
    merge_rows(path, SPEC, [row(1), row(2)], lock_folder=locks)
    outcome = merge_rows(path, SPEC, [row(2, "bad"), row(0)], lock_folder=locks)
    assert [dict(item)["verdict"] for item in read_rows(path, SPEC)] == ["fine", "fine", "bad"]
    assert (outcome.saved, outcome.added, outcome.total) == (2, 1, 3)


def test_merging_the_same_again_changes_no_byte(path, locks):
    merge_rows(path, SPEC, [row(1, "two\r\nlines"), row(2)], lock_folder=locks)
    before = path.read_bytes()
    merge_rows(path, SPEC, [row(2), row(1, "two\r\nlines")], lock_folder=locks)
    assert path.read_bytes() == before


def test_what_a_person_made_of_the_report_is_kept(path, locks):
    write(path, b'checked by,verdict,id,,note,note\nAnn,old,3,x,"a\nb",n2\n,,1,,,\n')
    merge_rows(path, SPEC, [row(3, "new"), row(2)], lock_folder=locks)
    assert list(csv.reader(path.read_text().splitlines(keepends=True))) == [
        ["checked by", "verdict", "id", "", "note", "note", "issue", "context"],
        ["", "", "1", "", "", "", "", ""],
        ["", "fine", "2", "", "", "", "word 2", "a word 2 here"],
        ["Ann", "new", "3", "x", "a\nb", "n2", "word 3", "a word 3 here"],
    ]


def test_rows_without_a_number_stay_at_the_end_as_they_were(path, locks):
    write(path, b"id,issue,context,verdict\ntotal,,,2\n,note to self,,\n5,a,b,c\n")
    merge_rows(path, SPEC, [row(4)], lock_folder=locks)
    assert path.read_bytes() == (
        b"id,issue,context,verdict\n4,word 4,a word 4 here,fine\n5,a,b,c\ntotal,,,2\n,note to self,,\n"
    )


def test_a_key_that_occurs_twice_is_answered_in_both_places(path, locks):
    write(path, b"id,issue,context,verdict,who\n1,a,b,,Ann\n1,a,b,,Bob\n")
    merge_rows(path, SPEC, [row(1, "new")], lock_folder=locks)
    assert [(item["verdict"], item["who"]) for item in read_rows(path, SPEC)] == [("new", "Ann"), ("new", "Bob")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_byte_order_mark_and_line_ends_of_a_report_stay(path, locks, mark, line_end):
    write(path, mark + b"id,issue,context,verdict" + line_end + b"1,a,b,c" + line_end)
    spec = ReportSpec(
        columns=SPEC.columns, key=SPEC.key, identity=SPEC.identity, answer=SPEC.answer, byte_order_mark=not mark
    )
    merge_rows(path, spec, [row(2)], lock_folder=locks)
    lines = [b"id,issue,context,verdict", b"1,a,b,c", b"2,word 2,a word 2 here,fine", b""]
    assert path.read_bytes() == mark + line_end.join(lines)


def test_a_new_report_gets_the_mark_its_spec_asks_for(path, locks):
    spec = ReportSpec(columns=("id", "verdict"), key="id", identity=(), answer="verdict", byte_order_mark=True)
    merge_rows(path, spec, [{"id": "1", "verdict": "ü"}], lock_folder=locks)
    assert path.read_bytes() == b"\xef\xbb\xbfid,verdict\n1,\xc3\xbc\n"


def test_an_empty_file_is_a_new_report(path, locks):
    write(path, b"\xef\xbb\xbf\r\n")
    merge_rows(path, SPEC, [row(1)], lock_folder=locks)
    assert path.read_text().startswith("id,issue")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"id,issue,context,verdict\n1,a,b\n", "line 2 has 3 cells, the header 4"),
        (b"id,issue,context,verdict\n1,a,b,c\n2,a,b,c,d\n", "line 3 has 5 cells, the header 4"),
        (b"id,issue,context,verdict\n1,a,b,\0\n", "it holds a NUL character"),
        (b"id,issue,context,verdict\n1,a,b,\xff\n", "it is not UTF-8 text (byte 31)"),
        (b'id,issue,context,verdict\n1,a,b,"c\n', "line 2: unexpected end of data"),
        (b'id,issue,context,verdict\n1,a,b,"c"d\n', "line 2: "),
        (b"id;issue;context;verdict\n1;a;b;c\n", "it has no column id, separated by commas"),
        (b"PK\x03\x04\x14\x00\x06\x00", "it holds a NUL character"),
    ],
)
def test_a_report_that_is_not_understood_is_named_and_kept(path, locks, content, reason):
    write(path, content)
    for use in (lambda: merge_rows(path, SPEC, [row(1)], lock_folder=locks), lambda: read_rows(path, SPEC)):
        with pytest.raises(InputError) as caught:
            use()
        assert f"the report {path} cannot be merged into: {reason}" in str(caught.value)
        assert "kept as it is" in str(caught.value)
    assert path.read_bytes() == content
    assert [item.name for item in path.parent.iterdir()] == ["gcse.csv"]


def test_nothing_but_the_report_lies_in_its_folder(path, locks):
    merge_rows(path, SPEC, [row(1)], lock_folder=locks)
    assert [item.name for item in path.parent.iterdir()] == ["gcse.csv"]


def test_a_report_that_cannot_be_replaced_is_named_and_kept(path, locks):
    path.mkdir(parents=True)  # a folder in the report's place stands for whatever keeps a name from being replaced
    with pytest.raises(InputError, match=r"gcse.csv: Is a directory"):
        merge_rows(path, SPEC, [row(1)], lock_folder=locks)
    assert path.is_dir()
    assert [item.name for item in path.parent.iterdir()] == ["gcse.csv"]


@pytest.mark.parametrize("read_only", ["folder", "file"])
def test_what_is_read_only_is_refused_by_name_and_kept(read_only):
    with TemporaryDirectory() as folder:
        path, locks = Path(folder) / "reports" / "gcse.csv", Path(folder) / "locks"
        merge_rows(path, SPEC, [row(1)], lock_folder=locks)
        before = path.read_bytes()
        for item in [Path(folder), locks, *locks.iterdir()]:
            item.chmod(0o777)
        path.chmod(0o666 if read_only == "folder" else 0o444)
        path.parent.chmod(0o555 if read_only == "folder" else 0o777)
        with (
            without_privileges(),
            pytest.raises(InputError, match=r"cannot write the report .*nothing in it was changed"),
        ):
            merge_rows(path, SPEC, [row(2)], lock_folder=locks)
        assert path.read_bytes() == before
        path.parent.chmod(0o755)


def test_a_row_with_a_column_the_report_does_not_have_is_a_mistake_in_the_task(path, locks):
    with pytest.raises(ValueError, match="colour"):
        merge_rows(path, SPEC, [row(1) | {"colour": "red"}], lock_folder=locks)
    with pytest.raises(ValueError, match="whole number as id"):
        merge_rows(path, SPEC, [row(1) | {"id": "one"}], lock_folder=locks)
    assert not path.exists()


def test_cells_command_neither_terminal_nor_spreadsheet(path, locks):
    merge_rows(path, SPEC, [row(1, "=HYPERLINK(1)"), row(2, "\x1b[31mred\0")], lock_folder=locks, csv_safe=True)
    assert [item["verdict"] for item in read_rows(path, SPEC)] == ["'=HYPERLINK(1)", "[31mred"]


def test_formulas_stay_as_they_are_unless_asked(path, locks):
    merge_rows(path, SPEC, [row(1, "=1+1")], lock_folder=locks)
    assert read_rows(path, SPEC)[0]["verdict"] == "=1+1"


def test_a_cell_beyond_the_librarys_limit_comes_back(path, locks):
    merge_rows(path, SPEC, [row(1, "x" * 200_000)], lock_folder=locks)
    merge_rows(path, SPEC, [row(2)], lock_folder=locks)
    assert len(read_rows(path, SPEC)[0]["verdict"]) == 200_000


def test_items_are_answered_changed_or_neither(path, locks):
    rows = [row(0), row(1, verdict=" "), row(2), row(3, context="  a word 3\nhere "), row(9)]
    merge_rows(path, SPEC, rows, lock_folder=locks)
    items = {number: row(number) for number in range(5)} | {2: row(2, issue="another word")}
    assert examine(path, SPEC, items) == Coverage(answered=frozenset({0, 3}), changed=frozenset({2}))
    assert answered_ids(path, SPEC, items) == {0, 3}


def test_an_item_stays_answered_when_writing_had_to_change_its_text(path, locks):
    item = row(1, issue="=SUM\x1b(A1)\r\nx")
    merge_rows(path, SPEC, [item], lock_folder=locks, csv_safe=True)
    assert answered_ids(path, SPEC, {1: item}) == {1}


def test_processes_merging_into_one_report_lose_no_row(path, locks):
    processes = [
        subprocess.Popen([sys.executable, "-c", MERGE, str(path), str(locks), str(100 * number)]) for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    expected = [str(100 * number + offset) for number in range(3) for offset in range(15)]
    spec = ReportSpec(columns=("id", "verdict"), key="id", identity=(), answer="verdict")
    assert [item["id"] for item in read_rows(path, spec)] == expected


def test_a_report_that_could_not_be_written_is_told_before_it_is_tried(tmp_path):
    refuse_unwritable(tmp_path / "not" / "there" / "yet.csv")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot write the report .*file is not a folder"):
        refuse_unwritable(tmp_path / "file" / "report.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
