"""Files of answers: their form, their order, and what is left of them when a run ends early."""

import csv
import json
import multiprocessing
import os
import random
import signal
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.errors import ConfigurationError, InputError
from batchwright.reports.datasets import waiting
from batchwright.reports.datasets.base import Format, Outcome, Shape
from batchwright.reports.datasets.waiting import Waiting
from batchwright.reports.datasets.writing import PART, Existing, open_report
from batchwright.sources.datasets.base import ReadOptions
from batchwright.sources.datasets.opening import open_dataset

GUIDE = [
    {"customer_id": "1001", "review_text": "Amazing product! Highly recommend."},
    {"customer_id": "1002", "review_text": "Not worth the money."},
    {"customer_id": "1003", "review_text": "Good quality, fast shipping."},
]
COLUMNS = ("customer_id", "review_text")


def written(path, rows, outcomes, *, order=None, finish=True, **shape):
    shape = Shape(**({"columns": COLUMNS} | shape))
    with open_report(path, shape, existing=Existing.REPLACE) as report:
        for position in order or range(len(rows)):
            report.write(position, rows[position], outcomes[position])
        if finish:
            report.finish()
    return path


def answers(*texts):
    return [Outcome(text=text) for text in texts]


def read(path):
    with open_dataset([path]) as dataset:
        return [dict(row.cells) for row in dataset.rows()]


SENTIMENTS = answers("Sentiment: Positive", "Sentiment: Negative", "Sentiment: Positive")


def test_csv_has_the_guides_columns_and_nothing_else(tmp_path):
    path = written(tmp_path / "out.csv", GUIDE, SENTIMENTS)
    assert path.read_text() == (
        "customer_id,review_text,response\n"
        "1001,Amazing product! Highly recommend.,Sentiment: Positive\n"
        "1002,Not worth the money.,Sentiment: Negative\n"
        '1003,"Good quality, fast shipping.",Sentiment: Positive\n'
    )


def test_json_is_a_list_with_a_row_on_each_line(tmp_path):
    path = written(tmp_path / "out.json", GUIDE, SENTIMENTS)
    assert json.loads(path.read_text()) == [
        {**row, "response": outcome.text} for row, outcome in zip(GUIDE, SENTIMENTS, strict=True)
    ]
    assert path.read_text().count("\n") == 5
    assert json.loads(written(tmp_path / "none.json", [], []).read_text()) == []


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.json", "out.jsonl", "out.parquet"])
def test_rows_stand_in_the_order_of_the_input_whatever_order_answers_come_in(tmp_path, name):
    rows = [{"customer_id": str(n), "review_text": "x, \t\n y" * (n % 5)} for n in range(300)]
    outcomes = [Outcome(text=f"answer {n}") for n in range(300)]
    order = random.Random(1).sample(range(300), 300)
    path = written(tmp_path / name, rows, outcomes, order=order)
    assert [row["response"] for row in read(path)] == [outcome.text for outcome in outcomes]
    assert [row["customer_id"] for row in read(path)] == [row["customer_id"] for row in rows]
    assert [row["review_text"] for row in read(path)] == [row["review_text"] for row in rows]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.jsonl", "out.parquet"])
def test_failed_rows_are_marked_with_their_error(tmp_path, name):
    outcomes = [*SENTIMENTS[:2], Outcome(error="refused: too\nlong")]
    first, second, third = read(written(tmp_path / name, GUIDE, outcomes))
    assert first["response"] == "Sentiment: Positive"
    assert not first.get("error")
    assert not second.get("error")
    assert not third["response"]
    assert third["error"] == "refused: too\nlong"


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.jsonl"])
def test_rows_written_all_together_are_written_as_one_after_another(tmp_path, name):
    outcomes = [Outcome(error="no") if number == 300 else Outcome(text=f"answer {number}") for number in range(600)]
    rows = [({"id": str(number)}, outcome) for number, outcome in enumerate(outcomes)]
    for folder in ("together", "single"):
        with open_report(tmp_path / folder / name, Shape(columns=("id",))) as report:
            if folder == "together":
                report.write_all(iter(rows))
            else:
                for number, row in enumerate(rows):
                    report.write(number, *row)
            written = report.finish()
        assert (written.rows, written.failed) == (600, 1)
    assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "single" / name).read_bytes()


