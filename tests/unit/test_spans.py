import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.spans import Spans

ASCENDING = st.sets(st.integers(0, 60)).map(sorted)


@given(ASCENDING)
def test_spans_are_the_ids_they_were_made_of(ids):
    spans = Spans(ids)
    assert list(spans) == ids
    assert len(spans) == len(ids)
    assert [spans[place] for place in range(-len(ids), len(ids))] == ids + ids
    assert [item in spans for item in range(-1, 62)] == [item in ids for item in range(-1, 62)]
    assert [spans.index(item) for item in ids] == list(range(len(ids)))
    again = Spans.between(spans.runs())
    assert (again, hash(again)) == (spans, hash(spans))


@given(ASCENDING, st.slices(60))
def test_a_part_of_spans_is_that_part_of_the_ids(ids, part):
    assert list(Spans(ids)[part]) == ids[part]


def test_runs_that_meet_are_one():
    assert list(Spans.between([(0, 2), (3, 3), (7, 8)]).runs()) == [(0, 3), (7, 8)]


@pytest.mark.parametrize("runs", [[(3, 2)], [(0, 2), (2, 4)], [(5, 6), (0, 1)], [(-2, -1)]])
def test_runs_that_do_not_ascend_are_refused(runs):
    with pytest.raises(ValueError, match=r"ascend|ends"):
        Spans.between(runs)


@pytest.mark.parametrize("stranger", [1, 7, -1, "0", None])
def test_what_is_not_among_the_ids_has_no_place(stranger):
    spans = Spans([0, 2, 3])
    assert stranger not in spans
    with pytest.raises(ValueError, match="not among"):
        spans.index(stranger)


def test_a_place_beyond_the_last_id_is_an_error():
    with pytest.raises(IndexError):
        Spans([0, 2])[2]
