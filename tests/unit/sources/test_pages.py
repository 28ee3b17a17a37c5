import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.sources.pages import CAP, find_base, folded, quotation, read_for, split_pages

DASHES = "-" * 48


def document(*pages, first=1):
    return split_pages("".join(f"\n\n{{{number}}}{DASHES}\n\n{text}\n" for number, text in enumerate(pages, first)))


def quoted(page, context):
    return quotation(page, f"...{context}...", context.split("**")[1])


def read(paged, *quotations, base=0):
    return read_for(paged, quotations, base=base)


def titles(reading):
    return [passage.title for passage in reading.passages]


def words(paged):
    return [(page.marker, folded(paged.text[page.start : page.end])) for page in paged.pages]


def test_a_page_begins_with_its_marker_and_pages_cover_the_whole_text():
    paged = document("one", "two", first=0)
    assert words(paged) == [(0, f"{{0}}{DASHES} one"), (1, f"{{1}}{DASHES} two")]
    assert paged.pages[0].start == 0
    assert paged.pages[0].end == paged.pages[1].start
    assert paged.pages[1].end == len(paged.text)
    assert paged.notices == ()


def test_markers_with_windows_line_ends_are_markers():
    paged = split_pages(f"{{1}}{DASHES}\r\none\r\n{{2}}{DASHES}\r\ntwo")
    assert [page.marker for page in paged.pages] == [1, 2]


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 2, 2, 3], [1, 2, 3]),
        ([1, 3, 2, 4], [1, 2, 4]),
        ([1, 2, 999999, 3, 4], [1, 2, 3, 4]),
        ([7, 1, 2, 3], [1, 2, 3]),
        ([1, 2, 5, 6], [1, 2, 5, 6]),
        ([3, 2, 1], [1]),
    ],
)
def test_markers_out_of_order_or_repeated_are_text_and_said(numbers, kept):
    paged = split_pages("".join(f"{{{number}}}{DASHES}\npage\n" for number in numbers))
    assert [page.marker for page in paged.pages] == kept
    assert bool(paged.notices) is (len(kept) < len(numbers))


@pytest.mark.parametrize(
    "line", ["{x}" + DASHES, "{}" + DASHES, "{2} " + DASHES, "{2}" + DASHES + " and more", "{٣}" + DASHES]
)
def test_malformed_markers_are_text_and_said_unless_nothing_like_one(line):
    paged = split_pages(f"{{1}}{DASHES}\none\n{line}\nstill one")
    assert [page.marker for page in paged.pages] == [1]
    assert [("line 3" in notice) for notice in paged.notices] == ([] if line.startswith("{2} ") else [True])


def test_a_document_without_markers_has_no_pages():
    assert split_pages("{1} Sample page\n").pages == ()
    assert split_pages("").pages == ()


@given(st.lists(st.integers(-1, 12) | st.sampled_from(["x", "", "99999999999999999999"]), max_size=12))
def test_no_sequence_of_markers_crashes_and_nothing_of_the_text_is_lost(numbers):
    paged = split_pages("".join(f"{{{number}}}{DASHES}\ntext\n" for number in numbers))
    markers = [page.marker for page in paged.pages]
    assert markers == sorted(set(markers))
    if paged.pages:
        assert "".join(paged.text[page.start : page.end] for page in paged.pages) == paged.text


@pytest.mark.parametrize(("first", "base"), [(0, 1), (1, 0), (5, 0)])
def test_the_first_marker_tells_the_base_where_nothing_is_quoted(first, base):
    assert find_base(document("one", "two", first=first), []) == base


def test_quotations_outvote_the_first_marker():
    paged = document("the red fox", "the blue cow", "the green hen", first=0)
    assert find_base(paged, [quoted(1, "the **blue** cow"), quoted(2, "the **green** hen")]) == 0
    assert find_base(paged, [quoted(1, "the **red** fox"), quoted(2, "the **green** hen")]) == 1
    shifted = document("the red fox", "the blue cow", first=1)
    assert find_base(shifted, [quoted(2, "the **red** fox"), quoted(3, "the **blue** cow")]) == 1


def test_the_cited_page_is_read_whole_and_alone():
    paged = document("a red fox", "a blue cow", "a green hen")
    reading = read(paged, quoted(2, "a **blue** cow"))
    assert titles(reading) == ["Page 2"]
    assert folded(reading.passages[0].text) == f"{{2}}{DASHES} a blue cow"
    assert reading.unplaced == 0


def test_the_same_words_elsewhere_do_not_lead_away_from_the_cited_page():
    paged = document(*["the same words"] * 5)
    assert titles(read(paged, quoted(4, "the **same** words"))) == ["Page 4"]


def test_the_nearest_page_with_the_words_is_read_instead():
    paged = document("the red fox", "something else", "the red fox", "other", "other", "other", "the red fox")
    assert titles(read(paged, quoted(4, "the **red** fox"))) == ["Page 3"]
    assert titles(read(paged, quoted(99, "the **red** fox"))) == ["Page 7"]