def test_the_report_says_how_many_rows_failed(tmp_path):
    with open_report(tmp_path / "out.csv", Shape(columns=COLUMNS)) as report:
        report.write(0, GUIDE[0], SENTIMENTS[0])
        report.write(1, GUIDE[1], Outcome(error="no"))
        done = report.finish()
    assert (done.path, done.rows, done.failed) == (tmp_path / "out.csv", 2, 1)


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.booleans())))
def test_widening_a_csv_changes_nothing_that_was_in_it(tmp_path_factory, cells):
    path = tmp_path_factory.getbasetemp() / "wide.csv"
    rows = [{"customer_id": f"x{text}", "review_text": text} for text, _ in cells]
    outcomes = [Outcome(error="no") if failed else Outcome(text="yes") for _, failed in cells]
    written(path, rows, outcomes)
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [(row["customer_id"], row["review_text"], row.get("error", "")) for row in table] == [
        (row["customer_id"], row["review_text"], outcome.error or "")
        for row, outcome in zip(rows, outcomes, strict=True)
    ]


SCHEMA_OUTCOMES = [
    Outcome(text='{"mood": "good", "score": 3}', value={"mood": "good", "score": 3, "more": 1}),
    Outcome(text="I cannot", error="the answer is not JSON"),
    Outcome(text="{}", value={"score": 4, "mood": None}),
]


def test_with_a_schema_csv_has_a_column_for_each_field(tmp_path):
    path = written(
        tmp_path / "out.csv", GUIDE, [SCHEMA_OUTCOMES[0], *SCHEMA_OUTCOMES[2:] * 2], fields=("mood", "score")
    )
    assert path.read_text().split("\n")[:2] == [
        "customer_id,review_text,mood,score",
        "1001,Amazing product! Highly recommend.,good,3",
    ]


def test_an_answer_that_does_not_fit_the_schema_is_kept_beside_its_error(tmp_path):
    path = written(tmp_path / "out.csv", GUIDE, SCHEMA_OUTCOMES, fields=("mood", "score"))
    first, second, third = read(path)
    assert list(first) == [*COLUMNS, "mood", "score", "response", "error"]
    assert (first["mood"], first["response"], first["error"]) == ("good", "", "")
    assert (second["mood"], second["response"], second["error"]) == ("", "I cannot", "the answer is not JSON")
    assert (third["score"], third["error"]) == ("4", "")


def test_with_a_schema_json_has_what_the_answer_says(tmp_path):
    first, second, _ = read(written(tmp_path / "out.jsonl", GUIDE, SCHEMA_OUTCOMES, fields=("mood", "score")))
    assert first["response"] == {"mood": "good", "score": 3, "more": 1}
    assert "error" not in first
    assert (second["response"], second["error"]) == ("I cannot", "the answer is not JSON")


def test_parquet_columns_have_the_type_their_values_share(tmp_path):
    rows = [
        {"i": 1, "f": 1, "t": 1, "b": True, "n": None, "l": [1], "big": 2**70},
        {"i": 2, "f": 2.5, "t": "x", "b": None, "n": None, "l": {"a": 1}, "big": 1},
    ]
    path = written(
        tmp_path / "o'ut [x].parquet",
        rows,
        [Outcome(value={"score": 1}), Outcome(value={"score": 2})],
        columns=tuple(rows[0]),
        fields=("score",),
    )
    assert read(path) == [
        {"i": 1, "f": 1.0, "t": "1", "b": True, "n": None, "l": "[1]", "big": str(2**70), "score": 1, "error": None},
        {"i": 2, "f": 2.5, "t": "x", "b": None, "n": None, "l": '{"a":1}', "big": "1", "score": 2, "error": None},
    ]


