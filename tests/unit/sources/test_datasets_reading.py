"""Every format gives the same rows, and whatever is wrong with a file is said with its line."""

import io
import json
import random
import re
import tracemalloc
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import Kind, ReadOptions
from batchwright.sources.datasets.opening import kind_of, open_dataset
from batchwright.sources.datasets.parquet import connection

ROWS = [{"name": "Laptop", "text": 'He said "hi",\nthen left'}, {"name": "Téléphone €", "text": "a;b\t|c"}]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cells_of(path, **options):
    kind = options.pop("kind", None)
    with open_dataset([path], options=ReadOptions(**options), kind=kind) as dataset:
        return [dict(row.cells) for row in dataset.rows()]


def lines_of(path, **options):
    with open_dataset([path], options=ReadOptions(**options)) as dataset:
        return [row.line for row in dataset.rows()]


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        cells_of(path, **options)
    return str(caught.value)


def as_parquet(path, rows):
    path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with connection() as database:
        database.execute(f"COPY (SELECT * FROM read_json('{path.with_suffix('.jsonl')}')) TO '{path}' (FORMAT parquet)")
    return path


def as_workbook(path, rows, sheet=None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if sheet:
        book.active.title = sheet
    book.save(path)
    return path


def test_every_format_gives_the_same_rows(write, tmp_path):
    quoted = 'name,text\nLaptop,"He said ""hi"",\nthen left"\nTéléphone €,a;b\t|c\n'
    files = [
        write("a.csv", quoted),
        write("b.csv", "\ufeff" + quoted.replace("\n", "\r\n").replace(",\r\nthen", ",\nthen")),
        write("c.json", json.dumps(ROWS, indent=2)),
        write("d.json", json.dumps({"count": 2, "rows": ROWS, "more": 1.5})),
        write("e.jsonl", "".join(json.dumps(row) + "\n\n" for row in ROWS)),
        as_workbook(tmp_path / "f.xlsx", [list(ROWS[0]), *(list(row.values()) for row in ROWS)]),
        as_parquet(tmp_path / "g.parquet", ROWS),
    ]
    for file in files:
        assert cells_of(file) == ROWS, file


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_separates_cells_is_seen_from_the_file(write, delimiter, line_end):
    lines = [f"id{delimiter}price", f'1{delimiter}"1,50; a|b\tc"', f"2{delimiter}x", ""]
    path = write("in.csv", line_end.join(lines))
    assert cells_of(path) == [{"id": "1", "price": "1,50; a|b\tc"}, {"id": "2", "price": "x"}]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("sep=;\na;b\n1;2,5\n", [{"a": "1", "b": "2,5"}]),
        ('a, b\n1, "x, y"\n', [{"a": "1", "b": "x, y"}]),
        ("'a';'b'\n'1';'x; y'\n", [{"a": "1", "b": "x; y"}]),
        ('a,b\n1,"say \\"hi\\", ok"\n2,"x"\n', [{"a": "1", "b": 'say "hi", ok'}, {"a": "2", "b": "x"}]),
        ("question\nWhy?\n\nHow so?\n", [{"question": "Why?"}, {"question": "How so?"}]),
        ("a,b,\n1,2,\n3,4\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        (",b\n1,2\n,\n", [{"column_1": "1", "b": "2"}]),
    ],
)
def test_other_dialects_and_untidy_headers_are_understood(write, text, cells):
    assert cells_of(write("in.csv", text)) == cells