def test_words_that_run_over_the_end_of_a_page_bring_both_pages_without_a_seam():
    paged = document("one", "a red", "fox ran", "four")
    reading = read(paged, quoted(2, f"a **red** {{3}}{DASHES}  fox"))
    assert titles(reading) == ["Pages 2 to 3"]
    assert f"a red {{3}}{DASHES} fox ran" in folded(reading.passages[0].text)


def test_neighbouring_pages_are_one_passage_and_others_stand_apart():
    paged = document("a red fox", "a blue cow", "a green hen", "nothing", "a white dog")
    reading = read(paged, *(quoted(page, f"a **{word}**") for page, word in [(5, "white"), (2, "blue"), (1, "red")]))
    assert titles(reading) == ["Pages 1 to 2", "Page 5"]


def test_page_titles_count_as_the_report_does():
    paged = document("a red fox", "a blue cow", "a green hen", first=0)
    assert titles(read(paged, quoted(2, "a **blue** cow"), base=1)) == ["Page 2"]


def test_a_cited_page_without_the_words_is_read_where_they_are_nowhere():
    paged = document("one", "two", "three")
    reading = read(paged, quoted(3, "gone **for** good"))
    assert titles(reading) == ["Page 3"]
    assert reading.unplaced == 0


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("a  red\n\nfox ran", "a **red**  fox ran"),
        ("a<br>red<br/>fox", "a **red** fox"),
        ("a **red fox** ran", "a **red** fox ran"),
        ("by **Millau** red fox", "by Millau** **red** fox"),
        ("Unit 1(internal)", "Unit 1**(**internal)"),
        ("responses and they", "responses** and** they"),
        ("a (red) [fox] 1.5+2", "a **(red)** [fox] 1.5+2"),
        ("a red fox", "**a red fox**"),
    ],
)
def test_white_space_line_breaks_and_bold_do_not_hide_a_quotation(text, context):
    paged = document("other", "another", text, "last")
    issue = {"by Millau** **red** fox": "red"}.get(context, context.split("**")[1])
    assert titles(read(paged, quotation(None, f"...{context}...", issue))) == ["Page 3"]


def test_half_a_quotation_finds_its_page_where_the_other_half_changed():
    paged = document("one", "the long beginning of a red fox", "three")
    reading = read(paged, quoted(1, "the long beginning of a **red** herring"))
    assert titles(reading) == ["Page 2"]


def test_half_a_quotation_is_not_believed_far_from_the_cited_page():
    paged = document("one", "two", "three", "four", "the long beginning of a red fox")
    reading = read(paged, quoted(1, "the long beginning of a **red** herring"))
    assert titles(reading) == ["Page 1"]


def test_without_a_page_the_words_are_looked_for():
    paged = document("a red fox", "a blue cow", "a green hen")
    assert titles(read(paged, quoted(None, "a **blue** cow"))) == ["Page 2"]


def test_without_pages_the_text_around_the_words_is_read():
    text = "x " * 5_000 + "a red fox" + " y" * 5_000
    reading = read(split_pages(text), quoted(None, "a **red** fox"))
    assert titles(reading) == ["From the document"]
    (passage,) = reading.passages
    assert "a red fox" in passage.text
    assert 3_900 < len(passage.text) < 4_100


def test_words_that_are_nowhere_bring_the_beginning_of_the_document_and_it_is_said():
    paged = document("x " * 20_000, "two")
    reading = read(paged, quoted(None, "a **red** fox"), quoted(77, "a **blue** fox"))
    assert reading.unplaced == 2
    assert reading.capped
    assert sum(len(passage.text) for passage in reading.passages) <= CAP


def test_a_short_document_is_given_whole():
    reading = read(document("one", "two"), quoted(None, "a **red** fox"))
    assert titles(reading) == ["The whole document"]
    assert reading.unplaced == 1
    assert not reading.capped


def test_a_page_longer_than_the_cap_is_cut_to_the_words_surroundings():
    paged = document("x " * 20_000 + "a red fox" + " y" * 20_000, "two")
    reading = read(paged, quoted(1, "a **red** fox"))
    assert titles(reading) == ["From page 1"]
    assert "a red fox" in reading.passages[0].text
    assert len(reading.passages[0].text) < 5_000


def test_padding_of_tables_and_their_line_breaks_are_not_paid_for():
    reading = read(document("| a        | b<br>c |\n    code"), quoted(1, "| **a** |"))
    assert "| a  | b c |\n    code" in reading.passages[0].text


@pytest.mark.parametrize("context", ["", "......", "...", "**", "****", "... ** ** ...", "**[**(.*+?"])
def test_odd_quotations_do_not_crash(context):
    paged = document("one", "two")
    for page in (None, 1):
        for issue in ("", "[", "**", "word"):
            assert read(paged, quotation(page, context, issue)).passages


def test_an_empty_document_has_nothing_to_read():
    assert read(split_pages(""), quoted(None, "a **red** fox")).passages == ()