def test_columns_of_the_input_are_never_written_over(tmp_path):
    rows = [{"response": "old", "error": "none", "name": "x"}]
    columns = tuple(rows[0])
    path = written(tmp_path / "a.csv", rows, [Outcome(text="new", error="bad")], columns=columns)
    assert read(path) == [{**rows[0], "response_2": "new", "error_2": "bad"}]
    path = written(tmp_path / "a.jsonl", rows, [Outcome(text="new", error="bad")], columns=columns)
    assert read(path) == [{**rows[0], "response_2": "new", "error_2": "bad"}]
    path = written(tmp_path / "b.csv", rows, [Outcome(value={"name": "y"})], columns=columns, fields=("name",))
    assert read(path) == [{**rows[0], "name_2": "y"}]


def test_csv_is_safe_for_spreadsheets_where_that_is_asked_for(tmp_path):
    rows = [{"customer_id": "=1+1", "review_text": "fine"}]
    assert read(written(tmp_path / "a.csv", rows, answers("@x"), csv_safe=True)) == [
        {"customer_id": "'=1+1", "review_text": "fine", "response": "'@x"}
    ]
    assert read(written(tmp_path / "b.csv", rows, answers("@x"))) == [{**rows[0], "response": "@x"}]


def test_what_a_terminal_obeys_never_gets_from_a_model_into_csv(tmp_path):
    path = written(tmp_path / "a.csv", GUIDE[:1], answers("a\x1b[31mb\r\nc\ud83d"))
    assert read(path)[0]["response"] == "a[31mb\nc\ufffd"


def test_csv_begins_with_a_byte_order_mark_where_that_is_asked_for(tmp_path):
    path = written(tmp_path / "a.csv", GUIDE, [*SENTIMENTS[:2], Outcome(error="no")], byte_order_mark=True)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfcustomer_id")
    assert path.read_bytes().count(b"\xef\xbb\xbf") == 1


def test_values_that_are_no_text_are_written_as_json_has_them(tmp_path):
    rows = [{"n": 5, "t": True, "l": [1, "é"], "none": None}, {"other": 1}]
    path = written(tmp_path / "a.csv", rows, answers("x", "y"), columns=("n", "t", "l", "none"))
    assert path.read_text() == 'n,t,l,none,response\n5,true,"[1,""é""]",,x\n,,,,y\n'


def test_a_row_is_written_once(tmp_path):
    with open_report(tmp_path / "a.csv", Shape(columns=COLUMNS)) as report:
        report.write(0, GUIDE[0], SENTIMENTS[0])
        report.write(2, GUIDE[2], SENTIMENTS[2])
        for position in (0, 2):
            with pytest.raises(ValueError, match="written before"):
                report.write(position, GUIDE[0], SENTIMENTS[0])


def test_a_run_that_ends_early_leaves_what_it_has_in_the_part(tmp_path):
    path = tmp_path / "out.json"
    written(path, GUIDE, SENTIMENTS, order=[0, 2], finish=False)
    assert not path.exists()
    assert [row["customer_id"] for row in json.loads((tmp_path / "out.json.part").read_text())] == ["1001", "1003"]


def test_a_run_that_stops_may_still_finish_with_what_it_has(tmp_path):
    with open_report(tmp_path / "out.csv", Shape(columns=COLUMNS)) as report:
        report.write(0, GUIDE[0], SENTIMENTS[0])
        report.write(2, GUIDE[2], SENTIMENTS[2])
        assert report.finish().rows == 2
    assert [row["customer_id"] for row in read(tmp_path / "out.csv")] == ["1001", "1003"]


def test_a_run_without_a_row_leaves_nothing(tmp_path):
    with open_report(tmp_path / "out.csv", Shape(columns=COLUMNS)):
        pass
    assert list(tmp_path.iterdir()) == []


def _write_until_killed(path, ready):
    with open_report(path, Shape(columns=("n",))) as report:
        for n in range(10**9):
            report.write(n, {"n": n}, Outcome(text="x" * 50))
            if n == 5000:
                ready.set()


