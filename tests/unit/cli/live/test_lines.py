import pytest

from batchwright.cli.live.lines import DocumentLines

A, B, C = ("g", "a"), ("g", "b"), ("g", "c")


@pytest.fixture
def shown():
    return []


class Lines(DocumentLines):
    """Takes texts, and prints them into a list."""

    def __init__(self, shown):
        super().__init__()
        self.shown = shown

    def say(self, key, line):
        super().say(key, lambda: self.shown.append(line))


@pytest.fixture
def lines(shown):
    return Lines(shown)


def test_the_first_document_is_told_as_it_goes(lines, shown):
    lines.begin(A, "a...")
    assert shown == ["a..."]
    lines.say(A, "a 0")
    assert shown == ["a...", "a 0"]


def test_others_wait_until_those_begun_before_them_have_ended(lines, shown):
    for key in (A, B, C):
        lines.begin(key, f"{key[1]}...")
    lines.say(C, "c 0")
    lines.say(B, "b 0")
    lines.end(C)
    lines.say(A, "a 0")
    assert shown == ["a...", "a 0"]
    lines.end(A)
    assert shown == ["a...", "a 0", "b...", "b 0"]
    lines.say(B, "b 1")
    lines.end(B)
    assert shown[4:] == ["b 1", "c...", "c 0"]


def test_closed_early_what_waited_is_told(lines, shown):
    lines.begin(A, "a...")
    lines.begin(B, "b...")
    lines.say(B, "b 0")
    lines.close()
    assert shown == ["a...", "b...", "b 0"]


def test_a_document_may_be_begun_again(lines, shown):
    lines.begin(A, "a...")
    lines.end(A)
    lines.begin(A, "a again...")
    assert shown == ["a...", "a again..."]