def test_a_tab_separated_file_and_a_given_delimiter_are_read(write):
    assert cells_of(write("in.tsv", "a\tb\n1\t2\n")) == [{"a": "1", "b": "2"}]
    assert cells_of(write("in.csv", "a:b\n1:2\n"), delimiter=":") == [{"a": "1", "b": "2"}]


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)),
    st.sampled_from(",;\t|"),
)
def test_whatever_the_standard_library_writes_is_read_back(tmp_path_factory, table, delimiter):
    import csv  # noqa: PLC0415

    path = tmp_path_factory.getbasetemp() / "any.csv"
    rows = [row for row in table if any(cell.strip() for cell in row)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    with open_dataset([path], options=ReadOptions(delimiter=delimiter)) as dataset:
        if rows:
            assert [list(row.cells.values()) for row in dataset.rows()] == rows


def test_rows_know_the_line_they_begin_on(write):
    assert lines_of(write("a.csv", 'a,b\n1,"x\ny\nz"\n\n2,w\n')) == [2, 6]
    assert lines_of(write("b.txt", "one\n\n  two  \n")) == [1, 3]
    assert lines_of(write("c.jsonl", '{"a":1}\n\n{"a":2}\n')) == [1, 3]
    assert lines_of(write("d.json", '[\n {"a": 1},\n\n {"a":\n 2}, {"a": 3}]')) == [2, 4, 5]


def test_text_is_a_prompt_a_line(write):
    path = write("q.txt", "\ufeffWhat is\u2028this?\r\n\n  \nAnd that?")
    assert cells_of(path) == [{"prompt": "What is\u2028this?"}, {"prompt": "And that?"}]


def test_json_lines_end_with_a_line_feed_and_nothing_else(write):
    path = write("a.jsonl", '{"a": "x\u2028y\x85z"}\n"just a prompt"\n')
    assert cells_of(path) == [{"a": "x\u2028y\x85z"}, {"prompt": "just a prompt"}]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('["one", "two"]', [{"prompt": "one"}, {"prompt": "two"}]),
        ('{"a": 1, "b": [1, 2]}', [{"a": 1, "b": [1, 2]}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('{"n": 12345678901234567890, "data": [ ], "rows": [{"x": null}]}', [{"x": None}]),
        ('[{"a": "\\ud83d alone"}]', [{"a": "\ufffd alone"}]),
        ('[{"a": "\\ud83d\\ude00"}]', [{"a": "\U0001f600"}]),
    ],
)
def test_json_comes_in_several_shapes(write, text, cells):
    assert cells_of(write("in.json", text)) == cells


def test_json_is_read_the_same_wherever_a_piece_ends(write, monkeypatch):
    rows = [{"a": f"é{n}", "b": -1.5e10, "c": [True, None, {"d": "\\u00e9\\n"}]} for n in range(5)]
    path = write("in.json", json.dumps({"meta": 123456, "rows": rows}, indent=1))
    for size in range(1, 40):
        monkeypatch.setattr("batchwright.sources.datasets.json_rows._CHUNK", size)
        assert cells_of(path) == rows, size


def test_a_workbook_keeps_numbers_and_dates(tmp_path):
    import datetime  # noqa: PLC0415, ICN001

    path = as_workbook(tmp_path / "in.xlsx", [["n", "f", "d", "s"], [5, 1.5, datetime.date(2026, 1, 2), "x"], [None]])
    assert cells_of(path) == [{"n": 5, "f": 1.5, "d": "2026-01-02", "s": "x"}]


def test_a_sheet_is_chosen_by_its_name(tmp_path):
    path = as_workbook(tmp_path / "in.xlsx", [["a"], ["1"]], sheet="Mine")
    assert cells_of(path, sheet="Mine") == [{"a": "1"}]
    assert "'Mine'" in refusal(path, sheet="Yours")


def test_a_cell_beyond_the_header_is_never_dropped_in_silence(tmp_path):
    path = as_workbook(tmp_path / "in.xlsx", [["a", "b"], [1, 2, "lost"], [3, 4], [5], [6, 7, None, "  "]])
    assert "in.xlsx, line 2: the row has 3 cell(s) where the header has 2" in refusal(path)
    with open_dataset([path], options=ReadOptions(skip_bad_rows=True)) as dataset:
        assert [row.cells["a"] for row in dataset.rows()] == [3, 5, 6]
        assert dataset.bad.count == 1


def test_a_damaged_workbook_is_an_error_of_its_own(tmp_path):
    whole = as_workbook(tmp_path / "in.xlsx", [["a", "b"], [1, "x"]]).read_bytes()
    damaged = tmp_path / "damaged.xlsx"
    chance = random.Random(1)
    refused = 0
    for _ in range(300):
        data = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.5 else whole)
        for place in chance.sample(range(len(data)), min(len(data), 9)):
            data[place] = chance.randrange(256)
        damaged.write_bytes(bytes(data))
        try:
            cells_of(damaged)
        except InputError:
            refused += 1
    assert refused > 200


def test_a_workbook_without_sheets_is_refused(tmp_path):
    path = tmp_path / "in.xlsx"
    with (
        zipfile.ZipFile(as_workbook(tmp_path / "whole.xlsx", [["a"], [1]])) as whole,
        zipfile.ZipFile(path, "w") as new,
    ):
        for name in whole.namelist():
            data = whole.read(name)
            new.writestr(name, re.sub(rb"<sheet .*?/>", b"", data) if name == "xl/workbook.xml" else data)
    assert "in.xlsx has no sheet" in refusal(path)


