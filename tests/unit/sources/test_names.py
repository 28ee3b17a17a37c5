from dataclasses import dataclass

import pytest

from batchwright.errors import ConfigurationError
from batchwright.sources.names import select


@dataclass(frozen=True)
class Named:
    group: str
    name: str


DOCUMENTS = (
    Named("Art-and-Design", "guide.md"),
    Named("Art-and-Design", "overview.md"),
    Named("Geography", "gcse-geography.md"),
    Named("Geography", "overview.md"),
    Named("French", "notes.txt"),
)


def chosen(**wishes):
    return [f"{document.group}/{document.name}" for document in select(DOCUMENTS, **wishes)]


def test_no_wish_means_everything():
    assert select(DOCUMENTS) == DOCUMENTS


@pytest.mark.parametrize("wish", ["Art and Design", "art-and-design", "ARTANDDESIGN", " Art_and Design "])
def test_subjects_match_ignoring_case_spaces_hyphens_and_underscores(wish):
    assert chosen(subjects=[wish]) == ["Art-and-Design/guide.md", "Art-and-Design/overview.md"]


def test_documents_keep_their_own_order_whatever_the_order_of_the_wishes():
    assert chosen(subjects=["french", "art and design"])[0] == "Art-and-Design/guide.md"


def test_an_unknown_subject_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'History'.*Art-and-Design, Geography, French"):
        chosen(subjects=["Geography", "History"])


@pytest.mark.parametrize("wish", ["", "-", " "])
def test_a_subject_of_nothing_matches_nothing(wish):
    with pytest.raises(ConfigurationError):
        chosen(subjects=[wish])


def test_a_subject_that_matches_two_is_refused_and_both_are_named():
    documents = (*DOCUMENTS, Named("Art and Design", "other.md"))
    with pytest.raises(ConfigurationError, match="Art-and-Design, Art and Design"):
        select(documents, ["Art-and-Design"])


@pytest.mark.parametrize(
    "wish", ["gcse-geography.md", "gcse-geography", "GCSE-Geography.MD", "geography/gcse-geography"]
)
def test_a_document_matches_with_or_without_md_and_its_subject(wish):
    assert chosen(names=[wish]) == ["Geography/gcse-geography.md"]


def test_a_file_name_may_be_in_several_subjects():
    assert chosen(names=["overview"]) == ["Art-and-Design/overview.md", "Geography/overview.md"]
    assert chosen(names=["overview"], subjects=["geography"]) == ["Geography/overview.md"]
    assert chosen(names=["Art and Design/overview.md"]) == ["Art-and-Design/overview.md"]


def test_a_pattern_may_match_many_in_one_subject():
    assert chosen(names=["*guide*", "o*"]) == [
        "Art-and-Design/guide.md",
        "Art-and-Design/overview.md",
        "Geography/overview.md",
    ]


def test_only_md_is_left_out():
    assert chosen(names=["notes.txt"]) == ["French/notes.txt"]
    with pytest.raises(ConfigurationError):
        chosen(names=["notes"])


@pytest.mark.parametrize("wish", ["nothing.md", "z*", "History/overview.md", "", "/"])
def test_an_unknown_document_lists_those_there_are(wish):
    with pytest.raises(ConfigurationError, match=r"there are: .*Geography/gcse-geography\.md"):
        chosen(names=[wish])


def test_a_document_outside_the_chosen_subjects_is_unknown():
    with pytest.raises(ConfigurationError, match=r"notes\.txt"):
        chosen(names=["notes.txt"], subjects=["Geography"])


def test_a_name_that_means_two_of_one_subject_is_refused():
    documents = (Named("Art", "a.md"), Named("Art", "A.md"))
    with pytest.raises(ConfigurationError, match=r"Art/a\.md, Art/A\.md"):
        select(documents, names=["a"])


def test_a_long_list_of_known_names_is_shortened():
    documents = tuple(Named(f"Subject {number}", "a.md") for number in range(100))
    with pytest.raises(ConfigurationError, match="and 75 more"):
        select(documents, ["nothing"])