def test_a_killed_run_leaves_whole_rows_in_order_and_nothing_else(tmp_path):
    path = tmp_path / "out.jsonl"
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_write_until_killed, args=(path, ready))
    process.start()
    assert ready.wait(30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    (left,) = tmp_path.iterdir()
    assert left.name == "out.jsonl" + PART
    whole = left.read_bytes().rpartition(b"\n")[0].split(b"\n")
    assert [json.loads(line)["n"] for line in whole] == list(range(len(whole)))
    with pytest.raises(InputError, match=r"out\.jsonl\.part holds what a run that was killed had; --resume"):
        open_report(path, Shape())
    written(path, GUIDE, SENTIMENTS)
    assert len(read(path)) == 3


def test_rows_reach_the_disk_while_the_run_goes_on(tmp_path, monkeypatch):
    moments = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with open_report(tmp_path / "out.csv", Shape(columns=COLUMNS)) as report:
        report.write(0, GUIDE[0], SENTIMENTS[0])
        assert "1001" in (tmp_path / "out.csv.part").read_text()
        report.finish()


def test_an_output_that_is_there_is_refused_unless_it_may_be_replaced(tmp_path):
    path = written(tmp_path / "out.csv", GUIDE, SENTIMENTS)
    before = path.read_bytes()
    with pytest.raises(InputError, match="belongs to another run; --resume goes on with its run, --overwrite"):
        open_report(path, Shape())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with open_report(path, Shape(columns=COLUMNS), existing=Existing.REPLACE) as report:
        report.write(0, GUIDE[0], SENTIMENTS[0])
        assert path.read_bytes() == before
        report.finish()
    assert len(read(path)) == 1


def test_two_runs_never_write_one_output(tmp_path):
    with open_report(tmp_path / "out.csv", Shape(columns=COLUMNS)) as report:
        for existing in Existing:
            with pytest.raises(InputError, match="another run is writing"):
                open_report(tmp_path / "out.csv", Shape(), existing=existing)
        report.write(0, GUIDE[0], Outcome(error="no"))  # the part is written anew, and still ours
        with pytest.raises(InputError, match="another run is writing"):
            open_report(tmp_path / "out.csv", Shape(), existing=Existing.REPLACE)
        report.write(1, GUIDE[1], SENTIMENTS[1])
        report.finish()
    assert len(read(tmp_path / "out.csv")) == 2


def test_an_unwritable_output_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "out.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            open_report(path, Shape(), format=Format.CSV)


def test_a_folder_that_is_not_there_is_made(tmp_path):
    assert written(tmp_path / "a" / "b" / "out.csv", GUIDE, SENTIMENTS).is_file()


def test_the_format_is_given_by_the_name_or_said(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no format ends in '\.xyz'; known: \.csv"):
        open_report(tmp_path / "out.xyz", Shape())
    with open_report(tmp_path / "out.xyz", Shape(columns=COLUMNS), format=Format.JSON) as report:
        report.finish()
    assert json.loads((tmp_path / "out.xyz").read_text()) == []
    path = written(tmp_path / "out.tsv", GUIDE, SENTIMENTS)
    with open_dataset([path], options=ReadOptions(delimiter="\t")) as dataset:
        assert [row.cells["response"] for row in dataset.rows()] == [outcome.text for outcome in SENTIMENTS]


@given(st.permutations(range(40)), st.integers(0, 200))
def test_lines_wait_in_memory_or_in_a_file_and_come_back_as_they_were(tmp_path_factory, order, room):
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "IN_MEMORY", room)
        kept = Waiting(folder)
        for number, position in enumerate(order):
            kept.put(position, b"%d %b\n" % (position, b"x" * (position * 7)))
            assert len(kept) == number + 1
        assert kept.holds(order[0])
        assert not kept.holds(40)
        assert kept.take(order[0]) == b"%d %b\n" % (order[0], b"x" * (order[0] * 7))
        assert kept.take(order[0]) is None
        rest = [int(line.split()[0]) for line in kept.rest()]
        kept.close()
    assert rest == [n for n in range(40) if n != order[0]]
    assert not list(folder.glob(".batchwright-*"))


def test_memory_does_not_grow_when_the_first_answer_comes_last(tmp_path):
    def peak(rows):
        with open_report(tmp_path / f"{rows}.jsonl", Shape()) as report:
            tracemalloc.start()
            for position in range(rows - 1, -1, -1):
                report.write(position, {"a": "x" * 300}, Outcome(text="y" * 300))
            report.finish()
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    assert peak(40_000) < peak(20_000) + 20_000 * 20