@pytest.mark.parametrize("encoding", ["nonesuch", "rot13", "hex", "zip", "", "a\0b"])
def test_what_is_no_encoding_of_text_is_refused(write, encoding):
    with pytest.raises(ConfigurationError, match="no encoding"):
        cells_of(write("a.csv", "a\n1\n"), encoding=encoding)


def test_a_damaged_parquet_file_is_told_of_in_a_line(write):
    message = refusal(write("a.parquet", b"PAR1xxxxPAR1"))
    assert "a.parquet cannot be read as Parquet: " in message
    assert "\n" not in message


def test_parquet_values_become_what_json_knows(tmp_path):
    path = tmp_path / "odd [1].parquet"
    with connection() as database:
        database.execute(f"COPY (SELECT DATE '2026-01-02' d, 1.50::DECIMAL(5,2) m, [1,2] l, {{'a': 1}} s) TO '{path}'")
    assert cells_of(path) == [{"d": "2026-01-02", "m": "1.50", "l": [1, 2], "s": {"a": 1}}]


def test_a_missing_file_has_the_guides_words(tmp_path):
    for name in ("no.csv", "*.csv"):
        with pytest.raises(InputError, match=r"^Input file not found: "):
            open_dataset([tmp_path / name])


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        open_dataset([tmp_path])


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.json", "a.jsonl", "a"])
def test_an_empty_file_is_refused(write, name):
    with pytest.raises(InputError, match="the input file is empty: "):
        open_dataset([write(name, "")])


@pytest.mark.parametrize(("name", "text"), [("a.csv", "a,b\n"), ("a.txt", "\n \n"), ("a.json", "[]"), ("b.json", " ")])
def test_a_file_without_rows_is_refused(write, name, text):
    assert "has no rows" in refusal(write(name, text))


