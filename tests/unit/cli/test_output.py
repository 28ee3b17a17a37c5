import pytest

from batchwright.cli.output import printable, report_error, table


@pytest.mark.parametrize(
    "text", ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\rb", "\x9b31m", "\u202eevil", "\u2066x", "\x00"]
)
def test_nothing_that_controls_a_terminal_is_printed(text):
    shown = printable(text)
    assert not any(character in shown for character in "\x1b\x07\r\x9b\u202e\u2066\x00")


def test_ordinary_text_is_printed_as_it_is():
    assert printable("Héllo\tworld\n日本 …") == "Héllo\tworld\n日本 …"


def test_a_table_is_aligned_and_ends_without_blanks(capsys):
    table([("a", "bb", "c"), ("aaa", "b", "")])
    assert capsys.readouterr().out == "a    bb  c\naaa  b\n"


def test_an_error_is_told_with_its_causes_once(capsys):
    error = ValueError("cannot write x")
    error.__cause__ = OSError("disk full")
    report_error(error, verbose=False)
    assert capsys.readouterr().err == "Error: cannot write x\n  caused by OSError: disk full\n"
