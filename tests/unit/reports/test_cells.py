import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.reports.cells import clean, disarm, key_of, line, same_text

ANY_TEXT = st.text(st.characters() | st.sampled_from(list("\r\n\t,\"'=+-@\x1b\x9b\ud800")), max_size=30)


@given(ANY_TEXT)
def test_cleaned_text_can_be_written_and_commands_no_terminal(text):
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert not [char for char in cleaned if (ord(char) < 32 or 127 <= ord(char) < 160) and char not in "\n\t"]


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing_more(text):
    assert clean(clean(text)) == clean(text)


def test_cleaning_keeps_words_tabs_and_lines():
    assert clean("two\r\nlines\rand a\ttab, naïve ö\u2028") == "two\nlines\nand a\ttab, naïve ö\u2028"


def test_cleaning_takes_the_teeth_out_of_an_escape_sequence():
    assert clean("\x1b[2J\x9b31mred\x07") == "[2J31mred"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_what_a_spreadsheet_would_run_is_disarmed(text):
    assert disarm(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=1", "'=1", "12", " =1"])
def test_what_it_would_not_run_stays(text):
    assert disarm(text) == text


@given(ANY_TEXT)
def test_text_is_the_same_as_what_we_wrote_of_it(text):
    assert same_text(text, clean(text))
    assert same_text(text, disarm(clean(text)))


@pytest.mark.parametrize(("first", "second"), [(" a  b\n", "a b"), ("", " "), ("-5", "'-5"), ("\t=1", "'\t=1")])
def test_white_space_and_the_apostrophe_make_no_difference(first, second):
    assert same_text(first, second)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("ab", "a b"), ("A", "a"), ("'tis", "tis")])
def test_other_words_do(first, second):
    assert not same_text(first, second)


@pytest.mark.parametrize(
    ("cell", "key"),
    [("7", 7), (" 07 ", 7), ("", None), ("7.0", None), ("-1", None), ("x", None), ("\u0667", None), ("9" * 16, None)],
)
def test_a_key_is_a_whole_number_from_zero(cell, key):
    assert key_of(cell) == key


@given(st.lists(st.text(max_size=12) | ANY_TEXT, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_any_reader_of_csv_gets_the_cells_back(cells, line_end):
    text = line(cells, line_end)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [cells]