@pytest.mark.parametrize(
    ("name", "text", "line", "says"),
    [
        ("a.csv", "a,b\n1,2\n1,2,3\n", 3, "3 cell"),
        ("b.csv", 'a,b\n1,"x\ny"\n1\n', 4, "1 cell"),
        ("c.csv", 'a,b\n1,"x"y\n', 2, "not valid CSV"),
        ("d.jsonl", '{"a":1}\n{"a":\n', 2, "broken JSON"),
        ("e.jsonl", '{"a":1}\n[1]\n', 2, "a list"),
        ("f.jsonl", '{"a":1}\n{"a":NaN}\n', 2, "broken JSON"),
        ("g.json", '[{"a":1},\n{"a" 2}]', 2, "broken JSON"),
        ("h.json", '[{"a":1},\n7]', 2, "a number"),
        ("i.json", '[{"a":1},\n{"a":2}', 2, "broken JSON"),
        ("j.json", '[{"a":1}]\n\n{"a":2}', 3, "something follows"),
        ("k.json", '{"a":1,\n}', 2, "broken JSON"),
        ("l.json", '[{"a":NaN}]', 1, "NaN"),
        ("m.json", "hello", 1, "a list or an object"),
        ("n.json", "[" * 100_000, 1, "broken JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write, name, text, line, says):
    message = refusal(write(name, text))
    assert f"{name}, line {line}: " in message
    assert says in message


def test_a_quote_that_is_never_closed_names_where_it_opens(write):
    message = refusal(write("a.csv", 'a,b\n1,2\n3,"x\n4,y\n'))
    assert "lines 3-4: a quote is opened and never closed" in message


def test_bad_rows_can_be_left_out_and_are_counted(write):
    path = write("a.csv", 'a,b\n1,2\n1,2,3\n3,"x"y\n5,6\n')
    with open_dataset([path], options=ReadOptions(skip_bad_rows=True)) as dataset:
        for _ in range(2):
            assert [row.cells["a"] for row in dataset.rows()] == ["1", "5"]
            assert dataset.bad.count == 2
            assert [place.partition(": ")[0][-6:] for place in dataset.bad.named] == ["line 3", "line 4"]


def test_a_file_of_bad_rows_only_is_refused(write):
    assert "no row that can be used" in refusal(write("a.jsonl", "1\n2\n"), skip_bad_rows=True)


def test_a_column_twice_is_refused(write):
    assert "'a' twice" in refusal(write("a.csv", "a,b,a\n1,2,3\n"))


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("name,text\nCafé,“quoted” über naïve\n" * 3, "windows-1252", "windows-1252"),
        ("имя,текст\nПривет,мир и люди\n" * 3, "windows-1251", "windows-1251"),  # noqa: RUF001
        ("名前,本文\nこんにちは,これはテストです\n" * 3, "shift_jis", "shift_jis"),
        ("name,text\nCafé,x\n", "utf-16", "utf-16"),
        ("name,text\nCafé,x\n", "utf-16-le", "utf-16-le"),
    ],
)
def test_another_encoding_is_guessed_and_can_be_given(write, text, encoding, guess):
    path = write("in.csv", text.encode(encoding))
    assert f"try --encoding {guess}" in refusal(path)
    assert cells_of(path, encoding=guess) == cells_of(write("utf8.csv", text))


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.json", "in.txt"])
def test_a_bad_byte_is_placed_by_its_line_however_far_it_is(write, name):
    rows = 20_000
    good = {"csv": "a,b\n", "jsonl": "", "json": "[", "txt": ""}[name[3:]]
    line = {"csv": "xx,yy\n", "jsonl": '{"a": "x"}\n', "json": '{"a": "x"},\n', "txt": "hello\n"}[name[3:]]
    content = (good + line * rows).encode() + line.replace("x", "\xe9").replace("e", "\xe9").encode("latin-1")
    message = refusal(write(name, content))
    assert f"line {rows + good.count(chr(10)) + 1}: not UTF-8 (byte 0xe9)" in message


def test_bytes_that_are_no_text_are_called_so(write):
    assert "no text at all" in refusal(write("in.csv", bytes(range(256)) * 20))


def test_an_unknown_encoding_is_refused(write):
    with pytest.raises(ConfigurationError, match="utf8000"):
        cells_of(write("in.csv", "a\n1\n"), encoding="utf8000")


def test_the_format_is_seen_from_the_beginning_where_the_name_does_not_say_it():
    assert kind_of("x", b'[{"a":1}]') is Kind.JSON
    assert kind_of("x", b'{"a":1}\n{"a":2}\n') is Kind.JSONL
    assert kind_of("x.json", b'{"a":1}\n {"a":2}\n') is Kind.JSONL
    assert kind_of("x.json", b'{"a":\n1}') is Kind.JSON
    assert kind_of("x.log", b"hello") is Kind.TEXT
    assert kind_of("x", b"PAR1....") is Kind.PARQUET
    assert kind_of("X.CSV", b"{") is Kind.CSV


def test_several_files_and_patterns_are_one_dataset(write, tmp_path):
    write("a.csv", "a\n1\n")
    write("b.csv", "a\n2\n")
    last = write("z.jsonl", '{"a": 3}\n')
    with open_dataset([tmp_path / "*.csv", last]) as dataset:
        assert [(str(row.cells["a"]), row.source[-5:]) for row in dataset.rows()] == [
            ("1", "a.csv"),
            ("2", "b.csv"),
            ("3", "jsonl"),
        ]


def test_standard_input_is_read_as_often_as_needed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_dataset(["-"], stdin=io.BytesIO(b"one\ntwo\n")) as dataset:
        for _ in range(2):
            assert [(row.cells["prompt"], row.source) for row in dataset.rows()] == [
                ("one", "standard input"),
                ("two", "standard input"),
            ]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_standard_input_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InputError, match="is empty: standard input"):
        open_dataset(["-"], stdin=io.BytesIO(b""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["in.csv", "in.json", "in.jsonl", "in.txt"])
def test_memory_does_not_grow_with_the_file(write, name):
    def peak(rows):
        line = {
            "csv": "x" * 300 + ",y\n",
            "json": json.dumps({"a": "x" * 300}) + ",\n",
            "jsonl": json.dumps({"a": "x" * 300}) + "\n",
            "txt": "x" * 300 + "\n",
        }[name[3:]]
        text = line * rows
        path = write(name, {"csv": "a,b\n" + text, "json": f'[{text} {{"a": "y"}}]'}.get(name[3:], text))
        with open_dataset([path]) as dataset:
            tracemalloc.start()
            for _ in dataset.rows():
                pass
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    peak(100)  # imports
    assert peak(20_000) < peak(5_000) * 1.2
